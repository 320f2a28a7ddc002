"""Bring a job database to the schema of this program, once, in one transaction.

Alembic is imported only when there is something to do: a database at the head costs one SELECT. A revision's id is the number its file
name begins with. Views are no part of the revisions: they are dropped before and made again after every upgrade from ``views.py``, so a
change of a view comes with a (possibly empty) revision.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, Table, inspect, text

from batchgen.core.errors import SchemaError
from batchgen.store import schema, views
from batchgen.store.backup import backup
from batchgen.store.engine import brand, file_of, open_engine, parse, place_of, time_of
from batchgen.store.faults import translated
from batchgen.store.instants import from_text

_SILENCE: Final = timedelta(seconds=60)
"""A worker of any version leaves a sign of life more often."""


def revisions(migrations_dir: Path) -> list[str]:
    """Give the ids of the revisions that this program knows, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (migrations_dir / "versions").glob("[0-9]*_*.py"))


def head(migrations_dir: Path) -> str:
    """Give the id of the newest revision."""
    return revisions(migrations_dir)[-1]


def current(url: str) -> str | None:
    """Give the revision of a database; None for one without tables or an SQLite file that does not exist."""
    path = file_of(parse(url))
    if path is not None and not path.exists():
        return None
    with _looking(url) as connection:
        return _revision(connection)


def require_head(url: str, migrations_dir: Path) -> None:
    """Raise SchemaError unless the database has exactly this program's schema; it is not changed."""
    found, wanted = _known(url, migrations_dir), head(migrations_dir)
    if found is None:
        raise SchemaError(f"there are no batchgen tables in {place_of(parse(url))}")
    if found != wanted:
        raise SchemaError(f"{place_of(parse(url))} has the older schema {found}, this program needs {wanted}: run 'batchgen db upgrade'")


def upgrade(url: str, migrations_dir: Path) -> Path | None:
    """Create the tables or bring them to the head; give the copy made of an older SQLite file first, else None.

    Does nothing at the head. Raises SchemaError for a schema newer than this program, naming both, and for a file with triggers or views
    of somebody else's; if a step fails nothing has changed.
    """
    found = _known(url, migrations_dir)
    if found == head(migrations_dir):
        return None
    _refuse_workers(url, found, migrations_dir)
    copy = _copy(url, found)
    engine = open_engine(url)
    try:
        with translated(place_of(engine.url)), engine.begin() as connection:
            brand(connection)
            _drop_leftovers(connection)
            views.drop_all(connection)
            _run_revisions(connection, migrations_dir)
            views.create_all(connection)
    finally:
        engine.dispose()
    return copy


def _refuse_workers(url: str, found: str | None, migrations_dir: Path) -> None:
    """Raise SchemaError while workers of the older schema are at work on a server: it would change under their hands."""
    if found is None or file_of(parse(url)) is not None:
        return
    query = text("SELECT id, host, tool_version, heartbeat_at FROM run WHERE ended_at IS NULL ORDER BY id")
    with _looking(url) as connection:
        now = time_of(connection)
        alive = [row for row in connection.execute(query) if now - from_text(row.heartbeat_at) <= _SILENCE]
    if alive:
        names = ", ".join(f"run {row.id} on {row.host}, batchgen {row.tool_version}" for row in alive)
        raise SchemaError(
            f"{place_of(parse(url))} has the older schema {found}, and is in use ({names}): let those workers end first "
            f"(batchgen stop, with their version), then this one brings the schema to {head(migrations_dir)}"
        )


@contextmanager
def _looking(url: str) -> Iterator[Connection]:
    engine = open_engine(url, readonly=True)
    try:
        with translated(place_of(engine.url)), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _known(url: str, migrations_dir: Path) -> str | None:
    """Give the revision as ``current`` does; raise SchemaError when this program does not know it, or what the file holds beside."""
    found = current(url)
    _refuse_unknown(found, migrations_dir, url)
    if found is not None and file_of(parse(url)) is not None:
        with _looking(url) as connection:
            _refuse_foreign(connection, url, is_head=found == head(migrations_dir))
    return found


def _refuse_foreign(connection: Connection, url: str, *, is_head: bool) -> None:
    """Raise SchemaError for a trigger or a view that is not word for word ours: it could change or hide what is recorded.

    An older schema had other views of the same names.
    """
    query = "SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')"
    there = {str(name): str(sql) for name, sql in connection.exec_driver_sql(query)}
    triggers = {name: f"CREATE TRIGGER {name} {rule}" for name, rule in schema.TRIGGERS.items()}
    ours = triggers | views.statements("sqlite")
    strange = {name for name, sql in there.items() if sql != ours.get(name) and (is_head or name not in ours or name in triggers)}
    if not is_head:
        strange -= {name for name, rule in schema.FORMER_TRIGGERS.items() if there.get(name) == f"CREATE TRIGGER {name} {rule}"}
    if is_head:
        strange |= ours.keys() - there.keys()
    if strange:
        names = ", ".join(map(repr, sorted(strange)))
        raise SchemaError(f"the triggers and views of {place_of(parse(url))} are not those that batchgen makes: {names}")


def _refuse_unknown(found: str | None, migrations_dir: Path, url: str) -> None:
    known = revisions(migrations_dir)
    if found is not None and found not in known:
        raise SchemaError(
            f"{place_of(parse(url))} has schema {found}, newer than {known[-1]}, the newest this program knows: update batchgen"
        )


def _copy(url: str, found: str | None) -> Path | None:
    path = file_of(parse(url))
    if path is None or found is None:
        return None
    copy = next(candidate for candidate in _copy_names(path, found) if not candidate.exists())
    backup(url, copy)
    return copy


def _copy_names(path: Path, found: str) -> "list[Path]":
    return [path.with_name(f"{path.name}.bak-{found}{suffix}") for suffix in ("", *(f".{n}" for n in range(1, 1000)))]


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if revision is None else str(revision)


def _drop_leftovers(connection: Connection) -> None:
    """Drop the tables by way of which a dead upgrade was changing a column; Alembic does not start where one of them stands."""
    for name in inspect(connection).get_table_names():
        if name.startswith("_alembic_tmp_"):
            Table(name, MetaData()).drop(connection)


def _run_revisions(connection: Connection, migrations_dir: Path) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and hardly ever needed
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(migrations_dir).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
