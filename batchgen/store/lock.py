"""One runner a database, where the database is a file: a lock beside it that dies with its process. A server has many (see ``runs``)."""

from types import TracebackType
from typing import Final, Self

from filelock import BaseFileLock, FileLock, Timeout
from sqlalchemy import Engine

from batchgen.core.errors import LockedError, StoreError
from batchgen.store import runs
from batchgen.store.engine import file_of, open_engine, place_of, reading
from batchgen.store.faults import translated


class RunLock:
    """Holds the right to run on a database file, from ``acquire`` (or ``with``) to ``release``; on a server it holds nothing."""

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._file: BaseFileLock | None = None

    def acquire(self) -> None:
        """Take the lock at once, or raise LockedError with the holder's host and pid."""
        engine = open_engine(self._url)
        path = file_of(engine.url)
        try:
            with translated(place_of(engine.url)):
                if path is not None and not self._take_file(f"{path}.lock"):
                    raise LockedError(f"another process is already running on {place_of(engine.url)}{_holder(engine)}")
        finally:
            engine.dispose()

    def release(self) -> None:
        """Give the lock back; safe to call twice."""
        if self._file is not None:
            self._file.release()
        self._file = None

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


def _holder(engine: Engine) -> str:
    """Describe who holds the lock, as far as the run table tells."""
    with reading(engine).connect() as connection:
        run = runs.latest(connection)
    if run is None or run["ended_at"] is not None:
        return ""
    return f": process {run['pid']} on {run['host']}, since {run['started_at']:%Y-%m-%d %H:%M:%S} UTC"
