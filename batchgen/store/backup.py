"""Copy a job database while it is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from batchgen.core.errors import InputError, StoreError
from batchgen.store.engine import file_of, parse
from batchgen.store.faults import translated


def backup(url: str, target: Path) -> None:
    """Write a consistent copy of an SQLite database to ``target``, owner-only and on disk when this returns.

    Raises InputError for a server or an existing target, StoreError when the copy cannot be made; no half copy is left behind.
    """
    source = file_of(parse(url))
    if source is None:
        raise InputError("a PostgreSQL database is backed up with pg_dump")
    if not source.is_file():
        raise StoreError(f"there is no job database at {source}")
    try:
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise InputError(f"the backup would overwrite {target}") from None
    except OSError as error:
        raise StoreError(f"the backup cannot be written: {target}: {error.strerror}") from error
    try:
        _copy(source, target)
        os.fsync(descriptor)
    except StoreError:
        target.unlink()
        raise
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    """Copy all pages in one step, under a read lock: the writer waits for it."""
    with translated(str(source)), closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
