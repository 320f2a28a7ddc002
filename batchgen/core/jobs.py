"""Values that travel between the layers: what a plan asks for, and a job as a run sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple, NewType

from batchgen.core import events as e
from batchgen.core.events import Event, Image
from batchgen.core.states import State

JobKey = NewType("JobKey", str)
"""32 lower-case hex digits: the first half of the SHA-256 of the job's identity."""

JobId = NewType("JobId", int)
"""The row number in the job table of one database."""

Params = Mapping[str, str]
"""Parameters as they go over the wire, without the prompt; every value is text."""


SYNCHRONOUS: Final = "sync-"
"""How the task id begins that an order gets whose answer was its result; what follows is the attempt's number."""


class JobSpec(NamedTuple):
    """One row that a plan asks for. A tuple, because a million of them pass by.

    ``params`` and ``labels`` are canonical JSON objects; ``references`` is a canonical JSON list of {"name", "sha256" or "url"},
    with "role" where it is not ``images``.
    ``position`` orders the run; ``ordinal`` counts repeated orders of the same text from 0; ``sample`` counts from 1.
    """

    key: str
    sweep: str
    prompt_id: str
    prompt: str
    operation: str
    model: str
    params: str
    labels: str
    references: str
    cell: str
    sample: int
    ordinal: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as a run sees it: the row, its current attempt and its staged files.

    ``version`` counts the events recorded so far. ``urls`` and ``expires_at`` are set while the job is rendered, ``staged`` once its
    bytes are on disk. The counters are of this order only: they start again after a decision.
    """

    id: JobId
    key: JobKey
    batch_id: int
    sweep: str
    prompt_id: str
    prompt: str
    operation: str
    model: str
    params: Params
    labels: Mapping[str, str]
    references: tuple[Mapping[str, str], ...]
    cell: str
    sample: int
    position: int
    state: State
    version: int
    next_at: datetime | None = None
    attempts: int = 0
    unproven: int = 0
    not_sent: int = 0
    regenerated: int = 0
    attempt_id: int | None = None
    task_id: str | None = None
    submitted_at: datetime | None = None
    reason: str = ""
    urls: tuple[str, ...] = ()
    expires_at: datetime | None = None
    staged: tuple[Image, ...] = field(default=())

    @property
    def is_answered(self) -> bool:
        """Say whether the result came with the answer to the order, so that the vendor has no task to ask after."""
        return self.task_id is not None and self.task_id == f"{SYNCHRONOUS}{self.attempt_id}"

    @property
    def is_inline(self) -> bool:
        """Say whether the result's bytes came with the answer: they are on disk, and no vendor gives them again."""
        return bool(self.urls) and self.urls[0][:4].lower() != "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A request to record one event for one job.

    It is carried out only if the job is still at ``version``; ``actor`` is ``runner``, ``recovery``, ``planner``, ``policy`` or
    ``operator:<login>``.
    """

    job_id: JobId
    version: int
    event: Event
    at: datetime
    actor: str = "runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the database holds after a change: the new state and version, and the attempt that the event concerned."""

    state: State
    version: int
    attempt_id: int | None


def follow(job: Job, event: Event, recorded: Recorded, *, at: datetime) -> Job:
    """Give the job as it stands after the recorded event, without asking the database again."""
    if isinstance(event, e.DriftSeen):
        return replace(job, state=recorded.state, version=recorded.version, attempt_id=recorded.attempt_id)
    reason = event.reason if isinstance(event, e.Explained) else ""
    moved = replace(job, state=recorded.state, version=recorded.version, attempt_id=recorded.attempt_id, reason=reason)
    match event:
        case e.SubmitAccepted(task_id=task_id):
            return replace(moved, task_id=task_id, submitted_at=at, not_sent=0)
        case e.RenderFinished(urls=urls, expires_at=expires_at):
            return replace(moved, urls=urls, expires_at=expires_at)
        case e.ImagesStaged(images=images):
            return replace(moved, staged=images)
        case e.FreshUrlWanted():
            return replace(moved, urls=(), expires_at=None, staged=())
        case _:
            return moved
