"""Copy a job database while it is in use."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from batchgen.core.errors import InputError, StoreError
from batchgen.store.engine import file_of, parse
from batchgen.store.faults import translated

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})


def backup(url: str, target: Path) -> None:
    """Write a consistent copy of an SQLite database to ``target``, owner-only and on disk when this returns.

    The copy has its name only once it is whole. Raises InputError for a server or an existing target, StoreError when the copy cannot be
    made; nothing is left behind then.
    """
    source = file_of(parse(url))
    if source is None:
        raise InputError("a PostgreSQL database is backed up with pg_dump")
    if not source.is_file():
        raise StoreError(f"there is no job database at {source}")
    if target.exists():
        raise InputError(f"the backup would overwrite {target}")
    temp = target.with_name(f".{target.name}.part")
    try:
        temp.unlink(missing_ok=True)
        descriptor = os.open(temp, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            _copy(source, temp)
            os.fsync(descriptor)
            give_name(temp, target)
        finally:
            os.close(descriptor)
            temp.unlink(missing_ok=True)
        sync(target.parent)
    except FileExistsError:
        raise InputError(f"the backup would overwrite {target}") from None
    except OSError as error:
        raise StoreError(f"the backup cannot be written: {target}: {error.strerror}") from error


def forget_addresses(copy: Path) -> None:
    """Empty every signed address in a copy, which would open pictures to whoever reads it, and leave it as one file.

    No write-ahead log is kept then, so the copy can be read from a medium that cannot be written. Raises StoreError when it cannot be done.
    """
    with translated(str(copy)), closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        for statement in (
            "PRAGMA trusted_schema = OFF",
            "PRAGMA secure_delete = ON",
            "PRAGMA journal_mode = DELETE",
            "BEGIN IMMEDIATE",
            "UPDATE attempt SET result_urls = '' WHERE result_urls <> ''",
            "UPDATE upload SET url = ''",
            "COMMIT",
        ):
            connection.execute(statement).fetchall()


def give_name(temp: Path, target: Path) -> None:
    """Give the copy its name without replacing anything; a disk without links must do with a look before."""
    try:
        os.link(temp, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        temp.rename(target)


def sync(folder: Path) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    """Copy all pages in one step, under a read lock: the writer waits for it."""
    with translated(str(source)), closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
