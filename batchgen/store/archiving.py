"""Move a finished batch into a job database of its own.

Theory of operation. The archive is a new SQLite file with the same schema, in which every row has the number that it has here. It is filled
under a hidden name, compared with the source row by row, held against every invariant, forced to the disk, and only then given its name.
Until then nothing here has changed. One short transaction then marks the batch as archived, unless it is no longer what was copied. From
that commit on its name is never planned here again, and the triggers that keep events let its own go. Its rows leave in pages, each in
a transaction that first looks the rows of the page up in the archive, and that takes out of the running totals what it removes, so that
they are true at any moment. A death between two pages leaves the mark, and the same command goes on.

The rows of runs stay in both: they are few, and their numbers tell how far this database has come.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, case, delete, func, insert, select, text, update

from batchgen.core.errors import InputError, LockedError, StoreError
from batchgen.core.states import Outcome
from batchgen.store import numbers
from batchgen.store import schema as s
from batchgen.store.backup import give_name, sync
from batchgen.store.batchrows import OF_JOB, Page, Told, fetched, pages, writing
from batchgen.store.effects import PurseName
from batchgen.store.engine import APPLICATION_ID, place_of
from batchgen.store.faults import translated
from batchgen.store.instants import as_stored
from batchgen.store.rows import Statements, read_purses

_FOR_THE_WAY: Final = "ix_event_archiving"
"""An index by which an attempt that goes is seen to have no event left; it stands only while rows are removed."""
_ADVISORY_KEY: Final = APPLICATION_ID + 2
_COMPANIONS: Final = ("", "-journal", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a batch amounts to; whatever happens to it makes another."""

    jobs: int
    versions: int
    plan: int
    run: int
    requests: int
    spent: int
    reserved: int
    held: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is written down of an archive beside what the batch amounts to."""

    path: str
    db_uuid: str
    unit: str
    actor: str
    at: datetime


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Keep other archivings out of a server until the block ends; an SQLite file has its run lock for that. Raises LockedError."""
    if engine.dialect.name == "sqlite":
        yield
        return
    with translated(place_of(engine.url)), engine.connect() as connection:
        taken = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_KEY})
        connection.commit()
        if not taken:
            raise LockedError(f"another process is archiving on {place_of(engine.url)}; wait for its end")
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_KEY})
            connection.commit()


@contextmanager
def new_archive(target: Path) -> Iterator[Path]:
    """Give the hidden path of a database to be made; when the block ends it stands at ``target``, whole, owner-only and on disk.

    After an error nothing does, and what a death has left is removed by the next. Raises InputError when something stands there already.
    """
    temp = target.with_name(f".{target.name}.part")
    try:
        _forget(temp)
        yield temp
        _close_up(temp)
        give_name(temp, target)
        sync(target.parent)
    except FileExistsError:
        raise InputError(f"{target} exists already, and is left as it is") from None
    except OSError as error:
        raise StoreError(f"the archive cannot be written: {target}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            _forget(temp)


def shape(engine: Engine, batch_id: int) -> Shape:
    """Measure a batch."""
    return Shape(*map(int, fetched(engine, _shape(batch_id))[0]))


def mark(engine: Engine, batch_id: int, was: Shape, told: Mark) -> None:
    """Mark a batch as archived, durably; raise StoreError when it is no longer what was copied, and nothing has changed then."""
    with writing(engine) as connection:
        connection.execute(select(s.batch.c.id).where(s.batch.c.id == batch_id).with_for_update())
        if Shape(*map(int, connection.execute(_shape(batch_id)).one())) != was:
            raise StoreError(f"the batch was changed while it was copied, and stays here; {told.path} has it as it was: remove that file")
        row = insert(s.archive).values(
            batch_id=batch_id, path=told.path, db_uuid=told.db_uuid, unit=told.unit, actor=told.actor, archived_at=told.at,
            jobs=was.jobs, orders=was.orders, spent_micros=was.spent, held_micros=was.held,
            last_job=numbers.last(connection, s.job), last_event=numbers.last(connection, s.event),
        )  # fmt: skip
        connection.execute(row)


def move_mark(engine: Engine, batch_id: int, path: str) -> None:
    """Note where an archive stands now."""
    with writing(engine) as connection:
        connection.execute(update(s.archive).where(s.archive.c.batch_id == batch_id).values(path=path))


def remove(source: Engine, archive: Engine, batch_id: int, *, at: datetime, told: Told) -> None:
    """Take the rows of a marked batch out of the source, page by page; raise StoreError before a row that its archive does not have."""
    told("removing: waiting for an index")
    _set_index(source, stands=True)
    for page in pages(source, batch_id):
        told(f"removing: {page.done} jobs so far")
        with writing(source) as connection:
            _require_known(connection, archive, page)
            _take_out_of_totals(connection, page)
            for table in reversed(OF_JOB):
                connection.execute(delete(table).where(page.rows(table)))
    _set_index(source, stands=False)
    with writing(source) as connection:
        for table in (s.purse, s.plan, s.command):
            connection.execute(delete(table).where(table.c.batch_id == batch_id))
        connection.execute(update(s.archive).where(s.archive.c.batch_id == batch_id).values(removed_at=at))


def db_uuid(engine: Engine) -> str:
    """Give a database's own identity."""
    return str(fetched(engine, select(s.meta.c.value).where(s.meta.c.key == "db_uuid"))[0][0])


def require_another(source: Engine, archive: Engine) -> str:
    """Give the identity of an archive; raise StoreError when it is the source itself, or a copy of the whole of it."""
    if (found := db_uuid(archive)) == db_uuid(source):
        raise StoreError("it is this very database, or a copy of it")
    return found


def _forget(temp: Path) -> None:
    """Remove a half-made database with all that SQLite keeps beside it: the journal of one would be played into the next."""
    for suffix in _COMPANIONS:
        temp.with_name(temp.name + suffix).unlink(missing_ok=True)


def _close_up(path: Path) -> None:
    """Leave a database as one file, owner-only and on the disk."""
    with translated(str(path)), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _shape(batch_id: int) -> Select[Any]:
    """Ask what a batch amounts to: each event makes a version, plans and runs have numbers, money is kept in the commit that moves it."""
    j, b = s.job.c, s.batch.c
    facts = (
        select(func.count()).where(j.batch_id == batch_id),
        select(func.coalesce(func.sum(j.version), 0)).where(j.batch_id == batch_id),
        select(func.coalesce(func.max(s.plan.c.id), 0)).where(s.plan.c.batch_id == batch_id),
        select(func.coalesce(func.max(s.run.c.id), 0)).where(s.run.c.batch_id == batch_id),
        select(func.count()).where(s.command.c.batch_id == batch_id),
    )
    return select(*(fact.scalar_subquery() for fact in facts), b.spent_micros, b.reserved_micros, b.held_micros, b.orders).where(
        b.id == batch_id
    )


def _require_known(connection: Connection, archive: Engine, page: Page) -> None:
    """Raise StoreError unless the archive knows the jobs, orders and events of a page, which are locked where the engine locks rows.

    It may know more: work may have gone on in it.
    """
    connection.execute(select(s.job.c.id).where(page.rows(s.job)).with_for_update()).all()
    for table, columns in ((s.job, ("id", "key")), (s.attempt, ("id", "body_sha256")), (s.event, s.event.c.keys())):
        query = select(*(as_stored(table.c[name]) for name in columns)).where(page.rows(table))
        if missing := {*map(tuple, connection.execute(query))} - {*map(tuple, fetched(archive, query))}:
            number = min(row[0] for row in missing)
            raise StoreError(f"the archive lacks row {number} of the table {table.name}, or has another; nothing more was removed")


def _take_out_of_totals(connection: Connection, page: Page) -> None:
    """Take the jobs of a page, and the money of their orders, out of what is kept of the whole batch."""
    statements, mine = Statements(connection.dialect), page.rows(s.job)
    counts = connection.execute(select(s.job.c.state, func.count()).where(mine).group_by(s.job.c.state)).all()
    statements.move_totals(connection, [(-jobs, page.batch_id, state) for state, jobs in counts])
    deltas: dict[PurseName, tuple[int, int, int, int]] = {}
    for model, day, *amounts in connection.execute(_money(page)):
        for name in (PurseName(page.batch_id), PurseName(page.batch_id, "model", model), PurseName(page.batch_id, "day", day)):
            before = deltas.get(name, (0, 0, 0, 0))
            spent, reserved, held, orders = (was - int(amount) for was, amount in zip(before, amounts, strict=True))
            deltas[name] = (spent, reserved, held, orders)
    statements.move_money(connection, deltas, read_purses(connection, [page.batch_id], locks=True))


def _money(page: Page) -> Select[Any]:
    """Ask what the orders of a page amount to, by model and by day: spent, reserved, held, orders."""
    a = s.attempt.c
    day, weight = func.substr(as_stored(a.opened_at), 1, 10), func.coalesce(a.cost_micros, a.est_micros, 0)
    spent, reserved, held = ([Outcome.ACCEPTED], [Outcome.OPEN], [Outcome.AMBIGUOUS, Outcome.UNPROVEN])
    sums = [
        func.sum(case((a.outcome.in_([outcome.value for outcome in outcomes]), amount), else_=0))
        for outcomes, amount in ((spent, weight), (reserved, weight), (held, weight), ([*spent, *reserved, *held], 1))
    ]
    joined = s.attempt.join(s.job, s.job.c.id == a.job_id)
    return select(s.job.c.model, day, *sums).select_from(joined).where(page.rows(s.job)).group_by(s.job.c.model, day)


def _set_index(engine: Engine, *, stands: bool) -> None:
    """Make or drop the index for the way; a server does it without holding anybody up."""
    if engine.dialect.name == "sqlite":
        change = f"CREATE INDEX IF NOT EXISTS {_FOR_THE_WAY} ON event (attempt_id)" if stands else f"DROP INDEX IF EXISTS {_FOR_THE_WAY}"
        with writing(engine) as connection:
            connection.exec_driver_sql(change)
        return
    with translated(place_of(engine.url)), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {_FOR_THE_WAY}")  # a death in mid-build leaves one of no use
        if stands:
            connection.exec_driver_sql(f"CREATE INDEX CONCURRENTLY {_FOR_THE_WAY} ON event (attempt_id)")
