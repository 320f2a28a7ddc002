"""A batch moves into a database of its own and out of the one where it was, from SQLite and from PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from batchgen.core import events as e
from batchgen.core.errors import InputError, LockedError, StoreError
from batchgen.core.states import State
from batchgen.core.steering import Kind, Request
from batchgen.store import archived, archiving, batchrows, commands, plans, queries, replica, runs
from batchgen.store import schema as s
from batchgen.store.archiving import Mark, Shape
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from tests.support.databases import START, OpenTable, Table, new_plan, spec, specs, sqlite_url, violated

SAVED = (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesStaged, e.ImagesSaved)
MANY = 2 * batchrows.PAGE + 3
REQUEST = Request(kind=Kind.PAUSE, argument="", actor="operator:ana", asked_at=START)


class Death(Exception):  # noqa: N818 - it stands for the end of a process, and is nobody's mistake
    """What ends a removal in these tests."""


@pytest.fixture
def new_database(tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Give a function that makes a database with the tables and no rows."""
    with ExitStack() as stack:

        def make() -> Engine:
            engine = open_engine(sqlite_url(tmp_path))
            stack.callback(engine.dispose)
            return engine

        yield make


def be_silent(_text: str) -> None:
    """Hear where the work is."""


def die_at(page: int) -> Callable[[str], None]:
    """Give a listener that ends the work before the page of that number."""
    numbers = count(1)

    def told(_text: str) -> None:
        if next(numbers) == page:
            raise Death

    return told


def content(engine: Engine, batch_id: int, *, without: tuple[Any, ...] = ()) -> dict[str, list[Any]]:
    """Read all rows of a batch, by table."""
    found = {
        table.name: [tuple(row) for row in batchrows.rows(engine, table, batchrows.of_batch(table, batch_id))]
        for table in (s.batch, *batchrows.OF_BATCH)
        if table not in without
    }
    for page in batchrows.pages(engine, batch_id):
        for table in batchrows.OF_JOB:
            found.setdefault(table.name, []).extend(tuple(row) for row in batchrows.rows(engine, table, page.rows(table)))
    return found


def copied(table: Table, archive: Engine) -> Shape:
    """Copy a batch and compare it; give what it amounts to."""
    was = archiving.shape(table.engine, table.batch_id)
    replica.copy(table.engine, archive, table.batch_id, be_silent)
    replica.require_same(table.engine, archive, table.batch_id, be_silent)
    return was


def marked(table: Table, archive: Engine, was: Shape) -> None:
    """Mark a batch as archived."""
    mark = Mark(path="/archives/night.db", db_uuid=archiving.db_uuid(archive), unit="coin", actor="operator:ana", at=START)
    archiving.mark(table.engine, table.batch_id, was, mark)


def archive_all(table: Table, archive: Engine) -> None:
    """Move a batch."""
    marked(table, archive, copied(table, archive))
    archiving.remove(table.engine, archive, table.batch_id, at=START, told=be_silent)


def every_end(table: Table) -> Table:
    """Bring five jobs to the five ways in which a job comes to rest, with money in each purse."""
    table.walk(1, *SAVED)
    table.walk(2, e.SubmitStarted, e.SubmitAccepted, e.RenderFailed)
    table.walk(3, e.JobCancelled)
    table.walk(4, e.SubmitStarted, e.SubmitUnknown, e.ResubmitAllowed, *SAVED)
    table.walk(5, e.SubmitStarted, e.SubmitUnproven, *SAVED)
    table.thread.call(lambda c: commands.ask(c, table.batch_id, REQUEST)).result()
    return table


def with_neighbour(open_table: OpenTable) -> tuple[Table, Table]:
    """Open a table of every end, and another batch whose job stands after them and is saved."""
    table = every_end(open_table(5))
    other = open_table(name="day", rows=specs(2, first=50))
    other.walk(6, *SAVED)
    return table, other


def test_every_row_is_in_the_archive_and_none_where_it_was(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """Numbers, money and events are the same there; here only the name, the runs and empty totals are left, and the neighbour whole."""
    table, other = with_neighbour(open_table)
    archive = new_database()
    before, neighbour, totals = content(table.engine, table.batch_id), content(other.engine, other.batch_id), table.totals()

    archive_all(table, archive)

    left = content(table.engine, table.batch_id)
    assert before == content(archive, table.batch_id)
    assert totals == queries.totals(archive, table.batch_id)
    assert (0, 0, 0, 0) == (table.totals().jobs, table.totals().spent, table.totals().held, table.totals().orders)
    assert {"batch", "batch_total", "run"} == {name for name, rows in left.items() if rows}
    assert neighbour == content(other.engine, other.batch_id)
    assert ([], []) == (violated(table.engine), violated(archive))


def test_the_mark_tells_what_went_where(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """Jobs, orders and money as they were, and whether anything is still here."""
    table, archive = every_end(open_table(5)), new_database()
    totals = table.totals()

    marked(table, archive, copied(table, archive))
    (begun,) = archived.listed(table.engine).values()
    archiving.remove(table.engine, archive, table.batch_id, at=START, told=be_silent)
    archiving.move_mark(table.engine, table.batch_id, "/elsewhere/night.db")
    (ended,) = archived.listed(table.engine).values()

    assert (5, totals.orders, totals.spent, totals.held, "coin") == (begun.jobs, begun.orders, begun.spent, begun.held, begun.unit)
    assert ("night", archiving.db_uuid(archive), False) == (begun.batch, begun.db_uuid, begun.is_gone)
    assert replace(begun, path="/elsewhere/night.db", is_gone=True) == ended


def test_an_archived_name_is_never_planned_again(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """Neither compared nor stored, and whoever names it hears where it is; nameless requests mean the batch that is left."""
    table, other = with_neighbour(open_table)
    archive_all(table, new_database())

    for plan in (
        lambda: plans.compare(table.engine, "night", specs(9)),
        lambda: plans.save(table.engine, new_plan(), specs(9), at=START),
        lambda: queries.batch_named(table.engine, "night"),
    ):
        with pytest.raises(InputError, match=r"night was archived to /archives/night\.db on 2026-11-22: batchgen --db /archives/night\.db"):
            plan()
    assert 0 == table.totals().jobs
    assert other.name == queries.batch_named(table.engine, None).name


def test_events_go_with_an_archived_batch_and_never_otherwise(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """Before the mark none, after it those of its batch, the neighbour's never; and none is ever changed."""
    table, other = with_neighbour(open_table)
    archive = new_database()
    was = copied(table, archive)
    theirs = f"event WHERE job_id IN (SELECT id FROM job WHERE batch_id = {other.batch_id})"  # noqa: S608 - a number of ours
    ours = f"event WHERE job_id IN (SELECT id FROM job WHERE batch_id = {table.batch_id})"  # noqa: S608 - as above

    with pytest.raises(Exception, match="append-only"):
        table.sql(f"DELETE FROM {ours}")  # noqa: S608 - as above
    marked(table, archive, was)
    with pytest.raises(Exception, match="append-only"):
        table.sql(f"DELETE FROM {theirs}")  # noqa: S608 - as above
    with pytest.raises(Exception, match="append-only"):
        table.sql("UPDATE event SET actor = 'nobody'")

    assert 20 < table.sql(f"DELETE FROM {ours}")  # noqa: S608 - as above


def test_no_number_is_given_twice(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """After the newest rows went, jobs, orders and events go on above them, and the database never looks like an older copy of itself."""
    open_table(name="day", rows=specs(1, first=50)).walk(1, *SAVED)
    table = open_table(rows=specs(3))
    table.walk(4, *SAVED)
    table.walk(3, e.JobCancelled)
    table.walk(2, e.JobCancelled)
    was = table.thread.call(runs.progress).result()

    archive_all(table, new_database())
    after = table.thread.call(runs.progress).result()
    later = open_table(name="later", rows=specs(2, first=70))
    (first, second) = later.claim()
    later.record(first.id, e.SubmitStarted)
    later.record(second.id, e.SubmitStarted)

    assert was == after
    assert (5, 6) == (first.id, second.id)
    assert later.thread.call(runs.progress).result() > was
    events = [row[0] for row in later.sql("SELECT id FROM event ORDER BY id DESC LIMIT 2")]
    assert min(events) > was[2]


@pytest.mark.parametrize("change", ["event", "plan", "request"])
def test_a_batch_that_changes_while_it_is_copied_stays(open_table: OpenTable, new_database: Callable[[], Engine], change: str) -> None:
    """The mark is refused, and nothing has changed."""
    table, archive = every_end(open_table(5)), new_database()
    was = copied(table, archive)
    if change == "event":
        table.record(2, e.RetryAllowed)
    elif change == "plan":
        plans.save(table.engine, new_plan(), specs(6), at=START)
    else:
        table.thread.call(lambda c: commands.ask(c, table.batch_id, REQUEST)).result()
    before = content(table.engine, table.batch_id)

    with pytest.raises(StoreError, match="changed while it was copied"):
        marked(table, archive, was)

    assert {} == archived.listed(table.engine)
    assert before == content(table.engine, table.batch_id)


def test_no_row_goes_that_the_archive_does_not_have(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """An event that slipped in after the mark stops the removal before its page."""
    table, archive = every_end(open_table(5)), new_database()
    marked(table, archive, copied(table, archive))
    table.record(2, e.RetryAllowed)
    before = content(table.engine, table.batch_id)

    with pytest.raises(StoreError, match=r"the archive lacks row [0-9]+ of the table event"):
        archiving.remove(table.engine, archive, table.batch_id, at=START, told=be_silent)

    assert before == content(table.engine, table.batch_id)


@pytest.mark.parametrize("damage", ["UPDATE job SET prompt = 'another' WHERE id = 2", "DELETE FROM artifact"])
def test_a_copy_that_differs_is_not_taken(open_table: OpenTable, new_database: Callable[[], Engine], damage: str) -> None:
    """Whatever is not row for row the batch is no archive of it."""
    table, archive = every_end(open_table(5)), new_database()
    replica.copy(table.engine, archive, table.batch_id, be_silent)
    with archive.begin() as connection:
        connection.exec_driver_sql(damage)

    with pytest.raises(StoreError, match=r"the copy differs from the batch in the table (job|artifact)"):
        replica.require_same(table.engine, archive, table.batch_id, be_silent)


def test_a_batch_that_breaks_an_invariant_stays(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """A faithful copy of what cannot be true is refused, and named."""
    table, archive = every_end(open_table(5)), new_database()
    table.sql("UPDATE batch SET spent_micros = spent_micros + 1")
    replica.copy(table.engine, archive, table.batch_id, be_silent)

    with pytest.raises(StoreError, match=r"I15 \(the money equals a recount of the orders\)"):
        replica.require_same(table.engine, archive, table.batch_id, be_silent)


def test_a_removal_that_ends_between_pages_lies_nowhere_and_goes_on(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """After each page every invariant holds on both sides, and the rest follows; the neighbour's jobs stand in the same pages."""
    first, last = specs(MANY // 2), [spec(number) for number in range(MANY // 2 + 1, MANY + 1)]
    open_table(rows=first)
    other = open_table(name="day", rows=specs(2, first=5_000))
    plans.save(other.engine, new_plan(), [*first, *last], at=START)
    plans.save(other.engine, new_plan(), [], at=START)
    table = open_table(rows=[])
    archive = new_database()
    neighbour, before = content(other.engine, other.batch_id), content(table.engine, table.batch_id)
    marked(table, archive, copied(table, archive))

    left = []
    for _ in range(2):
        with pytest.raises(Death):
            archiving.remove(table.engine, archive, table.batch_id, at=START, told=die_at(3))
        left.append(table.totals().states[State.CANCELLED])
        assert [] == violated(table.engine)
        with pytest.raises(InputError, match="would all be bought again"):
            plans.save(table.engine, new_plan(), first, at=START)
    archiving.remove(table.engine, archive, table.batch_id, at=START, told=be_silent)

    assert [MANY - batchrows.PAGE, MANY - 2 * batchrows.PAGE] == left
    assert before == content(archive, table.batch_id)
    assert neighbour == content(other.engine, other.batch_id)
    assert [] == violated(table.engine)


def test_the_run_of_another_batch_that_had_a_hand_in_it_comes_along(open_table: OpenTable, new_database: Callable[[], Engine]) -> None:
    """Its row is in the archive without that batch, which is not."""
    table, other = every_end(open_table(5)), open_table(name="day", rows=specs(1, first=50))
    table.ledger = SqlLedger(table.thread, batch_id=table.batch_id, run_id=other.run_id)
    table.record(2, e.DriftSeen)
    archive = new_database()

    copied(table, archive)

    assert [(table.run_id, table.batch_id), (other.run_id, None)] == [
        (run.id, run.batch_id) for run in batchrows.rows(archive, s.run, s.run.c.id > 0)
    ]


def test_one_archiving_at_a_time(table: Table) -> None:
    """On a server a second one is refused; an SQLite file has its run lock."""
    with archiving.alone(table.engine):
        if table.engine.dialect.name == "sqlite":
            with archiving.alone(table.engine):
                return
        with pytest.raises(LockedError, match="another process is archiving"), archiving.alone(table.engine):
            raise AssertionError


def test_every_table_is_moved_or_stays_for_a_reason() -> None:
    """A table that a later schema adds must be thought of."""
    assert set(s.metadata.tables.values()) == {s.batch, *batchrows.OF_BATCH, *batchrows.OF_JOB, *batchrows.NOT_MOVED}
