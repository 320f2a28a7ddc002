"""A run among the others that work on the same database: it says that it lives, shares the limits, and takes over from the dead.

Theory of operation. Every second the runs of a batch meet, one after the other, in the database: each takes its share of the limits, hears
until when the vendor wants to be left alone, and how far the batch is. Several times a lease each says that it lives; it takes for dead
whose lease has run out by the database's clock, or whose process is gone from this machine, and goes on with what those had in hand. After
an outage, in which nobody could say anything, it waits some signs of its own before it judges others.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from batchgen.app.clock import SharedClock
from batchgen.app.processes import is_gone
from batchgen.core.errors import StoreAwayError, StoreError
from batchgen.core.limits import Limits
from batchgen.core.sharing import divided, nothing_of
from batchgen.logs import lines as diary
from batchgen.store import pool, runs
from batchgen.store.writer import DatabaseThread
from batchgen.worker.engine import Engine

MEETS_EVERY_S: Final = 1.0
SIGNS_A_LEASE: Final = 4
"""A run may miss three signs in a row before it counts as dead."""
_SIGNS_BEFORE_JUDGING: Final = 2
_MOST_BETWEEN_SIGNS_S: Final = 10.0
_AFTER_THE_ANSWER_S: Final = 60.0


def lease_of(limits: Limits) -> float:
    """Give how long a silent run is waited for: longer than any order that it sent may be on its way."""
    return limits.submit_timeout_s + _AFTER_THE_ANSWER_S


@dataclass(slots=True, kw_only=True)
class Member:
    """One run of a batch on a server, among others. ``most`` is what it takes at most of the limit of tasks alive."""

    thread: DatabaseThread
    engine: Engine
    clock: SharedClock
    run_id: int
    batch_id: int
    vendor: str
    lease_s: float
    most: int | None = None
    _runs: int = 1
    _signs: int = 0
    _signed_at: float = field(default=0.0)

    async def join(self) -> None:
        """Meet the others before the first order; without a share nothing is ordered."""
        places = self.engine.orderer.places
        places.divide(nothing_of(places.limits), 1, self.clock.monotonic())
        await self._meet()

    async def take_part(self) -> None:
        """Meet the others again and again, until cancelled; a run that was taken for dead stops."""
        while True:
            await asyncio.sleep(MEETS_EVERY_S)
            try:
                await self._meet()
            except StoreAwayError:
                self._signs = 0  # what others said meanwhile could not be heard
            except StoreError as error:
                self.engine.stop_for(error)
                return

    async def sign(self) -> None:
        """Say that this run lives, and take over from those that do not; raise LeaseLostError or StoreError."""
        at = self.clock.now()
        await asyncio.wrap_future(self.thread.call(lambda c: runs.beat(c, self.run_id, at=at, lease_s=self.lease_s)))
        now = self.clock.monotonic()  # a sign may have waited for a database that was away from all
        self._signs = self._signs + 1 if now - self._signed_at < 2 * self.signs_every_s else 0
        self._signed_at = now
        judges = self._signs >= _SIGNS_BEFORE_JUDGING
        if buried := await asyncio.wrap_future(self.thread.call(lambda c: runs.bury_dead(c, is_gone=is_gone, judges_silent=judges, at=at))):
            diary.get("run").warning("run.taken_over", runs=buried, detail="silent for longer than their lease, or gone from this machine")
        self.engine.adopt_orphans()

    @property
    def signs_every_s(self) -> float:
        """Give the time between two signs of life."""
        return min(_MOST_BETWEEN_SIGNS_S, self.lease_s / SIGNS_A_LEASE)

    def narrow(self, most: int | None) -> None:
        """Take at most so much of the limit of tasks alive from the next meeting on."""
        self.most = most

    async def _meet(self) -> None:
        places, now = self.engine.orderer.places, self.clock.monotonic()
        wish = places.gate.wish(now)
        gate = None if wish is None else pool.Gate(shut_until=self.clock.now() + timedelta(seconds=wish[0]), why=wish[1])
        visitor = pool.Visitor(run_id=self.run_id, batch_id=self.batch_id, vendor=self.vendor, held=places.held(), gate=gate)
        divide = partial(divided, places.limits, most=self.most)
        met = await asyncio.wrap_future(self.thread.call(lambda c: pool.meet(c, visitor, divide), repeatable=True))
        self.clock.compare(met.at)
        now = self.clock.monotonic()
        if met.runs > self._runs:
            self.engine.orderer.look_afresh()  # what is in hand and not begun, the newcomer may have
        self._runs = met.runs
        places.divide(met.shares, met.members, now)
        if met.gate is not None and (left_s := (met.gate.shut_until - met.at).total_seconds()) > 0:
            places.gate.hear(now, left_s)
        self.engine.bearing.progress.by_state = dict(met.states)
        self.engine.bearing.wake.set()
