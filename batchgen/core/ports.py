"""The Protocols through which the layers see each other. Each has one real implementation and a contract suite."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from batchgen.core.events import Image
from batchgen.core.jobs import Change, Job, Params, Recorded
from batchgen.core.money import Micros
from batchgen.core.readings import PollReading, Stopped, SubmitReading, Trouble, UploadReading

Way = Literal["url", "base64", "upload", "file"]
"""How a reference travels: by its public address, as a data URI inside the request, by an upload beforehand, or as a part of a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request as a dialect wants it.

    ``path`` is absolute on the host. ``body`` holds the exact bytes, in pieces where large ones are shared between orders; None sends none.
    ``headers`` stand beside the client's own, which alone knows the key. ``host`` "sync" is the second address of vendors that have one for
    synchronous calls. ``is_synchronous`` says that the answer is the result: it may be large and is kept on disk.
    """

    method: Literal["GET", "POST"]
    path: str
    body: bytes | tuple[bytes, ...] | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    host: Literal["api", "sync"] = "api"
    is_synchronous: bool = False

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """Give the body in pieces; none when there is no body."""
        if self.body is None:
            return ()
        return self.body if isinstance(self.body, tuple) else (self.body,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    r"""One HTTP answer. Header names are lower-case; ``body`` is capped by the client.

    In an answer that was kept on disk, strings too long to hold are cut out of ``body``: the JSON string ``"\u0000part:N"`` stands in the
    place of the bytes from ``parts[N][0]`` up to ``parts[N][1]`` of the file.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A further free question about a task, and how to read its answer: some vendors tell a task's end and its result apart."""

    call: Call
    read: Callable[[Reply], PollReading]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an image file is: its type by content, its size in bytes and in pixels, and whether it can be transparent."""

    media_type: str
    bytes: int
    width: int
    height: int
    has_alpha: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference image as a plan knows it. ``role`` is the parameter that names it: ``images``, ``mask`` and others.

    ``facts`` is None for an address, whose content nobody has seen.
    """

    role: str
    name: str
    facts: ImageFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A reference image ready to travel: by ``url`` (the declared address, or that of an upload), or by ``content``."""

    role: str
    filename: str = ""
    media_type: str = ""
    url: str | None = None
    content: bytes | None = None

    @property
    def address(self) -> str:
        """Give what stands in a JSON field: the URL, or the content as a full data URI."""
        if self.url is not None:
            return self.url
        return f"data:{self.media_type};base64,{b64encode(self.content or b'').decode()}"


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
    ratios: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    max_references: int = 0
    max_prompt_chars: int | None = None
    backgrounds: tuple[str, ...] = ()
    output_formats: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    durations: tuple[str, ...] = ()
    operations: tuple[str, ...] = ("image",)
    takes_mask: bool = False
    remarks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit of a billing name costs; ``mode`` is the vendor's word for the unit, such as ``per_task`` or ``per_second``."""

    micros: Micros
    mode: str = "per_task"


Prices = Mapping[str, Price]
"""A catalogue by billing name."""


class Rules(Protocol):
    """What a planner must know of a vendor before anything is spent. Pure."""

    name: str
    """Part of every job's identity: it must never change."""
    unit: str
    """The unit of money, for people."""
    key_env: str
    """The variable that holds the key, unless the manifest names another; empty where it must."""
    base_url: str
    """Where the API lives unless the manifest says, perhaps with ``${VAR:-default}``; empty where it must."""
    params: tuple[str, ...]
    """Every parameter that may stand in a manifest for this vendor, the roles of references aside."""
    roles: tuple[str, ...]
    """The parameters whose values name reference images."""
    operations: tuple[str, ...]
    """What can be ordered; the first is meant where a manifest does not say."""

    def ways(self, operation: str) -> frozenset[Way]:
        """Say how references may travel in an operation; empty where it takes none."""

    def complaints(self, params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
        """List what the vendor is known to refuse in this combination; warnings pass."""

    def models(self) -> Sequence[Model]:
        """List the known models."""

    def estimate(self, prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:
        """Give the highest price that an order may have by the catalogue, or None where the catalogue does not tell."""


class Dialect(Rules, Protocol):
    """One vendor's language. Pure: it builds Calls and reads Replies, and never raises on what a vendor sends."""

    result_ttl_s: float
    """How long a result's URL lives after completion."""
    synchronous: frozenset[str]
    """The operations whose answer is the result."""
    api_path: str
    """What a base URL may end in though every call's path begins with it; it is taken off."""
    sync_hosts: Mapping[str, str]
    """Second addresses for synchronous calls, by the API address that they belong to; empty where a vendor has one for all."""
    authorization: tuple[str, str]
    """The header that carries the key, and its value with ``{key}`` in the key's place."""

    def submit(self, job: Job, attachments: Sequence[Attachment] = ()) -> Call:
        """Build the order for the job; with the same attachments its body is byte for byte the same each time.

        Raises InputError for a job that cannot be ordered so: nothing is sent, and the job fails.
        """

    def read_submit(self, job: Job, reply: Reply) -> SubmitReading:
        """Say what became of an order."""

    def poll(self, job: Job) -> Call:
        """Build the question about the job's task; its id is quoted, whatever it holds."""

    def read_poll(self, job: Job, reply: Reply) -> PollReading | Question:
        """Say what became of a task, or what to ask next."""

    def unfamiliar(self, job: Job, reply: Reply) -> Sequence[str]:
        """Name what the answer holds that this dialect has never heard of: ``field data.eta``, ``status dreaming``, ``code 30001``."""


@runtime_checkable
class Uploads(Protocol):
    """A dialect whose vendor keeps reference images. Uploads are free, so they may be repeated."""

    upload_ttl_s: float
    """How long an upload's URL is certain to live."""

    def upload(self, attachment: Attachment) -> Call:
        """Build the upload of an attachment's content."""

    def read_upload(self, reply: Reply) -> UploadReading:
        """Say what became of an upload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What an account or a key may still spend, in micros; None is unknown, for ``quota`` also without a cap."""

    available: Micros | None = None
    used: Micros | None = None
    quota: Micros | None = None
    quota_used: Micros | None = None
    is_unlimited: bool | None = None


@runtime_checkable
class Accounts(Protocol):
    """A dialect whose vendor tells the account's money."""

    def account_calls(self) -> Sequence[Call]:
        """Build the questions about the account's money."""

    def read_account(self, replies: Sequence[Reply]) -> Account | Stopped | Trouble:
        """Say what the answers tell, in the order of the questions."""


@runtime_checkable
class Priced(Protocol):
    """A dialect whose vendor publishes prices."""

    def catalogue_call(self) -> Call:
        """Build the question for the price catalogue; it needs no key."""

    def read_catalogue(self, reply: Reply) -> Prices | None:
        """Give the prices, or None when the answer holds none."""


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
    """The job table of one batch, written by one thread. Every future is done only when its commit is durable."""

    def record(self, change: Change) -> "Future[Recorded]":
        """Record the event, or fail with StaleJobError, BudgetReachedError, IllegalTransitionError or StoreError."""

    def claim(self, *, limit: int, now: datetime, skip: frozenset[int], full_models: frozenset[str]) -> "Future[list[Job]]":
        """Give up to ``limit`` planned jobs that are due, in running order, without those in ``skip`` and those of ``full_models``."""

    def next_due(self) -> "Future[datetime | None]":
        """Say when the earliest waiting planned job is due; None when none is planned."""

    def live(self) -> "Future[list[Job]]":
        """Give every job that is submitting, submitted or rendered, oldest first."""

    def upload_of(self, sha256: str, *, vendor: str) -> "Future[Upload | None]":
        """Give the latest upload of that content to that vendor, however old."""

    def keep_upload(self, upload: Upload) -> "Future[None]":
        """Keep an upload in the place of an earlier one of the same content to the same vendor."""


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
