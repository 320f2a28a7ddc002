"""The shape of the vendor's answers: envelope, task object, and the fields in all the places where they have been seen."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final

from batchgen.api.envelope import excerpt, parse
from batchgen.core.money import Micros, to_micros
from batchgen.core.ports import Reply

MAX_URLS: Final = 16
"""More result URLs than that are not a result but a flood."""

SUCCESS_CODES: Final = frozenset({"20000", "0", "200"})
AUTH_CODE: Final = "20001"
PARAMETERS_CODE: Final = "20002"
SERVER_ERROR_CODE: Final = "-1"

_MAX_ID_CHARS: Final = 256
_MAX_MESSAGE_CHARS: Final = 1000
_MAX_URL_CHARS: Final = 8192
_MILLISECONDS_FROM: Final = 10**11
_LONGEST_TASK_S: Final = 30 * 86400
_MESSAGE_KEYS: Final = ("msg", "message", "error_message", "error_msg", "reason", "error", "detail")
_TASK_MESSAGE_KEYS: Final = ("error_message", "error_msg", "reason", "message", "error")
_NOTHING: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply, opened.

    ``code`` is None when the body is no envelope, ``task`` empty when it holds no task object; ``words`` are the vendor's own, perhaps
    none.
    """

    status: int
    code: str | None
    words: str
    is_json: bool
    task: Mapping[str, object]
    body: bytes

    @property
    def message(self) -> str:
        """Give what a person should read: the vendor's words, or the beginning of the body where it has none."""
        return self.words or f"HTTP {self.status}: {excerpt(self.body)}"

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
        words=_words(fields, _MESSAGE_KEYS),
        is_json=body is not None,
        task=_task(fields),
        body=reply.body,
    )


def task_id(answer: Answer) -> str | None:
    """Give the task's id, if the answer names a usable one.

    ``id`` counts only in an answer that claims success: an error's ``id`` may be the request's. The first place that holds anything
    decides; an unusable value there is not excused by a better one elsewhere.
    """
    places = ("task_id", "id", "taskId") if answer.is_success else ("task_id", "taskId")
    found = next((value for place in places if (value := answer.task.get(place)) not in (None, "")), None)
    if isinstance(found, int) and not isinstance(found, bool) and found > 0:
        return str(found)
    return found if isinstance(found, str) and _is_usable_id(found) else None


def status_word(answer: Answer) -> str:
    """Give the task's status word in lower case, empty when there is none."""
    status = answer.task.get("status")
    if isinstance(status, bool) or not isinstance(status, str | int):
        return ""
    return str(status).strip().lower()[:100]


def urls(answer: Answer) -> tuple[str, ...]:
    """Give the result's URLs from the first place that holds a usable one: absolute http(s), without repeats, at most 16."""
    result = answer.task.get("result")
    inner: Mapping[str, object] = result if isinstance(result, dict) else _NOTHING
    places = (
        *(inner.get(key) for key in ("image_urls", "image_url", "url")),
        *(answer.task.get(key) for key in ("image_url", "url", "mediaUrl")),
    )
    return next((found for place in places if (found := _usable_urls(place))), ())


def cost(answer: Answer) -> Micros | None:
    """Give what the vendor says it charges, or None when it says nothing or nonsense."""
    amount = decimal(answer.task.get("cost"))
    if amount is None:
        return None
    try:
        return to_micros(amount)
    except ValueError:
        return None


def lasted_s(answer: Answer) -> float | None:
    """Give the time between the task's two stamps, which may be in seconds or in milliseconds."""
    created, completed = (_seconds(answer.task.get(key)) for key in ("created_at", "completed_at"))
    if created is None or completed is None or not 0 <= completed - created <= _LONGEST_TASK_S:
        return None
    return float(completed - created)


def task_message(answer: Answer) -> str:
    """Give the task's own account of its failure, empty when it has none."""
    return _words(answer.task, _TASK_MESSAGE_KEYS)


def decimal(value: object) -> Decimal | None:
    """Read a finite decimal from a JSON number or numeric text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        amount = Decimal(value)
    except ArithmeticError:
        return None
    return amount if amount.is_finite() else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``retry-after``: seconds, or an HTTP date measured against the reply's own ``date``. Past, naive or junk is None."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        return float(text)
    until, sent = (_moment(stamp) for stamp in (text, headers.get("date", "")))
    if until is None or sent is None or until < sent:
        return None
    return (until - sent).total_seconds()


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
        yield value.strip()[:_MAX_MESSAGE_CHARS]


def _is_usable_id(text: str) -> bool:
    return len(text) <= _MAX_ID_CHARS and text.isprintable() and bool(text.strip(" ."))


def _usable_urls(place: object) -> tuple[str, ...]:
    candidates = place if isinstance(place, list) else [place]
    clean = (text.strip() for text in candidates if isinstance(text, str))
    return tuple(dict.fromkeys(url for url in clean if _is_usable_url(url)))[:MAX_URLS]


def _is_usable_url(url: str) -> bool:
    return len(url) <= _MAX_URL_CHARS and url.isprintable() and bool(re.match(r"https?://[^/?#\s]", url, re.IGNORECASE))


def _seconds(value: object) -> Decimal | None:
    stamp = decimal(value)
    if stamp is None or not 0 < stamp < _MILLISECONDS_FROM * 1000:
        return None
    return stamp / 1000 if stamp > _MILLISECONDS_FROM else stamp


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment
