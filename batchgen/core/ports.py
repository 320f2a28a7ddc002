"""The Protocols through which the layers see each other. Each has one real implementation and a contract suite."""

from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from batchgen.core.events import Image
from batchgen.core.jobs import Change, Job, Params, Recorded
from batchgen.core.readings import PollReading, SubmitReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request as a dialect wants it: ``path`` is absolute on the API host, ``body`` the exact JSON bytes or None."""

    method: Literal["GET", "POST"]
    path: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer, whole. Header names are lower-case; ``body`` is capped by the client."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Why a combination of parameters cannot be ordered: the parameter at fault, the reason, and what would do."""

    param: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What one model takes. An empty tuple means that the parameter is not a field of this model."""

    name: str
    ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    qualities: tuple[str, ...]
    max_references: int
    max_prompt_chars: int | None = None
    backgrounds: tuple[str, ...] = ()
    output_formats: tuple[str, ...] = ()
    remarks: str = ""


class Rules(Protocol):
    """What a planner must know of a vendor before anything is spent. Pure."""

    name: str
    params: tuple[str, ...]
    """Every parameter that may stand in a manifest for this vendor."""

    def complaints(self, params: Params, *, prompt_chars: int, references: int) -> Sequence[Complaint]:
        """List what the vendor is known to refuse in this combination; warnings pass."""

    def models(self) -> Sequence[Model]:
        """List the known models."""


class Dialect(Rules, Protocol):
    """One vendor's language. Pure: it builds Calls and reads Replies, and never raises on what a vendor sends."""

    unit: str
    """The unit of money, for people."""
    result_ttl_s: float
    """How long a result's URL lives after completion."""

    def submit(self, job: Job) -> Call:
        """Build the order for the job; the body is byte for byte the same each time."""

    def read_submit(self, reply: Reply) -> SubmitReading:
        """Say what became of an order."""

    def poll(self, task_id: str) -> Call:
        """Build the question about a task; the id is quoted, whatever it holds."""

    def read_poll(self, reply: Reply) -> PollReading:
        """Say what became of a task."""


class Sink(Protocol):
    """Where a download writes."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; raise BadImageError when there are too many, FileError when the disk refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A finished download: the bytes were all handed to the sink. ``length`` is the announced Content-Length, if any."""

    received_bytes: int
    length: int | None
    content_type: str


class Client(Protocol):
    """The network. ``order`` is the only call that can cost money."""

    def order(self, call: Call) -> Awaitable[Reply]:
        """Send a paid request once; raise NotSentError or OutcomeUnknownError, never retry."""

    def ask(self, call: Call) -> Awaitable[Reply]:
        """Send a free request once; raise ExchangeError."""

    def fetch(self, url: str, sink: Sink) -> Awaitable[Fetched]:
        """Download a result without key or cookies; raise DownloadError, or what the sink raises."""

    def close(self) -> Awaitable[None]:
        """Close every connection."""


class Draft(Sink, Protocol):
    """A temporary file in its final folder."""

    def finish(self, *, length: int | None) -> Image:
        """Check length, end marker and decoding, fsync, and describe the image; raise BadImageError or FileError."""

    def discard(self) -> None:
        """Remove the temporary file; safe to call twice and after ``finish``."""


class Shelf(Protocol):
    """The output folder of one batch."""

    def draft(self, job: Job, index: int) -> Draft:
        """Open an exclusive temporary file beside the place where image ``index`` of the job will stand."""

    def publish(self, image: Image) -> bool:
        """Link the staged file to its path without clobbering, drop the temporary name, fsync the folder, re-read the hash.

        Idempotent: after a crash it finishes what was begun. False when neither name holds those bytes any more. Raises
        PathTakenError when other bytes stand at the path, FileError when the disk refuses.
        """

    def describe(self, job: Job, images: Sequence[Image]) -> None:
        """Write the sidecar beside the first image, if the batch wants one; atomic, overwrites only its own."""

    def free_bytes(self) -> int:
        """Say how much room the file system has for us."""


class Ledger(Protocol):
    """The job table of one batch, written by one thread. Every future is done only when its commit is durable."""

    def record(self, change: Change) -> "Future[Recorded]":
        """Record the event, or fail with StaleJobError, BudgetReachedError, IllegalTransitionError or StoreError."""

    def claim(self, *, limit: int, now: datetime, skip: frozenset[int], full_models: frozenset[str]) -> "Future[list[Job]]":
        """Give up to ``limit`` planned jobs that are due, in running order, without those in ``skip`` and those of ``full_models``."""

    def next_due(self) -> "Future[datetime | None]":
        """Say when the earliest waiting planned job is due; None when none is planned."""

    def live(self) -> "Future[list[Job]]":
        """Give every job that is submitting, submitted or rendered, oldest first."""


class Log(Protocol):
    """The run's diary: one line an event. It never raises and never shows a secret."""

    def info(self, event: str, **facts: object) -> None:
        """Note what happened."""

    def warning(self, event: str, **facts: object) -> None:
        """Note what an operator should see."""

    def error(self, event: str, **facts: object) -> None:
        """Note what stops the run or loses something."""


class Clock(Protocol):
    """Time. ``now`` is aware UTC and survives restarts; ``monotonic`` is for waiting."""

    def now(self) -> datetime:
        """Give the wall clock."""

    def monotonic(self) -> float:
        """Give seconds from an arbitrary start, never backwards."""
