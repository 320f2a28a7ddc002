"""What a dialect reads out of a vendor's answer: closed sets, one class a meaning."""

from dataclasses import dataclass
from typing import Literal

from batchgen.core.money import Micros

StopKind = Literal["balance", "quota", "auth", "config"]
"""Why no further order makes sense: no money, key's own cap reached, key rejected, wrong address or path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The order was taken and has a task id."""

    task_id: str
    cost: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The answer to a synchronous order is its result: URLs to fetch, or numbers of the answer's parts that hold the image in base64.

    Exactly one of the two is empty.
    """

    urls: tuple[str, ...] = ()
    parts: tuple[int, ...] = ()
    cost: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """The vendor keeps the reference image at this address."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Too fast or too many at once; nothing was done. ``retry_after_s`` is the vendor's wish, if it named one."""

    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Nothing was done, and nothing will be until somebody acts."""

    kind: StopKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """This order will never be taken as it is."""

    reason: Literal["refused", "moderated"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """The vendor says clearly that it did nothing (421, 425): the order may be sent again after a back-off."""

    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """The vendor's own error envelope without a task id: probably nothing was done, but nothing proves it."""

    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """The answer does not say what happened to the order: gateway pages, cut bodies, success without an id, unknown codes."""

    message: str


SubmitReading = Accepted | Delivered | Throttled | Stopped | Rejected | Busy | Unproven | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The task is not finished. ``is_known_word`` is false for a status word that the dialect has never heard of.

    ``progress`` is the share of the work that the vendor says is done, above 0 and below 1, where it says so.
    """

    status: str
    is_known_word: bool = True
    progress: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The task is finished; ``urls`` may be empty or hold fewer than wanted (paid, no usable URL).

    ``lasted_s`` is the vendor's own measure of the task's duration, when it gives one.
    """

    urls: tuple[str, ...]
    cost: Micros | None = None
    lasted_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The task ended without an image."""

    reason: Literal["moderated", "transient", "remote", "lost"]
    message: str
    cost: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The vendor does not know the task (yet, or any more)."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The query itself failed; the task is untouched."""

    message: str


PollReading = Running | Done | Ended | NotFound | Throttled | Stopped | Trouble

UploadReading = Uploaded | Throttled | Stopped | Rejected | Trouble
