"""What an event does to the rows of a job and its attempt, in memory; nothing here touches a database.

Money follows from outcomes alone: an attempt weighs its cost, or its estimate while no cost is known, and its outcome says in which of the
batch's pockets that weight lies. Moving an attempt is taking its old weight out of the old pocket and putting the new one into the new.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from batchgen.core import events as e
from batchgen.core.errors import BudgetReachedError, IllegalTransitionError
from batchgen.core.jobs import Change
from batchgen.core.limits import Cap
from batchgen.core.money import from_micros
from batchgen.core.states import Outcome, State
from batchgen.store.instants import to_text

POLICY: Final = "policy"
KEY: Final = "key"
"""The scope of what was ordered with one API key of several."""

POCKETS: Final = {
    Outcome.OPEN: "reserved",
    Outcome.ACCEPTED: "spent",
    Outcome.AMBIGUOUS: "held",
    Outcome.UNPROVEN: "held",
}


@dataclass(slots=True, kw_only=True)
class AttemptRow:
    """One POST as stored; instants are text. The defaults are those of an order that is about to go out."""

    id: int
    job_id: int
    n: int
    run_id: int | None
    outcome: Outcome = Outcome.OPEN
    task_id: str | None = None
    key_name: str = ""
    body_sha256: str
    est_micros: int | None
    cost_micros: int | None = None
    cap_micros: int | None
    committed_micros: int
    opened_at: str
    settled_at: str | None = None
    rendered_at: str | None = None
    expires_at: str | None = None
    result_urls: str = ""
    reason: str = ""
    detail: str = ""
    superseded: bool = False

    @property
    def weight(self) -> int:
        """Give what the attempt counts for, in micros."""
        return (self.est_micros or 0) if self.cost_micros is None else self.cost_micros


@dataclass(slots=True, kw_only=True)
class JobRow:
    """The moving parts of a job row; instants are text. ``attempt`` is the current one, None while planned."""

    id: int
    batch_id: int
    model: str
    state: State
    version: int
    next_at: str | None
    attempts: int
    unproven: int
    not_sent: int
    regenerated: int
    retired_at: str | None
    attempt: AttemptRow | None
    run_id: int | None = None
    """The run that has the job in hand after the change."""
    reason: str = ""
    updated_at: str = ""


class PurseName(NamedTuple):
    """Which money: all of a batch, or with ``scope`` ``model``, ``day`` or ``key`` the share of the model, day or key in ``name``."""

    batch_id: int
    scope: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose cap it is, in words; of a ``model`` alone, or of the run's API key alone."""

    of: str
    model: str | None = None
    of_key: bool = False

    def reached(self, message: str, *, is_final: bool) -> BudgetReachedError:
        """Give the error that the cap is reached."""
        return BudgetReachedError(message, is_final=is_final, model=self.model, of_key=self.of_key)


@dataclass(slots=True, kw_only=True)
class Purse:
    """Money of a batch, in micros, and the number of its orders that count as bought: all of it, or a model's or a day's share."""

    spent: int = 0
    reserved: int = 0
    held: int = 0
    orders: int = 0

    @property
    def committed(self) -> int:
        """Give all that is or may be owed."""
        return self.spent + self.reserved + self.held

    def add(self, outcome: Outcome, weight: int, sign: int = 1) -> None:
        """Put an attempt in, or with ``sign`` -1 take it out."""
        pocket = POCKETS.get(outcome)
        if pocket is not None:
            setattr(self, pocket, getattr(self, pocket) + sign * weight)
            self.orders += sign

    def share(self, cap: Cap, reserved: int | None, whose: "Whose", *, open_orders: int, live_tasks: int) -> int | None:
        """Give what an order has to reserve under the cap, or raise BudgetReachedError with the figures; ``whose`` names the cap.

        An order of unknown price under a cost cap takes all that is left, so that only one such order is out until its price is known.
        The verdict is final when no order is open whose reservation may still be released, and no task whose cost may still be told.
        """
        if cap.orders is not None and self.orders >= cap.orders:
            raise whose.reached(f"all {cap.orders} orders of {whose.of} are taken", is_final=open_orders == 0)
        if cap.cost is None:
            return reserved
        left = cap.cost - self.committed
        needed = max(left, 1) if reserved is None else reserved
        if needed > left:
            figures = f"{from_micros(self.committed)} of {from_micros(cap.cost)} taken, {from_micros(needed)} more wanted"
            is_final = open_orders + live_tasks == 0
            raise whose.reached(f"the next order does not fit under the cost limit of {whose.of}: {figures}", is_final=is_final)
        return needed


def follow(job: JobRow, attempt: AttemptRow | None, change: Change, after: State) -> None:
    """Carry the event's effects into the rows; ``attempt`` is the job's current one, and for SubmitStarted the new one.

    Whenever a job comes back to planned its attempt is superseded: whatever is ordered next is another order.
    """
    if isinstance(change.event, e.DriftSeen):
        job.version, job.updated_at = job.version + 1, to_text(change.at)
        return
    if attempt is not None:
        _settle(attempt, change)
        attempt.superseded = after is State.PLANNED
    job.attempt = None if after is State.PLANNED else attempt
    job.state = after
    job.version += 1
    job.reason = _reason(change.event, after)
    job.next_at = _next_at(change.event)
    job.updated_at = to_text(change.at)
    _count(job, change)


def require_order(attempt: AttemptRow | None, event: e.Event) -> None:
    """Raise IllegalTransitionError when a result arrives for a job that never had a task."""
    if isinstance(event, e.RenderFinished) and (attempt is None or attempt.outcome is not Outcome.ACCEPTED):
        raise IllegalTransitionError("a result for an order that was never accepted")


def detail_of(event: e.Event) -> str:
    """Give the event's facts as JSON for the audit trail; signed URLs are counted, never copied."""
    facts = {name: value for name, value in e.fields_of(event).items() if name != "reason" and value not in (None, "", ())}
    match event:
        case e.RenderFinished():
            facts["urls"] = len(event.urls)
        case e.ImagesStaged() | e.ImagesSaved():
            facts["images"] = [{"path": image.path, "sha256": image.sha256, "bytes": image.bytes} for image in event.images]
        case _:
            pass
    return _ENCODER.encode(facts) if facts else "{}"


def _settle(attempt: AttemptRow, change: Change) -> None:
    event, at = change.event, to_text(change.at)
    if event.outcome not in {None, Outcome.OPEN}:
        attempt.outcome = event.outcome or attempt.outcome
        attempt.settled_at = attempt.settled_at or at
    match event:
        case e.SubmitAccepted():
            attempt.task_id, attempt.cost_micros = event.task_id, event.cost
        case e.TaskAttached():
            attempt.task_id = event.task_id
        case e.RenderFinished():
            attempt.rendered_at, attempt.expires_at = at, to_text(event.expires_at)
            attempt.result_urls = json.dumps(event.urls)
        case e.FreshUrlWanted() | e.ImagesSaved():
            attempt.result_urls = ""
        case _:
            pass
    if isinstance(event, e.RenderFinished | e.RenderFailed) and event.cost is not None:
        attempt.cost_micros = event.cost
    if isinstance(event, e.Explained) and (event.outcome is not None or isinstance(event, e.RenderFailed)):
        attempt.reason, attempt.detail = event.reason, event.detail


def _count(job: JobRow, change: Change) -> None:
    """Move the counters; a decision of a person starts them again, one of the policy does not."""
    match change.event:
        case e.SubmitStarted():
            job.attempts += 1
        case e.SubmitNotSent() | e.SubmitUnreachable():
            job.not_sent += 1
        case e.SubmitUnproven():
            job.unproven += 1
        case e.SubmitAccepted():
            job.not_sent = 0
        case e.RetryAllowed() | e.ResubmitAllowed() if change.actor == POLICY:
            job.regenerated += 1
        case e.RetryAllowed() | e.ResubmitAllowed() | e.BillingDisproved() if change.actor != POLICY:
            job.unproven = job.not_sent = job.regenerated = 0
        case e.JobRetired():
            job.retired_at = to_text(change.at)
        case e.JobRestored():
            job.retired_at = None
            job.unproven = job.not_sent = job.regenerated = 0
        case _:
            pass


def _reason(event: e.Event, after: State) -> str:
    """Give the word for the job row; a job that ended without an image always has one."""
    reason = event.reason if isinstance(event, e.Explained) else ""
    return reason or (event.word() if after in {State.FAILED, State.CANCELLED} else "")


def _next_at(event: e.Event) -> str | None:
    return to_text(event.next_at) if isinstance(event, e.Deferred) and event.next_at is not None else None


def _plain(value: object) -> str:
    return to_text(value) if isinstance(value, datetime) else str(value)


_ENCODER: Final = json.JSONEncoder(default=_plain, ensure_ascii=False)
"""Made once: ``json.dumps`` with options makes one every time, which shows at ten thousand events a second."""
