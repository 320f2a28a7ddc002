"""A run's signs of life: when it may take others for dead."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from batchgen.app.member import Member, lease_of
from batchgen.core.errors import LeaseLostError
from batchgen.core.limits import Limits
from batchgen.store import runs
from tests.support.databases import START, Table, opened, sqlite_url
from tests.support.fake_clock import FakeClock


@dataclass(slots=True)
class Engine:
    """Counts how often it is asked to go on with what the dead left."""

    adoptions: int = 0

    def adopt_orphans(self) -> None:
        """Count."""
        self.adoptions += 1


@dataclass(slots=True)
class Slow(FakeClock):
    """A clock that jumps as often as it is read, once told to: a database that is away holds a sign up for so long."""

    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """Give the wall clock as the sign begins, and let its wait pass."""
        at = FakeClock.now(self)
        if self.waits:
            self.turn(self.waits.pop(0))
        return at


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """Give a batch with one run."""
    with opened(sqlite_url(tmp_path)) as open_one:
        yield open_one(1)


def _member(table: Table, clock: FakeClock) -> Member:
    return Member(thread=table.thread, engine=Engine(), clock=clock, run_id=table.run_id, batch_id=table.batch_id, vendor="v", lease_s=8.0)


def _silent(table: Table) -> int:
    """Let another run begin whose lease has run out; give its number."""
    process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
    return table.thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START, lease_s=-1.0)).result()


def _lives(table: Table, run_id: int) -> bool:
    return run_id in [row["id"] for row in table.thread.call(runs.unended).result()]


def _sign(member: Member, clock: FakeClock, after_s: float) -> None:
    clock.turn(after_s)
    asyncio.run(member.sign())


def test_a_run_judges_others_after_some_signs_of_its_own(table: Table) -> None:
    """The first two tell it nothing of the others; with the third it takes over from who is silent, and adopts at each."""
    clock = FakeClock()
    member, silent, lives = _member(table, clock), _silent(table), []
    clock.turn(1000.0)

    for _ in range(3):
        _sign(member, clock, member.signs_every_s)
        lives.append(_lives(table, silent))

    assert ([True, True, False], 3, 2.0) == (lives, member.engine.adoptions, member.signs_every_s)


def test_a_sign_that_had_to_wait_judges_nobody(table: Table) -> None:
    """What held it up may have held up all: it counts its signs anew, and who lives has said so by then."""
    clock = Slow()
    member, lives = _member(table, clock), []
    clock.turn(1000.0)
    for _ in range(3):
        _sign(member, clock, member.signs_every_s)
    silent = _silent(table)
    clock.waits.append(30.0)

    for _ in range(3):
        _sign(member, clock, member.signs_every_s)
        lives.append(_lives(table, silent))

    assert [True, True, False] == lives


def test_a_run_that_was_frozen_judges_nobody_as_it_wakes(table: Table) -> None:
    """A machine that slept wakes with all its runs, whose leases have run out alike; one that was taken for dead learns so."""
    clock = FakeClock()
    member = _member(table, clock)
    clock.turn(1000.0)
    for _ in range(3):
        _sign(member, clock, member.signs_every_s)
    silent = _silent(table)

    _sign(member, clock, 3600.0)

    assert _lives(table, silent)
    table.thread.call(lambda c: runs.bury(c, [table.run_id], at=START)).result()
    with pytest.raises(LeaseLostError):
        _sign(member, clock, member.signs_every_s)


def test_a_lease_outlasts_an_order() -> None:
    """A run that waits for a vendor's answer is not taken for dead, and says several times a lease that it lives."""
    limits = Limits(submit_timeout_s=180.0)

    assert lease_of(limits) >= limits.submit_timeout_s + 60.0
