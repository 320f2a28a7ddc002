"""A job table in memory that keeps the contract of ``core.ports.Ledger``: compare-and-set, money, unique task ids, futures."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError, BudgetReachedError, StaleJobError
from batchgen.core.jobs import Change, Job, JobId, Recorded, follow
from batchgen.core.limits import Cap
from batchgen.core.machine import advance
from batchgen.core.money import Micros
from batchgen.core.ports import Upload
from batchgen.core.reconciling import Evidence
from batchgen.core.states import LIVE, Outcome, State

T = TypeVar("T")

_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_COUNTED: Final = {e.SubmitStarted: "attempts", e.SubmitNotSent: "not_sent", e.SubmitUnproven: "unproven"}


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One POST as the table knows it."""

    id: int
    job_id: JobId
    reserved: Micros | None
    outcome: Outcome = Outcome.OPEN
    task_id: str | None = None
    cost: Micros | None = None

    @property
    def booked(self) -> int:
        """Give what counts against the cap."""
        amount = self.cost if self.cost is not None else self.reserved
        return (amount or 0) if self.outcome.is_chargeable else 0


@dataclass(slots=True, kw_only=True)
class FakeLedger:
    """Rows, attempts by id and the changes recorded, oldest first.

    ``fails`` may name an error for a change. With ``commit_s``, what is asked of the table waits so long in its queue; what is still
    queued when the loop ends is carried out by ``drain``, unless its future was cancelled.
    """

    rows: dict[JobId, Job] = field(default_factory=dict)
    by_id: dict[int, Attempt] = field(default_factory=dict)
    task_ids: set[str] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    told: dict[tuple[JobId, int], tuple[Change, Recorded]] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    fails: Callable[[Change], BatchgenError | None] = lambda _: None
    commit_s: float = 0.0
    claims: int = 0
    tells: Evidence | None = None
    repeated_before: int = 0
    uploads: dict[tuple[str, str], Upload] = field(default_factory=dict)
    orphaned: list[Job] = field(default_factory=list)
    _queue: deque[Callable[[], None]] = field(default_factory=deque)

    @property
    def attempts(self) -> list[Attempt]:
        """Give every attempt, oldest first."""
        return list(self.by_id.values())

    def add(self, jobs: Iterable[Job]) -> None:
        """Store planned rows, or rows that an earlier run left with their attempt."""
        for job in sorted(jobs, key=lambda job: job.attempt_id or 0):
            if job.attempt_id is not None:
                outcome = Outcome.OPEN if job.state is State.SUBMITTING else Outcome.ACCEPTED
                self.by_id[job.attempt_id] = Attempt(id=job.attempt_id, job_id=job.id, reserved=None, outcome=outcome, task_id=job.task_id)
            self.rows[job.id] = job

    def record(self, change: Change) -> "Future[Recorded]":
        """Record the event, or fail as the port says."""
        return self._queued(lambda: self._apply(change))

    def claim(self, *, limit: int, now: datetime, skip: frozenset[int], full_models: frozenset[str]) -> "Future[list[Job]]":
        """Give planned jobs that are due, in running order."""
        self.claims += 1

        def wanted() -> list[Job]:
            rows = (row for row in self._planned() if row.id not in skip and row.model not in full_models and (row.next_at or now) <= now)
            return sorted(rows, key=lambda row: row.position)[:limit]

        return self._queued(wanted)

    def next_due(self, *, without: frozenset[str] = frozenset()) -> "Future[datetime | None]":
        """Say when the earliest planned job is due."""
        return self._queued(lambda: min((job.next_at or _LONG_AGO for job in self._planned() if job.model not in without), default=None))

    def live(self) -> "Future[list[Job]]":
        """Give every job that a run has in its hands, oldest first."""
        return self._queued(lambda: sorted((job for job in self.rows.values() if job.state in LIVE), key=lambda job: job.attempt_id or 0))

    def orphans(self) -> "Future[list[Job]]":
        """Give the jobs that the test says a dead run has left."""

        def adopted() -> list[Job]:
            self.rows |= {job.id: job for job in self.orphaned}
            left, self.orphaned = self.orphaned, []
            return left

        return self._queued(adopted)

    def doubtful(self) -> "Future[list[Job]]":
        """Give every ambiguous job."""
        return self._queued(lambda: [job for job in self.rows.values() if job.state is State.AMBIGUOUS])

    def evidence(self) -> "Future[Evidence | None]":
        """Give what the test says the table tells, while an order is in doubt."""
        return self._queued(lambda: self.tells if State.AMBIGUOUS in self.states() else None)

    def repeated(self) -> "Future[int]":
        """Add up what policy has ordered again."""
        orders = [change for change in self.changes if isinstance(change.event, e.ResubmitAllowed) and change.actor == "policy"]
        return self._queued(lambda: self.repeated_before + 60_000 * len(orders))

    def upload_of(self, sha256: str, *, vendor: str) -> "Future[Upload | None]":
        """Give the latest upload of that content to that vendor."""
        return self._queued(lambda: self.uploads.get((vendor, sha256)))

    def keep_upload(self, upload: Upload) -> "Future[None]":
        """Keep an upload in the place of an earlier one."""
        return self._queued(lambda: self.uploads.update({(upload.vendor, upload.sha256): upload}))

    def drain(self) -> None:
        """Carry out what is still queued, as the table's thread does before it ends."""
        while self._queue:
            self._carry_out_next()

    def events(self, job_id: int) -> list[str]:
        """Give the words of one job's events, oldest first."""
        return [change.event.word() for change in self.changes if change.job_id == job_id]

    def states(self) -> list[State]:
        """Give the state of each row, by id."""
        return [self.rows[job_id].state for job_id in sorted(self.rows)]

    def _planned(self) -> Iterable[Job]:
        return (job for job in self.rows.values() if job.state is State.PLANNED)

    def _apply(self, change: Change) -> Recorded:
        job = self.rows.get(change.job_id)
        told = self.told.get((change.job_id, change.version))
        if told is not None and told[0] == change:
            return told[1]
        if job is None or job.version != change.version:
            raise StaleJobError(f"job {change.job_id} has moved")
        if (error := self.fails(change)) is not None:
            raise error
        event = self._unless_repeated(change.event)
        after = advance(job.state, event)
        attempt = self._open(job, event) if isinstance(event, e.SubmitStarted) else self.by_id.get(job.attempt_id or 0)
        self._settle(attempt, event)
        recorded = Recorded(state=after, version=job.version + 1, attempt_id=attempt.id if attempt else None)
        self.rows[job.id] = _moved(job, change, event, recorded)
        self.changes.append(replace(change, event=event))
        self.told[change.job_id, change.version] = change, recorded
        self.trace.append(f"recorded {event.word()}")
        return recorded

    def _unless_repeated(self, event: e.Event) -> e.Event:
        if isinstance(event, e.SubmitAccepted) and event.task_id in self.task_ids:
            return e.SubmitUnknown(reason="repeated_task_id", detail=event.task_id)
        return event

    def _open(self, job: Job, event: e.SubmitStarted) -> Attempt:
        shares = [
            self._share(Cap(event.cap_cost, event.cap_orders), event, lambda _: True),
            self._share(event.model_cap or Cap(), event, lambda order: self.rows[order.job_id].model == job.model, model=job.model),
            self._share(event.day_cap or Cap(), event, lambda _: True),
        ]
        reserved = min((share for share in shares if share is not None), default=None)
        attempt = Attempt(id=next(reversed(self.by_id), 0) + 1, job_id=job.id, reserved=None if reserved is None else Micros(reserved))
        self.by_id[attempt.id] = attempt
        return attempt

    def _share(self, cap: Cap, event: e.SubmitStarted, counts: Callable[[Attempt], bool], *, model: str | None = None) -> int | None:
        """Give what an order has to set aside under a cap on the attempts that count; a fake's night has one day."""
        reserved = event.reserved
        if cap == Cap():
            return reserved
        taken = [attempt for attempt in self.attempts if attempt.outcome.is_chargeable and counts(attempt)]
        is_over = cap.orders is not None and len(taken) >= cap.orders
        if cap.cost is not None:
            left = cap.cost - sum(attempt.booked for attempt in taken)
            reserved = Micros(left) if reserved is None else reserved
            is_over = is_over or left <= 0 or reserved > left
        if is_over:
            may_cost_less = cap.cost is not None and State.SUBMITTED in self.states()
            is_final = not may_cost_less and all(attempt.outcome is not Outcome.OPEN for attempt in self.attempts)
            raise BudgetReachedError("the order does not fit under the cap", is_final=is_final, model=model)
        return reserved

    def _settle(self, attempt: Attempt | None, event: e.Event) -> None:
        if attempt is None:
            return
        attempt.outcome = event.outcome or attempt.outcome
        if isinstance(event, e.SubmitAccepted | e.TaskAttached):
            attempt.task_id = event.task_id
            self.task_ids.add(event.task_id)
        if isinstance(event, e.SubmitAccepted | e.RenderFinished | e.RenderFailed) and event.cost is not None:
            attempt.cost = event.cost

    def _carry_out_next(self) -> None:
        self._queue.popleft()()

    def _queued(self, work: Callable[[], T]) -> "Future[T]":
        """Give a future of the work, done now or when its turn comes."""
        future: Future[T] = Future()

        def carry_out() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BatchgenError as error:
                future.set_exception(error)

        if self.commit_s:
            self._queue.append(carry_out)
            asyncio.get_running_loop().call_later(self.commit_s, self._carry_out_next)
        else:
            carry_out()
        return future


def _moved(job: Job, change: Change, event: e.Event, recorded: Recorded) -> Job:
    """Give the row after the event, with the columns that ``follow`` leaves to the database."""
    row = follow(job, event, recorded, at=change.at)
    if isinstance(event, e.DriftSeen):
        return row
    attempt_id = None if row.state is State.PLANNED else row.attempt_id
    row = replace(row, next_at=event.next_at if isinstance(event, e.Deferred) else None, attempt_id=attempt_id)
    if counter := _COUNTED.get(type(event)):
        row = replace(row, **{counter: getattr(job, counter) + 1})
    match event:
        case e.SubmitStarted():
            return replace(row, task_id=None, submitted_at=None, urls=(), expires_at=None, staged=())
        case e.TaskAttached(task_id=task_id):
            return replace(row, task_id=task_id, submitted_at=change.at)
        case e.RetryAllowed() | e.ResubmitAllowed() if change.actor == "policy":
            return replace(row, regenerated=job.regenerated + 1)
        case e.RetryAllowed() | e.ResubmitAllowed() | e.BillingDisproved() | e.JobRestored() if change.actor != "policy":
            return replace(row, not_sent=0, unproven=0, regenerated=0)
        case _:
            return row
