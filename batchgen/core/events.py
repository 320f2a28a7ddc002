"""Facts about a job, in the past tense. Frozen; what each means for state and money stands in ``machine.py``.

``is_decision`` marks the events that allow one more purchase; every one of them names an actor and a reason.
"""

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar, Final

from batchgen.core.limits import Cap
from batchgen.core.money import Micros
from batchgen.core.states import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Root of all events."""

    outcome: ClassVar[Outcome | None] = None
    """What the event settles about the current attempt, if anything."""
    is_decision: ClassVar[bool] = False

    @classmethod
    def word(cls) -> str:
        """Give the event's name in logs and in the event table: ``SubmitAccepted`` is ``submit_accepted``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained(Event):
    """An event with a short stable ``reason`` word and the vendor's or operator's own words in ``detail``."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred(Explained):
    """An explained event after which the job waits until ``next_at``."""

    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One verified image file: ``path`` and ``temp`` are relative to the batch's output folder, POSIX separators."""

    path: str
    temp: str
    sha256: str
    bytes: int
    width: int
    height: int
    media_type: str


# --- ordering ---


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitStarted(Event):
    """A POST is about to go out: intent and reservation. ``reserved`` is None while no price is known.

    The caps are those of the batch, of the job's model in it, of its orders on the UTC day of the order, and of the run's API key.
    """

    outcome: ClassVar[Outcome | None] = Outcome.OPEN
    body_sha256: str
    reserved: Micros | None
    cap_cost: Micros | None = None
    cap_orders: int | None = None
    model_cap: Cap | None = None
    day_cap: Cap | None = None
    key_cap: Cap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitNotSent(Deferred):
    """Provably nothing was sent."""

    outcome: ClassVar[Outcome | None] = Outcome.NOT_SENT


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitUnreachable(Explained):
    """The last try that the manifest allows was not sent either: the job ends, nothing was bought."""

    outcome: ClassVar[Outcome | None] = Outcome.NOT_SENT


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRefused(Deferred):
    """The vendor refused before doing anything (throttled, balance, key): the same order may be sent again later."""

    outcome: ClassVar[Outcome | None] = Outcome.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRejected(Explained):
    """The vendor refused this very order (bad parameters, moderation); sending it again unchanged is useless."""

    outcome: ClassVar[Outcome | None] = Outcome.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitUnproven(Deferred):
    """The vendor answered with an error of its own and no task id: booked as if billed, re-sent a few times by policy."""

    outcome: ClassVar[Outcome | None] = Outcome.UNPROVEN
    is_decision: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitGivenUp(Explained):
    """The last unproven answer allowed by policy came back: the job ends, the money stays booked."""

    outcome: ClassVar[Outcome | None] = Outcome.UNPROVEN


REPEATED_TASK: Final = "repeated_task_id"
"""Why an order is in doubt whose answer named a task that another order already has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitUnknown(Explained):
    """The POST may have been carried out and no trustworthy answer came back."""

    outcome: ClassVar[Outcome | None] = Outcome.AMBIGUOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitAccepted(Event):
    """The vendor took the order and named a task. ``cost`` is what it said it charges, if it said so."""

    outcome: ClassVar[Outcome | None] = Outcome.ACCEPTED
    task_id: str
    cost: Micros | None


# --- following the task ---


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStalled(Explained):
    """The task is past its deadline or finished without a URL; it is paid for, so polling goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderFinished(Event):
    """The vendor names the result's URLs, good until ``expires_at``. Also a late result of a failed job."""

    urls: tuple[str, ...]
    expires_at: datetime
    cost: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderFailed(Explained):
    """The vendor says that the task ended without an image."""

    cost: Micros | None = None


# --- fetching ---


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadDeferred(Deferred):
    """A download did not give the image; the same URL is tried again at ``next_at``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshUrlWanted(Deferred):
    """The URL is dead or gives wrong bytes: the task is asked for a fresh one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesStaged(Event):
    """The bytes are complete, decoded and fsynced under ``temp``; they are about to be linked to ``path``."""

    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesSaved(Event):
    """Every file stands at its path with its hash, and the folder is fsynced."""

    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadFailed(Explained):
    """The image cannot be fetched any more."""


# --- noticed by the way ---


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSeen(Explained):
    """An answer held something that the dialect has never heard of; it changes nothing, and is told once a kind and run."""


# --- decisions ---


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAttached(Explained):
    """Somebody found the task id of an ambiguous order; nothing is bought by it."""

    outcome: ClassVar[Outcome | None] = Outcome.ACCEPTED
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResubmitAllowed(Explained):
    """An ambiguous order may be bought again; the first one stays booked."""

    is_decision: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingDisproved(Explained):
    """Somebody showed that the ambiguous order was never billed; it may be sent again."""

    outcome: ClassVar[Outcome | None] = Outcome.NOT_BILLED
    is_decision: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAbandoned(Explained):
    """An ambiguous order is given up; it stays booked as spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAllowed(Explained):
    """A failed or cancelled job may be ordered once more."""

    is_decision: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(Explained):
    """An operator dropped a row before anything was sent for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetired(Explained):
    """The manifest no longer asks for this row, and nothing was sent for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRestored(Explained):
    """The manifest asks again for a row that had been retired."""

    is_decision: ClassVar[bool] = True


def fields_of(event: Event) -> dict[str, object]:
    """Give the event's own fields by name, in declaration order."""
    return {field.name: getattr(event, field.name) for field in fields(event)}
