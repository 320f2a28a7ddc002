"""The Protocols through which the layers see each other. Each has one real implementation and a contract suite."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from batchgen.core.dialects import Call, Reply
from batchgen.core.events import Image
from batchgen.core.jobs import Change, Job, JobKey, Recorded
from batchgen.core.money import Micros
from batchgen.core.reconciling import Evidence
from batchgen.core.states import Outcome


class Sink(Protocol):
    """Where a download writes."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; raise BadImageError when there are too many, FileError when the disk refuses."""


class Answer(Sink, Protocol):
    """A place on disk for the answer of a synchronous order: what arrives is written down as it comes."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Write the answer's head; called once, before the first byte of the body."""

    def finish(self) -> Reply:
        """Make the whole answer durable and give it with its long strings cut out; raise FileError."""

    def discard(self) -> None:
        """Remove whatever was written; safe to call twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A finished download: the bytes were all handed to the sink. ``length`` is the announced Content-Length, if any."""

    received_bytes: int
    length: int | None
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A reference image that a vendor keeps: its content, where it may be fetched, and until when that is certain."""

    sha256: str
    vendor: str
    url: str
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFile:
    """A local reference image: its bytes, how it is called outside, its type by content, and how the manifest wants it sent."""

    content: bytes = field(repr=False)
    filename: str
    media_type: str
    send: Literal["auto", "base64", "upload"]


class Library(Protocol):
    """The local reference images of one batch, by the hash of their content."""

    def read(self, sha256: str) -> ReferenceFile:
        """Give a reference image; raise StopRunError when its file is gone or holds other bytes than were planned."""


class Client(Protocol):
    """The network. ``order`` is the only call that can cost money."""

    def order(self, call: Call, answer: Answer | None = None) -> Awaitable[Reply]:
        """Send a paid request once; raise NotSentError or OutcomeUnknownError, never retry.

        With ``answer`` the answer is written there as it comes, and finished; what that raises comes out as it is.
        """

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

    def answer(self, job: Job) -> Answer:
        """Open the place for the answer of the job's current attempt; what an earlier try left there is removed."""

    def kept_answer(self, job: Job) -> Reply | None:
        """Give the whole answer that was kept for the job's current attempt, or None; after a crash it is as good as just received."""

    def drop_answer(self, job: Job) -> None:
        """Remove what was kept for the job's current attempt, if anything."""

    def unpack(self, job: Job, part: tuple[int, int], draft: Draft) -> None:
        """Decode a part of the kept answer from base64 into the draft; raise BadImageError or FileError."""

    def describe(self, job: Job, images: Sequence[Image]) -> None:
        """Write the sidecar beside the first image, if the batch wants one; atomic, overwrites only its own."""

    def free_bytes(self) -> int:
        """Say how much room the file system has for us."""


class Ledger(Protocol):
    """The job table of one batch, written by one thread. Every future is done only when its commit is durable.

    A database that is away is waited for, up to a minute; then StoreAwayError says so.
    """

    def record(self, change: Change) -> "Future[Recorded]":
        """Record the event, or fail with StaleJobError, BudgetReachedError, IllegalTransitionError or StoreError.

        The same change given again is recorded once, and gets the same answer.
        """

    def claim(self, *, limit: int, now: datetime, skip: frozenset[int], full_models: frozenset[str]) -> "Future[list[Job]]":
        """Take in hand up to ``limit`` planned jobs that are due, in running order, without those in ``skip`` and those of ``full_models``.

        Those claimed before that are not in ``skip`` go back.
        """

    def next_due(self, *, without: frozenset[str] = frozenset()) -> "Future[datetime | None]":
        """Say when the earliest waiting planned job is due, without those of some models; None when none is planned."""

    def live(self) -> "Future[list[Job]]":
        """Give every job that is submitting, submitted or rendered, but for those in another run's hands, oldest first.

        They are in this run's hands then.
        """

    def orphans(self) -> "Future[list[Job]]":
        """Take in hand the live jobs that no run has in its hands, such as those of one that died, and give them, oldest first."""

    def doubtful(self) -> "Future[list[Job]]":
        """Give every ambiguous job, the one that was ordered first at the head."""

    def evidence(self) -> "Future[Evidence | None]":
        """Say what the table tells of money since the oldest order in doubt; None when no order is in doubt."""

    def repeated(self) -> "Future[int]":
        """Give the micros of the orders in doubt that policy has had ordered again, in all runs of the batch."""

    def upload_of(self, sha256: str, *, vendor: str) -> "Future[Upload | None]":
        """Give the latest upload of that content to that vendor, however old."""

    def keep_upload(self, upload: Upload) -> "Future[None]":
        """Keep an upload in the place of an earlier one of the same content to the same vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An order that goes out next: its attempt, whose it is, the hash of its bytes, and what is reserved for it."""

    attempt_id: int
    key: JobKey
    body_sha256: str
    reserved: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of an order: accepted with its task id and price, or certainly not carried out."""

    outcome: Outcome
    task_id: str | None = None
    cost: Micros | None = None


class Journal(Protocol):
    """A local diary of orders, in which a task id finds a place when the job table cannot take it. Every line survives the process."""

    def intend(self, intent: Intent) -> None:
        """Note that an order goes out next, and keep room for its outcome; raise FileError, and then it must not go out."""

    def settle(self, attempt_id: int, settled: Settled) -> None:
        """Note what became of an order, before the job table is told; raise FileError."""

    def settled(self, attempt_id: int) -> Settled | None:
        """Give what is known of the answer to an order that the job table holds open; raise FileError."""

    def recall(self, attempt_ids: Collection[int]) -> Mapping[int, Settled]:
        """Give what is known of these orders, in the journals of other runs too; raise FileError."""

    def recorded(self, attempt_id: int) -> None:
        """Note that the job table knows the order's outcome."""

    def sync(self) -> None:
        """Force to the disk what was written; raise FileError."""


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
