"""A packaged PostgreSQL that can be struck down and started again while others work on it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from batchgen.store.embedded import EmbeddedServer, embedded_server


@contextmanager
def pg_server() -> Iterator[EmbeddedServer]:
    """Start a server in a temporary folder, with an empty job database."""
    with (
        tempfile.TemporaryDirectory(prefix="batchgen-pg-", ignore_cleanup_errors=True) as folder,
        embedded_server(Path(folder) / "data") as server,
    ):
        yield server


def rows_of(url: str, query: str) -> list[dict[str, Any]]:
    """Read rows, as an auditor would."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]
    finally:
        engine.dispose()
