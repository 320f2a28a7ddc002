"""Translate what drivers raise into our errors, in one place (RELIABILITY, rows B1 to B6)."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from batchgen.core.errors import SchemaError, StoreAwayError, StoreError
from batchgen.store.presence import holders


class BusyError(StoreAwayError):
    """Somebody else held the database too long, or two transactions crossed; nothing was written, so it may be run again."""


class RefusedError(StoreError):
    """A constraint of the schema refused the change; nothing was written."""


_SQLITE: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_BUSY: (BusyError, "another process has held the job database for too long"),
    sqlite3.SQLITE_LOCKED: (BusyError, "another connection has held the job database for too long"),
    sqlite3.SQLITE_READONLY: (StoreError, "the job database or its folder is read-only"),
    sqlite3.SQLITE_PERM: (StoreError, "this user may not open the job database"),
    sqlite3.SQLITE_IOERR: (StoreError, "the disk failed under the job database"),
    sqlite3.SQLITE_FULL: (StoreError, "no room left on the disk of the job database"),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "the job database cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (SchemaError, "the job database is damaged; restore a backup or try sqlite3's .recover"),
    sqlite3.SQLITE_NOTADB: (SchemaError, "the file is not an SQLite database"),
}

_POSTGRES: Final[dict[str, tuple[type[StoreError], str]]] = {
    "40001": (BusyError, "two transactions crossed"),
    "40P01": (BusyError, "two transactions waited for each other"),
    "55P03": (BusyError, "another connection has held a row for too long"),
    "25006": (StoreAwayError, "the server is read-only: it is not the primary"),
    "53100": (StoreError, "no room left on the server's disk"),
    "42P01": (SchemaError, "the database has no batchgen tables"),
    "XX001": (SchemaError, "the database is damaged"),
}


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Raise BusyError, SchemaError, RefusedError or StoreError, naming ``place``, for whatever the driver raises inside."""
    try:
        yield
    except DBAPIError as error:
        raise _translation(error, place) from error
    except sqlite3.Error as error:
        raise _of_sqlite(error, place) from error
    except SQLAlchemyError as error:
        raise StoreError(f"the job database cannot be used ({place}): {error}") from error


def _translation(error: DBAPIError, place: str) -> StoreError:
    original = error.orig
    if isinstance(original, sqlite3.Error):
        found = _of_sqlite(original, place)
    else:
        kind, sentence = _postgres(error)
        found = kind(f"{sentence} ({place})")
    return RefusedError(str(found)) if isinstance(error, IntegrityError) else found


def _of_sqlite(error: sqlite3.Error, place: str) -> StoreError:
    kind, sentence = _sqlite(error)
    pids = holders(Path(place)) if kind is BusyError else []
    by = f": held by process {', '.join(map(str, pids))}" if pids else ""
    return kind(f"{sentence} ({place}{by})")


def _sqlite(error: sqlite3.Error) -> tuple[type[StoreError], str]:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if "no such table" in str(error):
        return SchemaError, "the database has no batchgen tables"
    return _SQLITE.get(primary, (StoreError, f"the job database refused: {error}"))


def _postgres(error: DBAPIError) -> tuple[type[StoreError], str]:
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    if error.connection_invalidated or sqlstate.startswith(("08", "57P")):
        return StoreAwayError, "the connection to the database was lost; whether the last change was stored is unknown"
    first_line = str(error.orig).strip().partition("\n")[0]
    if not sqlstate and isinstance(error, OperationalError):  # the server never spoke: libpq gives no code for a failed connection
        return StoreAwayError, f"the database cannot be reached: {first_line}"
    return _POSTGRES.get(sqlstate, (StoreError, f"the database refused: {first_line}"))
