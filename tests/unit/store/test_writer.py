"""The database thread: groups, order, isolation, end."""

from collections.abc import Sequence
from threading import Event

import pytest
from sqlalchemy import Connection
from sqlalchemy import event as hooks

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError, StaleJobError, StoreError
from batchgen.store.faults import RefusedError
from tests.support.databases import START, OpenTable, Table, event, image


def hold(table: Table) -> Event:
    """Keep the thread busy until the returned event is set, so that what follows queues up."""
    gate = Event()
    table.thread.call(lambda _: gate.wait(30))
    return gate


def commits(table: Table) -> list[int]:
    """Count commits from now on."""
    seen: list[int] = []
    hooks.listen(table.engine, "commit", lambda _: seen.append(1))
    return seen


def test_a_crowd_shares_one_commit(open_table: OpenTable) -> None:
    """Changes that wait together are made durable together."""
    table = open_table(200)
    gate = hold(table)
    seen = commits(table)
    futures = [table.ledger.record(table.change(job_id, e.SubmitStarted)) for job_id in range(1, 201)]

    gate.set()
    versions = [future.result().version for future in futures]

    assert [1] * 200 == versions
    assert 2 == len(seen)


def test_a_group_has_a_limit(open_table: OpenTable) -> None:
    """A commit takes at most a thousand changes, so that the first of a flood does not wait for the last."""
    table = open_table(1500)
    gate = hold(table)
    seen = commits(table)
    futures = [table.ledger.record(table.change(job_id, e.SubmitStarted)) for job_id in range(1, 1501)]

    gate.set()
    futures[-1].result()

    assert 3 == len(seen)
    assert [] == table.violations()


def test_a_call_sees_what_was_handed_over_before(table: Table) -> None:
    """Reads and writes keep their order."""
    gate = hold(table)
    record = table.ledger.record(table.change(1, e.SubmitStarted))
    seen = table.ledger.claim(limit=10, now=START, skip=frozenset(), full_models=frozenset())

    gate.set()

    assert [2, 3] == [job.id for job in seen.result()]
    assert record.done()


def test_a_refused_change_takes_no_neighbour_with_it(table: Table) -> None:
    """Two images at one path: the schema refuses one commit, and only the culprit fails."""
    for job_id in (1, 2, 3):
        table.walk(job_id, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished)
    gate = hold(table)
    files = (image("main/a.png"), image("main/A.PNG"), image("main/c.png"))
    futures = [table.ledger.record(table.change(job_id, e.ImagesSaved(images=(file,)))) for job_id, file in enumerate(files, 1)]

    gate.set()

    assert [None, RefusedError, None] == [type(error) if (error := future.exception()) else None for future in futures]
    assert ["main/a.png", None, "main/c.png"] == [table.story(number)["job"]["path"] for number in (1, 2, 3)]
    assert [] == table.violations()


def test_a_bug_in_a_call_reaches_its_caller(table: Table) -> None:
    """Whatever a call raises comes out of its future, and the thread lives on."""

    def fail(_: Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        table.thread.call(fail).result()

    assert 3 == len(table.claim())


def test_a_failed_call_leaves_nothing(table: Table) -> None:
    """A call that fails half way is rolled back."""

    def half(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE job SET reason = 'touched'")
        raise StaleJobError("somebody was first")

    with pytest.raises(StaleJobError):
        table.thread.call(half).result()

    assert [("",)] == table.sql("SELECT DISTINCT reason FROM job")


def test_a_change_cannot_be_withdrawn(table: Table) -> None:
    """Cancelling the future does not cancel the commit: what a vendor did must be written down."""
    gate = hold(table)
    future = table.ledger.record(table.change(1, e.SubmitStarted))

    assert not future.cancel()

    gate.set()
    assert 1 == future.result().version


def test_closing_finishes_what_was_handed_over(table: Table) -> None:
    """Nothing that was accepted is dropped at the end."""
    gate = hold(table)
    futures = [table.ledger.record(table.change(job_id, e.SubmitStarted)) for job_id in (1, 2, 3)]

    gate.set()
    table.thread.close()

    assert all(future.done() and future.exception() is None for future in futures)


def test_a_closed_thread_takes_nothing(table: Table) -> None:
    """After the end a change fails at once; closing again does no harm."""
    table.thread.close()
    table.thread.close()

    with pytest.raises(StoreError, match="closed"):
        table.ledger.record(table.change(1, e.SubmitStarted)).result()


def test_different_work_does_not_share_a_commit(table: Table) -> None:
    """Only items that are applied by the same function form a group."""

    def sizes(_: Connection, works: Sequence[int]) -> list[int | BatchgenError]:
        return [len(works) for _ in works]

    def other_sizes(_: Connection, works: Sequence[int]) -> list[int | BatchgenError]:
        return [len(works) for _ in works]

    gate = hold(table)
    futures = [table.thread.group(apply, 1) for apply in (sizes, sizes, other_sizes, sizes)]

    gate.set()

    assert [2, 2, 1, 1] == [future.result() for future in futures]


def test_two_connections_race_for_one_job(url: str, open_table: OpenTable) -> None:
    """Of two processes that move the same job, exactly one succeeds."""
    one, other = open_table(1), open_table(1)

    first = one.ledger.record(one.change(1, event(e.SubmitStarted)))
    second = other.ledger.record(other.change(1, event(e.SubmitStarted)))

    outcomes = sorted(type(future.exception()).__name__ for future in (first, second))
    assert ["NoneType", "StaleJobError"] == outcomes
    assert 1 == one.totals().orders
