"""Requests of operators, kept for the run that works or the next one, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from batchgen.core.steering import Kind, Request
from batchgen.store import commands, runs
from tests.support.databases import START, OpenTable, Table

T = TypeVar("T")


def _in(table: Table, work: Callable[[Connection], T]) -> T:
    return table.thread.call(work).result()


def _ask(table: Table, kind: Kind, argument: str = "", *, minute: int = 0) -> int:
    request = Request(kind=kind, argument=argument, actor="operator:ana", asked_at=START + timedelta(minutes=minute))
    return _in(table, lambda c: commands.ask(c, table.batch_id, request))


def _take(table: Table, *ids: int, minute: int) -> None:
    _in(table, lambda c: commands.take(c, ids, at=START + timedelta(minutes=minute)))


def _end(table: Table, reason: str, code: int, *, minute: int) -> None:
    ending = runs.Ending(stop_reason=reason, exit_code=code)
    _in(table, lambda c: runs.finish(c, table.run_id, ending, at=START + timedelta(minutes=minute)))


def _lasting(table: Table) -> list[int]:
    return [request.id for request in _in(table, lambda c: commands.lasting(c, table.batch_id))]


def test_requests_wait_in_their_order_until_they_are_taken(table: Table) -> None:
    """What is taken waits no more; actor, argument and instant come back as they were given."""
    first, second = _ask(table, Kind.PAUSE), _ask(table, Kind.LIMIT, "--in-flight 4", minute=1)

    before = _in(table, lambda c: commands.waiting(c, table.batch_id))
    _take(table, first, minute=2)
    after = _in(table, lambda c: commands.waiting(c, table.batch_id))

    assert [first, second] == [request.id for request in before]
    asked = Request(id=second, kind=Kind.LIMIT, argument="--in-flight 4", actor="operator:ana", asked_at=START + timedelta(minutes=1))
    assert [asked] == after


def test_a_request_is_for_one_batch(open_table: OpenTable) -> None:
    """The run of another batch does not hear it."""
    night, day = open_table(1), open_table(1, name="day")
    _ask(night, Kind.PAUSE)

    assert [] == _in(day, lambda c: commands.waiting(c, day.batch_id))
    assert _in(day, lambda c: commands.pause(c, day.batch_id)) is None


def test_a_pause_holds_until_somebody_ends_it(table: Table) -> None:
    """Taken or not, whatever run was there: the last word of pause and unpause counts."""
    assert _in(table, lambda c: commands.pause(c, table.batch_id)) is None
    pause = _ask(table, Kind.PAUSE)
    _take(table, pause, minute=1)
    _ask(table, Kind.LIMIT, "--in-flight 4")

    held = _in(table, lambda c: commands.pause(c, table.batch_id))
    assert held is not None
    assert pause == held.id

    _ask(table, Kind.UNPAUSE)
    assert _in(table, lambda c: commands.pause(c, table.batch_id)) is None


@pytest.mark.parametrize(
    ("reason", "code", "lasts"),
    [
        ("finished", 0, False),
        ("finished", 3, False),
        ("budget", 5, False),
        ("stopped", 5, False),
        ("canary", 0, True),
        ("interrupted", 130, True),
        ("storage", 7, True),
        ("balance", 6, True),
    ],
)
def test_a_limit_lasts_until_a_run_comes_to_an_end_of_its_own(table: Table, reason: str, code: int, lasts: bool) -> None:
    """A run that was cut short leaves its limits to the next one; one that is through does not."""
    limit = _ask(table, Kind.LIMIT, "--budget 60")
    assert [] == _lasting(table)
    _take(table, limit, minute=1)
    assert [limit] == _lasting(table)

    _end(table, reason, code, minute=2)

    assert ([limit] if lasts else []) == _lasting(table)


def test_limits_of_a_run_that_died_last(table: Table) -> None:
    """A run that left no word when it ended is as good as interrupted."""
    limit = _ask(table, Kind.LIMIT, "--budget 60")
    _take(table, limit, minute=1)

    process = runs.Process(host="night-1", pid=4712, boot_id="b00t", tool_version="0.1.0")
    _in(table, lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START + timedelta(minutes=5)))

    assert [limit] == _lasting(table)


def test_what_a_run_followed_is_told_in_the_order_in_which_it_did(table: Table) -> None:
    """Limits only, since an instant: its own command line, and what was asked."""
    late, early = _ask(table, Kind.LIMIT, "--in-flight 4"), _ask(table, Kind.LIMIT, "--in-flight 2")
    pause, old = _ask(table, Kind.PAUSE), _ask(table, Kind.LIMIT, "--in-flight 9")
    _take(table, old, minute=1)
    _take(table, early, pause, minute=5)
    _take(table, late, minute=6)

    found = _in(table, lambda c: commands.followed(c, table.batch_id, since=START + timedelta(minutes=3)))

    assert [early, late] == [request.id for request in found]


def test_the_history_tells_what_was_asked_from_outside(table: Table) -> None:
    """Oldest first, with the batch; what a run was told on its own command line is no request to it."""
    stop = _ask(table, Kind.STOP, "--now")
    _ask(table, Kind.START, "--budget 40")

    assert [(table.batch_id, stop)] == [(batch, request.id) for batch, request in commands.history(table.engine, [table.batch_id])]
