"""What vendors' languages are made of: calls and replies, what a plan must know before it spends, and the dialects themselves. Pure."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from batchgen.core.jobs import Job, Params
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
