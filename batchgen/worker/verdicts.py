"""Turn what a vendor answered into the event to record. Pure; the run-level consequences stand in ``ordering.py``."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.jobs import SYNCHRONOUS, Job
from batchgen.core.limits import Limits
from batchgen.core.retry import REGENERATIONS, UNPROVEN_RESENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """The order provably never left this machine; ``error`` is the disk's or our own, if either was at fault."""

    message: str
    reason: str = "unreachable"
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The order went out and its answer did not come back, or found no place; ``error`` is as in ``NotSent``."""

    message: str
    error: Exception | None = None


SubmitAnswer = r.SubmitReading | NotSent | Lost


@dataclass(slots=True, kw_only=True)
class Judge:
    """Decide by the limits of the run, which may change while it works; ``chance`` in [0, 1) spreads the waits."""

    limits: Limits

    def submitted(self, answer: SubmitAnswer, job: Job, *, now: datetime, chance: float) -> e.Event:
        """Give the event for the answer to an order."""
        match answer:
            case r.Accepted(task_id=task_id, cost=cost):
                return e.SubmitAccepted(task_id=task_id, cost=cost)
            case r.Delivered(cost=cost):
                return e.SubmitAccepted(task_id=f"{SYNCHRONOUS}{job.attempt_id}", cost=cost)
            case r.Throttled() | r.Stopped() | r.Rejected():
                return _refused(answer)
            case r.Busy(message=message):
                return self._again("busy", message, job, now=now, chance=chance)
            case NotSent(message=message, reason=reason):
                return self._again(reason, message, job, now=now, chance=chance)
            case r.Unproven(message=message):
                return self._unproven(message, job, now=now, chance=chance)
            case r.Unreadable(message=message):
                return e.SubmitUnknown(reason="unreadable", detail=message)
            case Lost(message=message):
                return e.SubmitUnknown(reason="no_answer", detail=message)

    def may_regenerate(self, event: e.RenderFailed, job: Job) -> bool:
        """Say whether policy allows one more purchase after a failure that is known to pass."""
        return event.reason == "transient" and job.regenerated < REGENERATIONS and self.limits.attempts > 1

    def _again(self, reason: str, message: str, job: Job, *, now: datetime, chance: float) -> e.Event:
        tries = job.not_sent + 1
        if tries >= self.limits.attempts:
            return e.SubmitUnreachable(reason=reason, detail=message)
        return e.SubmitNotSent(reason=reason, detail=message, next_at=now + self._wait(tries, chance))

    def _unproven(self, message: str, job: Job, *, now: datetime, chance: float) -> e.Event:
        tries = job.unproven + 1
        if tries > UNPROVEN_RESENDS or tries >= self.limits.attempts:
            return e.SubmitGivenUp(reason="server", detail=message)
        return e.SubmitUnproven(reason="server", detail=message, next_at=now + self._wait(tries, chance))

    def _wait(self, tries: int, chance: float) -> timedelta:
        return timedelta(seconds=self.limits.backoff.delay_s(tries, chance))


def _refused(answer: r.Throttled | r.Stopped | r.Rejected) -> e.Event:
    """Give the event for an order that the vendor clearly did nothing for."""
    match answer:
        case r.Throttled(message=message):
            return e.SubmitRefused(reason="throttled", detail=message)
        case r.Stopped(kind=kind, message=message):
            return e.SubmitRefused(reason=kind, detail=message)
        case r.Rejected(reason=reason, message=message):
            return e.SubmitRejected(reason=reason, detail=message)
