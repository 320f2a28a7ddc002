"""Place orders: claim rows in small pages, keep to the limits, and draw the run's conclusions from each answer."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from batchgen.core import readings as r
from batchgen.core.dialects import Call
from batchgen.core.errors import BatchgenError, BudgetReachedError, FileError, StaleJobError
from batchgen.core.exits import Exit
from batchgen.core.jobs import Job
from batchgen.core.ports import Ledger
from batchgen.core.states import State
from batchgen.worker.agenda import Agenda, Followed
from batchgen.worker.bearing import Bearing, Stop
from batchgen.worker.doubting import Doubter
from batchgen.worker.gate import SubmitGate
from batchgen.worker.latency import Latencies, shape_of
from batchgen.worker.steps import Steps
from batchgen.worker.verdicts import Lost, NotSent, SubmitAnswer

_PAGE: Final = 256
_LOOK_AGAIN_S: Final = 2.0
"""How soon rows planned by another shell are noticed."""
_BUDGET_GAP_S: Final = 0.5
_DISK_FLOOR_BYTES: Final = 256 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Orderer:
    """Claims and orders. ``claim_at`` is the monotonic instant before which the database need not be asked for rows."""

    steps: Steps
    ledger: Ledger
    agenda: Agenda
    places: SubmitGate
    latencies: Latencies
    bearing: Bearing
    doubter: Doubter
    claim_at: float = 0.0
    _page: deque[Job] = field(default_factory=deque)
    _unrecorded: set[int] = field(default_factory=set)
    _passed_over: frozenset[str] = frozenset()
    """Models that the last claim left out."""
    _over_cap: dict[str, float] = field(default_factory=dict)
    """Models whose next order did not fit under their own limit, and until when they are left alone: for good where it cannot fit again."""
    preparing: set[asyncio.Task[Any]] = field(default_factory=set)
    """Tasks whose order has not begun: nothing is recorded and nothing sent, so that they may be cancelled."""
    posting: int = 0
    """Orders that are going out or whose answer is awaited."""
    budget_at: float = 0.0
    """When to try again whether an order fits under the budget, after one did not while money was still open."""

    @property
    def is_exhausted(self) -> bool:
        """Say whether no planned row is left in the database or in hand."""
        return self.bearing.rows_left is False and not self._page

    @property
    def has_rows(self) -> bool:
        """Say whether planned rows are known to be left."""
        return bool(self.bearing.rows_left or self._page)

    def next_job(self, now: float) -> Job | None:
        """Take the first claimed row that may be ordered now."""
        self.places.look(now)
        if self.bearing.paused or self.places.room() <= 0 or now < self.budget_at:
            return None
        full = self._full_models(now)
        for job in self._page:
            if job.model not in full and self.places.opens_at(job.model) <= now:
                self._page.remove(job)
                self.places.enter(job.model, now)
                self.posting += 1
                return job
        return None

    def wants_rows(self, now: float) -> bool:
        """Say whether it is time to ask the database for rows: there is room, and none in hand may use it.

        While orders wait it is asked all the same, now and then: somebody may have cancelled all that was left.
        """
        full = self._full_models(now)
        if now < self.claim_at and self.bearing.rows_left is not None and full == self._passed_over:
            return False
        if self._must_wait(now):
            return now >= self.claim_at
        return self.places.room() > 0 and now >= self.budget_at and all(job.model in full for job in self._page)

    async def claim(self) -> None:
        """Fetch the next page of rows that may be ordered; a run that is paused leaves them to the others."""
        self.drop_page()
        clock = self.steps.clock
        self._passed_over = self._full_models(clock.monotonic())
        limit = 0 if self.bearing.paused and self.places.is_shared else self.places.handful(_PAGE)
        question = self.ledger.claim(limit=limit, now=clock.now(), skip=frozenset(self._unrecorded), full_models=self._passed_over)
        jobs = await asyncio.wrap_future(question)
        due = None if jobs else await asyncio.wrap_future(self.ledger.next_due())
        if due is not None:
            await self._end_if_over_caps()
        self._page.extend(jobs)
        self.bearing.rows_left = bool(jobs or due)
        wait_s = 0.0 if jobs else _LOOK_AGAIN_S
        if due is not None and due > clock.now():
            wait_s = min(_LOOK_AGAIN_S, (due - clock.now()).total_seconds())
        now = clock.monotonic()
        self.claim_at = now + (_LOOK_AGAIN_S if self._must_wait(now) else wait_s)

    def _must_wait(self, now: float) -> bool:
        return bool(self.bearing.paused) or self.places.opens_at() > now

    def _full_models(self, now: float) -> frozenset[str]:
        """Name the models of which no order may go out now, whether for their places or for their money."""
        return self.places.full_models() | {model for model, until in self._over_cap.items() if until > now}

    async def _end_if_over_caps(self) -> None:
        """Stop when all rows that are left belong to models that have used up limits of their own."""
        over = frozenset(model for model, until in self._over_cap.items() if until == inf)
        if over and await asyncio.wrap_future(self.ledger.next_due(without=over)) is None:
            message = f"what is left does not fit under the limits of {', '.join(sorted(over))} (limits.per_model)"
            self.bearing.halt(Stop(exit_code=Exit.LIMIT, reason="budget", message=message))

    def drop_page(self) -> None:
        """Forget claimed rows that were not ordered; they are still planned in the database."""
        self._page.clear()

    async def order(self, job: Job) -> None:
        """Buy one image and see what the answer means for the run."""
        self._unrecorded.add(job.id)
        asked_at = self.steps.clock.monotonic()
        try:
            self._check_disk()
            job, answer = await self.steps.order(job, await self._prepared(job))
        except (StaleJobError, BudgetReachedError) as error:
            self.places.leave(job.model)
            if isinstance(error, BudgetReachedError):
                self._over_budget(error)
            return
        except BaseException:
            self.places.leave(job.model)
            raise
        finally:
            self._unrecorded.discard(job.id)
            self.posting -= 1
            self.bearing.wake.set()
        self.bearing.progress.orders += 1
        shut_until = self.places.gate.shut_until
        self._weigh(job, answer, asked_at)
        self.bearing.say_pause(self.places.gate, before=shut_until)
        job = await self.steps.settle(job, answer)
        if not isinstance(answer, r.Accepted):
            job = await self.doubter.decide(job)
        self.budget_at = 0.0
        self._follow_up(job, answer, asked_at)
        self._blame(job, answer)

    def _blame(self, job: Job, answer: SubmitAnswer) -> None:
        """Stop the run for a disk that failed; an error of ours spoils the order it met, not the run, unless it meets every order."""
        match answer:
            case NotSent(error=BatchgenError() as error) | Lost(error=BatchgenError() as error):
                raise error
            case NotSent(error=Exception() as error) | Lost(error=Exception() as error):
                self.bearing.stumbled("orders", job, error)
            case _:
                self.bearing.walked("orders")

    async def _prepared(self, job: Job) -> Call | SubmitAnswer:
        """Get an order ready; until then the task that does so is among those that may be cancelled."""
        task = asyncio.current_task()
        own = set() if task is None else {task}
        self.preparing |= own
        try:
            return await self.steps.prepare(job)
        finally:
            self.preparing -= own

    def look_again(self) -> None:
        """Note that a job went back to planned: the database has rows again."""
        self.bearing.rows_left = None

    def look_afresh(self) -> None:
        """Forget the rows in hand and ask the database at once: others may come before them now."""
        self.drop_page()
        self.look_again()
        self.claim_at = 0.0

    def _check_disk(self) -> None:
        free = self.steps.shelf.free_bytes()
        if free < _DISK_FLOOR_BYTES:
            raise FileError(f"only {free // 2**20} MiB are free for images (at least {_DISK_FLOOR_BYTES // 2**20} MiB are kept free)")

    def _over_budget(self, error: BudgetReachedError) -> None:
        now = self.steps.clock.monotonic()
        if error.model is not None:
            self._over_cap[error.model] = inf if error.is_final else now + _LOOK_AGAIN_S
            self.look_again()
            self.bearing.say(str(error))
        elif error.is_final:
            self.bearing.halt(Stop(exit_code=Exit.LIMIT, reason="key_budget" if error.of_key else "budget", message=str(error)))
        else:
            self.budget_at = now + _BUDGET_GAP_S
            self.look_again()

    def _weigh(self, job: Job, answer: SubmitAnswer, asked_at: float) -> None:
        """Draw the run's conclusions at once, so that no other order slips out meanwhile; an id is believed once it is recorded."""
        now = self.steps.clock.monotonic()
        match answer:
            case r.Accepted() | r.Delivered():
                return
            case r.Throttled(retry_after_s=retry_after_s):
                self.bearing.progress.throttled += 1
                self.places.throttled(job.model, now, asked_at=asked_at, retry_after_s=retry_after_s)
            case r.Stopped(kind=kind, message=message):
                self.bearing.vendor_stopped(kind, message)
            case r.Busy(message=message, retry_after_s=retry_after_s):
                self._failed(message, now, retry_after_s)
            case r.Unproven(message=message, retry_after_s=retry_after_s):
                self._failed(f"server error, maybe billed: {message}", now, retry_after_s)
            case NotSent(message=message, error=error):
                self._failed(f"nothing sent{'' if error else ', network or vendor is down'}: {message}", now)
            case Lost(message=message) | r.Unreadable(message=message):
                self.bearing.say(f"an order's answer was lost: {message}")
                self.places.doubted(now)
            case r.Rejected(reason=reason, message=message):
                self.places.answered()
                if reason == "refused":
                    self.bearing.count_refusal(job, message)

    def _failed(self, why: str, now: float, retry_after_s: float | None = None) -> None:
        self.bearing.say(why)
        self.places.failed(now, why, retry_after_s=retry_after_s)

    def _follow_up(self, job: Job, answer: SubmitAnswer, asked_at: float) -> None:
        """Put a job where its state belongs after its order was settled."""
        now = self.steps.clock.monotonic()
        if job.state is State.SUBMITTED:
            self.places.accepted(job.model, now, asked_at=asked_at)
            if job.is_answered:
                self.places.leave(job.model)
                self.agenda.put(Followed(job=job, ordered_at=now, holds_place=False), now)
                return
            wait_s = self.latencies.first_wait_s(shape_of(job), self.steps.random.random())
            self.agenda.put(Followed(job=job, ordered_at=now), now + wait_s)
            return
        self.places.leave(job.model)
        match job.state:
            case State.PLANNED:
                self.look_again()
            case State.FAILED:
                self.bearing.count_failure(job)
            case _:
                self.bearing.progress.ambiguous += 1
                if isinstance(answer, r.Accepted):
                    shut_until, why = self.places.gate.shut_until, f"the vendor repeated a task id: {answer.task_id}"
                    self.bearing.say(why)
                    self.places.doubted(now, why=why, at_once=True)
                    self.bearing.say_pause(self.places.gate, before=shut_until)
