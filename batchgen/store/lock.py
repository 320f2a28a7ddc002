"""One runner a database: a file lock beside an SQLite file, an advisory lock on a server. Both die with their process."""

from types import TracebackType
from typing import Final, Self

from filelock import BaseFileLock, FileLock, Timeout
from sqlalchemy import Connection, Engine, text

from batchgen.core.errors import LockedError, StoreError
from batchgen.store import runs
from batchgen.store.engine import file_of, open_engine, place_of, reading
from batchgen.store.faults import translated

ADVISORY_KEY: Final = 0x62676E31


class RunLock:
    """Holds the right to run on a database, from ``acquire`` (or ``with``) to ``release``."""

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._file: BaseFileLock | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None

    def acquire(self) -> None:
        """Take the lock at once, or raise LockedError with the holder's host and pid."""
        engine = open_engine(self._url)
        path = file_of(engine.url)
        try:
            with translated(place_of(engine.url)):
                taken = self._take_server(engine) if path is None else self._take_file(f"{path}.lock")
                if not taken:
                    raise LockedError(f"another process is already running on {place_of(engine.url)}{_holder(engine)}")
        finally:
            if self._connection is None:
                engine.dispose()

    def release(self) -> None:
        """Give the lock back; safe to call twice."""
        if self._file is not None:
            self._file.release()
        if self._connection is not None and self._engine is not None:
            self._connection.close()
            self._engine.dispose()
        self._file = self._connection = self._engine = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def _take_file(self, path: str) -> bool:
        lock = FileLock(path, mode=0o600, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            raise StoreError(f"the lock file cannot be used: {path}: {error.strerror}") from error
        self._file = lock
        return True

    def _take_server(self, engine: Engine) -> bool:
        """Lock for the life of one connection; its transaction is ended, so that it holds back no clean-up on the server."""
        connection = engine.connect()
        taken = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY}))
        connection.commit()
        if not taken:
            connection.close()
            return False
        self._engine, self._connection = engine, connection
        return True


def _holder(engine: Engine) -> str:
    """Describe who holds the lock, as far as the run table tells."""
    with reading(engine).connect() as connection:
        run = runs.latest(connection)
    if run is None or run["ended_at"] is not None:
        return ""
    return f": process {run['pid']} on {run['host']}, since {run['started_at']:%Y-%m-%d %H:%M:%S} UTC"
