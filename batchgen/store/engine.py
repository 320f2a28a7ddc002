"""Open the job database with durable settings, on SQLite or PostgreSQL; the only home of engine-specific SQL beside the migrations.

SQLite connections run with the driver's own transactions off: a writer's transaction starts with ``BEGIN IMMEDIATE``, a reader's with
``BEGIN``. In a rollback journal a reader blocks every commit while its transaction lives, so readers fetch a page and let go.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from batchgen.core.errors import InputError, SchemaError, StoreError
from batchgen.store import place, presence
from batchgen.store.faults import translated

APPLICATION_ID: Final = 0x62676E31
"""``bgn1``: marks an SQLite file as a job database."""

BUSY_TIMEOUT_S: Final = 30
CACHE_KIB: Final = 32_768
MAX_VALUE_BYTES: Final = 256 * 1024 * 1024
"""No row of ours is near this; a longer one is refused as it is read."""
OLDEST_POSTGRES: Final = 140_000
_SERVER_SETTINGS: Final = "-c idle_in_transaction_session_timeout=20000"
"""A process that is frozen, or cut off, in the middle of a transaction holds rows that all others need: the server ends it."""
_SERVER_CONNECTION: Final = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word is noticed in half a minute, not in hours."""

Database: TypeAlias = Engine
"""An open job database, for those who pass it on without speaking SQL."""


def parse(url: str) -> URL:
    """Read a database URL; a bare path means SQLite. Raise InputError for anything but an SQLite file or PostgreSQL."""
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError("the database must be a path, sqlite:///PATH or postgresql://USER@HOST/NAME") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case name:
            raise InputError(f"{name} cannot hold a job database: use an SQLite file or PostgreSQL")


def file_of(url: URL) -> Path | None:
    """Give the file of an SQLite database, None for a server."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def place_of(url: URL) -> str:
    """Name the database in messages and commands, without a password."""
    path = file_of(url)
    return str(path) if path is not None else url.set(drivername="postgresql")._replace(password=None).render_as_string()


def open_engine(url: str, *, readonly: bool = False) -> Engine:
    """Open the database and check that it can keep what it is told; connections are checked again as they are made.

    A missing SQLite file is created, owner-only, unless ``readonly``. Raises InputError for a bad URL, StoreError for an unfit place or
    server, SchemaError for a file that is not ours.
    """
    parsed = parse(url)
    path = file_of(parsed)
    engine = _open_sqlite(path, readonly=readonly) if path is not None else _open_postgres(parsed, readonly=readonly)
    try:
        with translated(place_of(parsed)), engine.connect():
            return engine
    except (StoreError, SchemaError):
        engine.dispose()
        raise


def journal_settings(version: tuple[int, ...]) -> tuple[str, str]:
    """Give the durable (journal_mode, synchronous) for a version of the SQLite library.

    WAL of older libraries can corrupt the file when two connections write and checkpoint at once, so they get a rollback journal.
    TRUNCATE+FULL measured a little faster than DELETE+EXTRA (0.80 against 0.95 ms a commit) and is as durable: at FULL, SQLite syncs the
    truncated journal before it reports the commit.
    """
    wal_is_sound = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return ("wal", "full") if wal_is_sound else ("truncate", "full")


def durability(url: str) -> str:
    """Describe in a line how the database at ``url`` will keep what it is told."""
    path = file_of(parse(url))
    if path is None:
        return "PostgreSQL, its settings checked at each connection"
    place.check(path)
    journal, synchronous = journal_settings(sqlite3.sqlite_version_info)
    return f"SQLite {sqlite3.sqlite_version}, {journal} journal, synchronous {synchronous}"


def brand(connection: Connection) -> None:
    """Begin a change of the schema: mark an SQLite file as ours; on a server let one process at a time do it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION_ID + 1})")


def damage(connection: Connection) -> list[str]:
    """List what the engine's own checks find wrong: page structure and dangling references. PostgreSQL checks as it reads."""
    if connection.dialect.name != "sqlite":
        return []
    pages = _said_by(connection, "integrity_check")
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return pages + [f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}" for row in dangling]


def pages(connection: Connection) -> int:
    """Count the pages of the file; 0 on a server."""
    return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) if connection.dialect.name == "sqlite" else 0


def page_damage(connection: Connection, table: str | None) -> list[str]:
    """List what is wrong with the pages of one table and its indexes, row by row; without a table with the whole file, but not its rows.

    At most a hundred lines, which is where SQLite stops. PostgreSQL checks as it reads.
    """
    if connection.dialect.name != "sqlite":
        return []
    return _said_by(connection, "quick_check" if table is None else f"integrity_check({table})")


def widen_cache(connection: Connection) -> None:
    """Let the connection remember as many pages as a writer does: ten thousand jobs with all that belongs to them."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")


def _said_by(connection: Connection, check: str) -> list[str]:
    return [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {check}") if row[0] != "ok"]


def seconds_between(dialect: str, earlier: str, later: str) -> str:
    """Write the SQL for the seconds between two instant columns."""
    if dialect == "sqlite":
        return f"((julianday({later}) - julianday({earlier})) * 86400.0)"
    return f"CAST(extract(epoch FROM CAST({later} AS timestamptz) - CAST({earlier} AS timestamptz)) AS double precision)"


def is_server(engine: Engine) -> bool:
    """Say whether other machines may work on the database at the same time."""
    return engine.dialect.name != "sqlite"


def time_of(connection: Connection) -> datetime:
    """Give the time by the database's clock: that of the server, or of this machine for a file."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return now.astimezone(UTC)


def one_at_a_time(connection: Connection, number: int) -> None:
    """Let one process at a time go on from here, until its transaction ends; a transaction on SQLite is alone anyway."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION_ID + 2}, {number})")


def keep_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Write a row in the place of one with the same key; another process that writes one just then is waited for, and does no harm."""
    insert = sqlite_dialect.insert if connection.dialect.name == "sqlite" else postgresql.insert
    new = insert(table).values(row)
    key = [column.name for column in table.primary_key]
    connection.execute(new.on_conflict_do_update(index_elements=key, set_={name: new.excluded[name] for name in row.keys() - set(key)}))


def reading(engine: Engine) -> Engine:
    """Give the same database through transactions that take no write lock."""
    return engine.execution_options(reads_only=True)


@contextmanager
def _closed_on_refusal(driver: DBAPIConnection) -> Iterator[None]:
    """Close a connection whose database is refused; the pool, which never got it, would leave it open."""
    try:
        yield
    except (StoreError, sqlite3.Error):
        driver.close()
        raise


# --- SQLite ---


def _open_sqlite(path: Path, *, readonly: bool) -> Engine:
    place.check(path)
    if not path.exists():
        if readonly:
            raise StoreError(f"there is no job database at {path}")
        place.create(path)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_S},
        pool_reset_on_return="rollback",
    )
    setting_up = _set_up_reader if readonly else _set_up_writer
    opened = presence.identity(path)

    @event.listens_for(engine, "connect")
    def set_up(driver: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        with translated(str(path)), _closed_on_refusal(driver):
            setting_up(_plain(driver), path)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        presence.require_same(path, opened)
        reads_only = readonly or connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


def _plain(driver: DBAPIConnection) -> sqlite3.Connection:
    if not isinstance(driver, sqlite3.Connection):
        msg = f"not an SQLite connection: {type(driver)}"
        raise TypeError(msg)
    driver.isolation_level = None
    return driver


def _set_up_reader(driver: sqlite3.Connection, path: Path) -> None:
    """Set up a connection that never writes rows; it may still roll back what a killed writer left half done."""
    driver.execute("PRAGMA query_only = ON")
    _distrust(driver, path)


def _set_up_writer(driver: sqlite3.Connection, path: Path) -> None:
    _distrust(driver, path)
    journal, synchronous = journal_settings(sqlite3.sqlite_version_info)
    levels = {"full": 2, "extra": 3}
    settings: tuple[tuple[str, str, object], ...] = (
        ("journal_mode", journal, journal),
        ("synchronous", synchronous, levels[synchronous]),
        ("foreign_keys", "ON", 1),
        ("secure_delete", "ON", 1),  # a signed URL that is emptied must not lie on in the page
        ("cache_size", f"-{CACHE_KIB}", -CACHE_KIB),
        ("journal_size_limit", str(64 * 1024 * 1024), 64 * 1024 * 1024),
    )
    for name, value, expected in settings:
        driver.execute(f"PRAGMA {name} = {value}").fetchall()
        found = driver.execute(f"PRAGMA {name}").fetchone()[0]
        if found != expected:
            raise StoreError(f"SQLite did not take {name} = {value} but stays at {found}: {path}")


def _distrust(driver: sqlite3.Connection, path: Path) -> None:
    """Read the file as one that a stranger may have made; raise SchemaError when it is not marked as ours."""
    driver.execute("PRAGMA trusted_schema = OFF")
    driver.execute("PRAGMA cell_size_check = ON")
    driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    mark = driver.execute("PRAGMA application_id").fetchone()[0]
    if mark != APPLICATION_ID and driver.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise SchemaError(f"this SQLite file belongs to another program: {path}")


# --- PostgreSQL ---


def _open_postgres(url: URL, *, readonly: bool) -> Engine:
    try:
        options = {"postgresql_readonly": True} if readonly else {}
        patience = {name: value for name, value in _SERVER_CONNECTION.items() if name not in url.query}
        asked = url.query.get("options", "")
        engine = create_engine(
            url.difference_update_query(["options"]),
            hide_parameters=True,
            pool_reset_on_return="rollback",
            execution_options=options,
            connect_args={**patience, "options": f"{asked if isinstance(asked, str) else ' '.join(asked)} {_SERVER_SETTINGS}".strip()},
        )
    except ModuleNotFoundError as error:
        raise InputError("PostgreSQL needs the extra 'postgres': pip install 'batchgen-cli[postgres]'") from error

    @event.listens_for(engine, "connect")
    def check(driver: Any, _entry: ConnectionPoolEntry) -> None:  # psycopg is optional, so its types are not ours to import
        with _closed_on_refusal(driver):
            with driver.cursor() as cursor:
                _check_server(cursor, readonly=readonly)
            driver.commit()

    return engine


def _check_server(cursor: Any, *, readonly: bool) -> None:
    if int(_show(cursor, "SHOW server_version_num")) < OLDEST_POSTGRES:
        raise StoreError("PostgreSQL 14 or newer is needed")
    if (encoding := _show(cursor, "SHOW server_encoding")) != "UTF8":
        raise StoreError(f"the database is encoded in {encoding}, in which prompts could not be kept: create it with ENCODING 'UTF8'")
    if readonly:
        return
    for setting in ("synchronous_commit", "fsync"):
        if _show(cursor, f"SHOW {setting}") == "off":
            raise StoreError(f"the server has {setting} off: it could forget what was paid")
    if _show(cursor, "SELECT pg_is_in_recovery()") != "False":
        raise StoreError("the server is a standby: only the primary can be written")


def _show(cursor: Any, query: str) -> str:
    cursor.execute(query)
    return str(cursor.fetchone()[0])
