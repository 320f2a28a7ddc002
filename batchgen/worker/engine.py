"""The run: hold what is alive, start what comes next, end when nothing is left or somebody says so.

Theory of operation. One loop starts work in order of rank: fetches, then questions, then orders; each piece of work is a task that wakes
the loop when it ends. Rows that wait stay in the database and are claimed in small pages; memory holds only jobs with a task at the vendor
or an image to fetch. What stops orders (money, key, limits, disk, the deadline) never stops the fetching of what is paid for.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from batchgen.core.errors import FileError, LeaseLostError, StopRunError, StoreError
from batchgen.core.exits import Exit
from batchgen.core.jobs import Job
from batchgen.core.ports import Ledger
from batchgen.core.states import LIVE, State
from batchgen.worker.agenda import Agenda, Followed
from batchgen.worker.bearing import Bearing, Stop
from batchgen.worker.doubting import Doubter
from batchgen.worker.following import Follower
from batchgen.worker.ordering import Orderer
from batchgen.worker.steps import Steps

_FOLLOWS: Final = 32
"""Questions and fetches under way at once, apart from the tasks alive at the vendor."""
_IDLE_S: Final = 2.0


@dataclass(slots=True, kw_only=True)
class Engine:
    """One run of one batch."""

    steps: Steps
    ledger: Ledger
    agenda: Agenda
    orderer: Orderer
    follower: Follower
    doubter: Doubter
    bearing: Bearing
    posts_at_once: int = 8
    """Orders whose answer is awaited at once, matched by the client's connections."""
    _orders: set[asyncio.Task[None]] = field(default_factory=set)
    _follows: set[asyncio.Task[None]] = field(default_factory=set)
    _claims: set[asyncio.Task[None]] = field(default_factory=set)
    left_orders_open: bool = False
    """Whether the run was left while orders were under way: their rows stay open for the next start to judge."""
    _leaves: bool = False
    _may_adopt: bool = False
    """From when it has taken over what was left before it, to its end."""
    _bug: BaseException | None = None

    async def run(self) -> Stop | None:
        """Work until nothing is left, or until a stop; give the stop, or None when all work is done.

        Every state is durable when this returns. An unexpected error of ours is raised after the orders under way have been recorded.
        """
        await self._take_over()
        self._may_adopt = True
        while True:
            self.bearing.wake.clear()
            self._start_work()
            if self._is_finished():
                if self.bearing.stop is None and await self.doubter.reconcile():
                    continue
                break
            await self._sleep()
        self._may_adopt = False
        if rest := self._orders | self._follows | self._claims:
            await asyncio.wait(rest)
        if self._bug is not None:
            raise self._bug
        return self.bearing.stop

    def interrupt(self, signal_number: int) -> None:
        """Drain at the first call: no new order, orders under way are recorded. At the second, leave at once; both are safe."""
        if not self._leaves:
            self.drain(Stop(exit_code=128 + signal_number, reason="interrupted", message="interrupted; every state is recorded"))
            return
        self.left_orders_open = bool(self._orders)
        self._cancel(self._orders)
        self._cancel(self._follows)
        self.bearing.wake.set()

    def drain(self, stop: Stop) -> None:
        """Leave once the orders under way are recorded; what is at the vendor waits for the next run."""
        self._leaves = True
        self.bearing.stop = stop
        self.bearing.progress.stopping = "no new orders; waiting for the answers of those under way (a second signal leaves at once)"
        self.bearing.log.warning("run.draining", detail=self.bearing.progress.stopping)
        self.hold_back()
        self._cancel(self._follows)
        self.bearing.wake.set()

    def stop_for(self, error: StoreError) -> None:
        """Order and ask nothing any more: the table takes no record. What is under way ends, kept in the journal where it was paid for.

        A run that lost its lease lets go of everything, since others go on with it.
        """
        self.bearing.may_ask = False
        if isinstance(error, LeaseLostError):
            self._leaves = True
            self.bearing.halt(Stop(exit_code=error.exit_code, reason="lease_lost", message=str(error)))
            self.hold_back()
            self._cancel(self._follows)
        else:
            self.bearing.halt(Stop(exit_code=Exit.STORAGE, reason="storage", message=str(error)))
        self.bearing.wake.set()

    def hold_back(self) -> None:
        """Give up the orders of which nothing is recorded yet and nothing sent; their rows are still planned."""
        self._cancel(self.orderer.preparing)
        self.orderer.look_again()

    def oldest_task_s(self) -> float:
        """Give the age of the oldest task that this run follows, 0 without one."""
        now = self.steps.clock.monotonic()
        return max((now - followed.ordered_at for followed in tuple(self.agenda.followed())), default=0.0)

    async def _take_over(self) -> None:
        """Pick up what earlier runs left: open orders become ambiguous, tasks are asked after at once, images fetched.

        An order that was taken for lost is none when a journal tells its task: its run died, or was taken for dead, before it could.
        """
        for found in await asyncio.wrap_future(self.ledger.live()):
            await self._adopt(found)
        for job in await self.steps.recall(await asyncio.wrap_future(self.ledger.doubtful())):
            await self._adopt(job)
        await self.doubter.take_over()

    def adopt_orphans(self) -> None:
        """Go on with what a run has left that died while this one works; that is begun when this returns."""
        if self._may_adopt and not self._leaves and self.bearing.stop is None:
            self._start(self._claims, self._adopt_orphans())

    async def _adopt_orphans(self) -> None:
        for found in await asyncio.wrap_future(self.ledger.orphans()):
            await self._adopt(found)

    async def _adopt(self, found: Job) -> None:
        clock = self.steps.clock
        now, wall = clock.monotonic(), clock.now()
        job = await self.steps.recover(found)
        if job.state not in LIVE:
            self._settled(job)
            return
        age_s = (wall - job.submitted_at).total_seconds() if job.submitted_at else 0.0
        is_alive = job.state is State.SUBMITTED and not job.is_answered
        followed = Followed(job=job, ordered_at=now - max(0.0, age_s), holds_place=is_alive, is_adopted=True)
        if followed.holds_place:
            self.orderer.places.adopt(job.model)
        self.agenda.put(followed, now)

    def _settled(self, job: Job) -> None:
        """Count an order that was left open and has been settled without a result."""
        if job.state is State.AMBIGUOUS:
            self.bearing.progress.ambiguous += 1
        elif job.state is State.FAILED:
            self.bearing.count_failure(job)

    def _start_work(self) -> None:
        now = self.steps.clock.monotonic()
        if not self._leaves:
            self._start_follows(now)
            if self.bearing.stop is None and not self.agenda.has_ripe(now):
                self._start_orders(now)
        gate = self.orderer.places.gate
        shut = "" if gate.is_open(now) else f"{gate.why}; orders again in {gate.shut_until - now:.0f} s"
        self.bearing.progress.pause = self.bearing.paused or shut
        may_order = self.bearing.stop is None and not self.bearing.paused and not self.orderer.is_exhausted
        self.bearing.progress.look(now, is_throttled=may_order and gate.is_throttled(now))

    def _start_follows(self, now: float) -> None:
        may_ask = self.bearing.may_ask and self.follower.questions.is_open(now)
        while len(self._follows) < _FOLLOWS and (followed := self.agenda.take(now, questions=may_ask)):
            step = self.follower.fetch(followed) if followed.wants_fetch else self.follower.ask(followed)
            self._start(self._follows, step)

    def _start_orders(self, now: float) -> None:
        if self.orderer.has_rows:
            self.bearing.check_limits()
        while self.bearing.stop is None and self.orderer.posting < self.posts_at_once and (job := self.orderer.next_job(now)):
            self._start(self._orders, self.orderer.order(job))
        if self.bearing.stop is None and not self._claims and self.orderer.wants_rows(now):
            self._start(self._claims, self.orderer.claim())

    def _start(self, group: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        group.add(task)
        task.add_done_callback(lambda done: self._ended(group, done))

    def _ended(self, group: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        group.discard(task)
        self.bearing.wake.set()
        error = None if task.cancelled() else task.exception()
        match error:
            case None:
                return
            case StoreError():
                self.stop_for(error)
            case StopRunError():
                self.bearing.halt(Stop(exit_code=error.exit_code, reason=error.reason, message=str(error)))
            case FileError():
                self.bearing.halt(Stop(exit_code=Exit.STORAGE, reason="storage", message=str(error)))
            case _:
                self._bug = error
                self.bearing.halt(Stop(exit_code=Exit.BUG, reason="bug", message=f"unexpected {type(error).__name__}"))

    def _is_finished(self) -> bool:
        if self._orders:
            return False
        if self._leaves:
            return True
        if self._follows or self._claims or any(self._is_wanted(followed) for followed in self.agenda.followed()):
            return False
        return self.bearing.stop is not None or self.orderer.is_exhausted

    def _is_wanted(self, followed: Followed) -> bool:
        return not followed.is_parked and (self.bearing.may_ask or not followed.asks_vendor)

    async def _sleep(self) -> None:
        """Wait for the next thing to happen: a task that ends, a step that is due, a gate that opens."""
        now = self.steps.clock.monotonic()
        orderer, places = self.orderer, self.orderer.places
        of_orders = (orderer.claim_at, orderer.budget_at, places.opens_at(), *places.slots())
        ahead = (self.agenda.next_at(), *of_orders, self.follower.questions.shut_until)
        wait_s = min([_IDLE_S, *(at - now for at in ahead if at is not None and at > now)])
        timer = asyncio.get_running_loop().call_later(wait_s, self.bearing.wake.set)
        await self.bearing.wake.wait()
        timer.cancel()

    @staticmethod
    def _cancel(group: Iterable[asyncio.Task[Any]]) -> None:
        for task in group:
            task.cancel()
