"""Fresh SQLite job tables for the store's own tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import OpenTable, Table, opened, sqlite_url


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Make a fresh database at the head."""
    return sqlite_url(tmp_path)


@pytest.fixture
def open_table(url: str) -> Iterator[OpenTable]:
    """Plan rows in the fresh database and open a table on them."""
    with opened(url) as open_one:
        yield open_one


@pytest.fixture
def table(open_table: OpenTable) -> Table:
    """Open a table of three planned rows."""
    return open_table(3)
