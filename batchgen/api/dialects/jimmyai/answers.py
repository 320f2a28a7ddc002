"""The shape of the vendor's answers: envelope, task object, and the fields in all the places where they have been seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from batchgen.api.envelope import excerpt, parse
from batchgen.api.pointers import amount, found, usable_id, usable_urls
from batchgen.core.dialects import Reply
from batchgen.core.money import Micros
from batchgen.core.secrets import without_queries

SUCCESS_CODES: Final = frozenset({"20000", "0", "200"})
AUTH_CODE: Final = "20001"
PARAMETERS_CODE: Final = "20002"
SERVER_ERROR_CODE: Final = "-1"
RATE_CODE: Final = "40000"
"""Seen beside "too frequent" only; the message decides."""

MESSAGE_KEYS: Final = ("msg", "message", "error_message", "error_msg", "reason", "error", "detail")
IMAGE_PLACES: Final = ("/result/image_urls", "/result/image_url", "/result/url", "/image_url", "/url", "/mediaUrl")
"""Where a task names its images, the most trusted place first."""

_MAX_MESSAGE_CHARS: Final = 1000
_MILLISECONDS_FROM: Final = 10**11
_LONGEST_TASK_S: Final = 30 * 86400
_TASK_MESSAGE_KEYS: Final = ("error_message", "error_msg", "reason", "message", "error")
_NOTHING: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply, opened.

    ``fields`` is the whole JSON object, None when the body is none; ``code`` is None when it is no envelope, ``task`` empty when it holds
    no task object; ``words`` are the vendor's own, perhaps none.
    """

    status: int
    code: str | None
    words: str
    fields: Mapping[str, object] | None
    task: Mapping[str, object]
    body: bytes

    @property
    def message(self) -> str:
        """Give what a person should read: the vendor's words, or the beginning of the body where it has none."""
        return self.words or f"HTTP {self.status}: {excerpt(self.body)}"

    @property
    def told(self) -> str:
        """Give what a person should read of a refusal: the vendor's words with its code, which alone may say what was meant."""
        return f"{self.words} (code {self.code})" if self.words and self.code is not None else self.message

    @property
    def is_success(self) -> bool:
        """Say whether the answer claims that the request was carried out: a success code, or a bare task with HTTP 2xx."""
        if self.code is not None:
            return self.code in SUCCESS_CODES
        return bool(self.task) and 200 <= self.status < 300


def opened(reply: Reply) -> Answer:
    """Open a reply, whatever it holds."""
    body = parse(reply.body)
    fields = _NOTHING if body is None else body
    return Answer(
        status=reply.status,
        code=_code(fields),
        words=_words(fields, MESSAGE_KEYS),
        fields=body,
        task=_task(fields),
        body=reply.body,
    )


def task_id(answer: Answer) -> str | None:
    """Give the task's id, if the answer names a usable one.

    ``id`` counts only in an answer that claims success: an error's ``id`` may be the request's. The first place that holds anything
    decides; an unusable value there is not excused by a better one elsewhere.
    """
    places = ("task_id", "id", "taskId") if answer.is_success else ("task_id", "taskId")
    return usable_id(next((value for place in places if (value := answer.task.get(place)) not in (None, "")), None))


def status_word(answer: Answer) -> str:
    """Give the task's status word in lower case, empty when there is none."""
    status = answer.task.get("status")
    if isinstance(status, bool) or not isinstance(status, str | int):
        return ""
    return str(status).strip().lower()[:100]


def urls(answer: Answer, places: tuple[str, ...]) -> tuple[str, ...]:
    """Give the result's URLs from the first place that holds a usable one: absolute http(s), without repeats, at most 16."""
    values = (value for place in places for value in found(answer.task, place))
    return next((usable for value in values if (usable := usable_urls(value if isinstance(value, list) else [value]))), ())


def cost(answer: Answer) -> Micros | None:
    """Give what the vendor says it charges, or None when it says nothing or nonsense."""
    return amount(answer.task.get("cost"))


def lasted_s(answer: Answer) -> float | None:
    """Give the time between the task's two stamps, which may be in seconds or in milliseconds."""
    created, completed = (_seconds(answer.task.get(key)) for key in ("created_at", "completed_at"))
    if created is None or completed is None or not 0 <= completed - created <= _LONGEST_TASK_S:
        return None
    return float(completed - created)


def progress(answer: Answer) -> float | None:
    """Give the share of the work that is done; None where no number from 1 to 99 tells it."""
    told = decimal(answer.task.get("progress"))
    return float(told) / 100 if told is not None and 1 <= told <= 99 else None


def task_message(answer: Answer) -> str:
    """Give the task's own account of its failure, empty when it has none."""
    return _words(answer.task, _TASK_MESSAGE_KEYS)


_MOST_DIGITS: Final = 100
"""An amount or instant with more digits before or after its point is nonsense, and would overflow in the first sum."""


def decimal(value: object) -> Decimal | None:
    """Read a finite decimal from a JSON number or numeric text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        amount = Decimal(value)
    except ArithmeticError:
        return None
    return amount if amount.is_finite() and abs(amount.adjusted()) <= _MOST_DIGITS else None


def _code(body: Mapping[str, object]) -> str | None:
    code = body.get("code")
    if isinstance(code, bool) or not isinstance(code, int | str):
        return None
    return str(code).strip()[:64] or None


def _task(body: Mapping[str, object]) -> Mapping[str, object]:
    data = body.get("data")
    if isinstance(data, dict):
        return data
    return body if any(key in body for key in ("task_id", "taskId", "status")) else _NOTHING


def _words(source: Mapping[str, object], keys: tuple[str, ...]) -> str:
    return next((text for key in keys for text in _texts(source.get(key)) if text), "")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = value.get("message")
    if isinstance(value, str):
        yield without_queries(value).strip()[:_MAX_MESSAGE_CHARS]


def _seconds(value: object) -> Decimal | None:
    stamp = decimal(value)
    if stamp is None or not 0 < stamp < _MILLISECONDS_FROM * 1000:
        return None
    return stamp / 1000 if stamp > _MILLISECONDS_FROM else stamp
