"""What each of several runs of a batch hears of what operators ask."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from batchgen.app.listening import Listener, Opening
from batchgen.core.steering import InFlight, Kind, Limit, Request
from batchgen.store import commands, runs
from tests.support.databases import START, OpenTable, Table, opened, sqlite_url
from tests.support.fake_clock import FakeClock


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """Give a batch with one run, begun at ``START``."""
    with opened(sqlite_url(tmp_path)) as open_one:
        yield _opened(open_one)


def _opened(open_one: OpenTable) -> Table:
    return open_one(1)


@dataclass(slots=True)
class Helm:
    """Notes what it is told."""

    followed: list[tuple[Kind, tuple[Limit, ...]]] = field(default_factory=list)

    def follow(self, request: Request, limits: tuple[Limit, ...] = ()) -> None:
        """Note a request."""
        self.followed.append((request.kind, tuple(limits)))

    @property
    def kinds(self) -> list[Kind]:
        """Give the kinds of what it was told."""
        return [kind for kind, _ in self.followed]


def _ask(table: Table, kind: Kind, argument: str = "", *, run_id: int | None = None, at: datetime = START) -> int:
    request = Request(kind=kind, argument=argument, actor="operator:ana", asked_at=at, run_id=run_id)
    return table.thread.call(lambda c: commands.ask(c, table.batch_id, request)).result()


def _listener(table: Table, *, began_s: float = 0.0) -> Listener:
    """Give the ear of one more run, which begins so many seconds after ``START``."""
    at = START + timedelta(seconds=began_s)
    process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
    run_id = table.thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=at, lease_s=3600.0)).result()
    return Listener(thread=table.thread, batch_id=table.batch_id, run_id=run_id, began_at=at, helm=Helm(), clock=FakeClock())


def _open(listener: Listener, opening: Opening | None = None) -> list[Kind]:
    asyncio.run(listener.open(opening or Opening()))
    return listener.helm.kinds


def _hear(listener: Listener) -> list[Kind]:
    """Let a run look once at what is asked, and give all that it was ever told."""

    async def once() -> None:
        await listener._follow([request for request in await listener._asked() if request.id not in listener._heard])

    asyncio.run(once())
    return listener.helm.kinds


def test_what_one_run_has_followed_is_heard_by_the_others(table: Table) -> None:
    """A stop, a pause and a limit for all reach every run, each once; the first that follows is noted."""
    listeners = [_listener(table), _listener(table)]
    for listener in listeners:
        _open(listener)
    for kind, argument in ((Kind.PAUSE, ""), (Kind.LIMIT, "--in-flight 3"), (Kind.STOP, "")):
        _ask(table, kind, argument, at=START + timedelta(seconds=5))

    heard = [_hear(listener) for listener in (*listeners, *listeners)]

    assert [[Kind.PAUSE, Kind.LIMIT, Kind.STOP]] * 4 == heard
    assert (InFlight(3),) == listeners[1].helm.followed[1][1]
    assert [] == table.thread.call(lambda c: commands.waiting(c, table.batch_id)).result()


def test_what_is_asked_of_one_run_is_heard_by_that_one_alone(table: Table) -> None:
    """Not by another, nor by a run that begins later, and it does not count as a pause of the batch."""
    one, other = _listener(table), _listener(table)
    _open(one)
    _open(other)
    _ask(table, Kind.PAUSE, run_id=one.run_id, at=START + timedelta(seconds=5))
    _ask(table, Kind.LIMIT, "--in-flight 3", run_id=one.run_id, at=START + timedelta(seconds=5))

    assert ([Kind.PAUSE, Kind.LIMIT], []) == (_hear(one), _hear(other))
    assert [] == _open(_listener(table, began_s=9.0))
    assert table.thread.call(lambda c: commands.pause(c, table.batch_id)).result() is None


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_newcomer_follows_no_stop_that_is_older_than_itself(table: Table, is_taken: bool) -> None:
    """Whether or not another run has followed it; it does not hear of it later either."""
    first = _listener(table)
    _open(first)
    _ask(table, Kind.STOP, at=START + timedelta(seconds=5))
    if is_taken:
        _hear(first)
    newcomer = _listener(table, began_s=6.0)

    assert [] == _open(newcomer)
    assert [] == _hear(newcomer)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_stop_that_is_asked_while_a_run_begins_is_for_it_too(table: Table, is_taken: bool) -> None:
    """Its row stood already, so that the operator was told that it would end."""
    first, newcomer = _listener(table), _listener(table, began_s=4.0)
    _open(first)
    _ask(table, Kind.STOP, at=START + timedelta(seconds=5))
    if is_taken:
        _hear(first)

    assert [Kind.STOP] == _open(newcomer)
    assert [Kind.STOP] == _hear(newcomer)


def test_a_limit_that_another_run_takes_while_one_begins_is_for_it_too(table: Table) -> None:
    """It was not among the limits under which the run began: without it the sum of all would pass it."""
    first, newcomer = _listener(table), _listener(table)
    _open(first)
    old = _ask(table, Kind.LIMIT, "--in-flight 9")
    _hear(first)
    known = [request for request in table.thread.call(lambda c: commands.lasting(c, table.batch_id)).result() if request.id == old]
    _ask(table, Kind.LIMIT, "--in-flight 3")
    _hear(first)

    _open(newcomer, Opening(lasting=known))

    assert [(Kind.LIMIT, (InFlight(3),))] == newcomer.helm.followed
    assert [Kind.LIMIT] == _hear(newcomer)


def test_a_newcomer_follows_a_pause_that_nobody_has_ended(table: Table) -> None:
    """Whoever has followed it before."""
    first = _listener(table)
    _open(first)
    _ask(table, Kind.PAUSE)
    _hear(first)

    assert [Kind.PAUSE] == _open(_listener(table))
    _ask(table, Kind.UNPAUSE)
    _hear(first)
    assert [] == _open(_listener(table))
