"""How a described vendor's answers are read: JSON by pointers, errors by the description's rules, then by the HTTP status."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from batchgen.api.dialects.http.description import Description, Means, Poll, Result
from batchgen.api.envelope import excerpt, parse
from batchgen.api.pointers import amount, delivered, found, retry_after_s, usable_id, usable_urls
from batchgen.api.statuses import refusal
from batchgen.core.dialects import Reply
from batchgen.core.money import Micros
from batchgen.core.readings import (
    Accepted,
    Busy,
    Delivered,
    Done,
    Ended,
    NotFound,
    PollReading,
    Rejected,
    Running,
    Stopped,
    SubmitReading,
    Throttled,
    Trouble,
    Unproven,
    Unreadable,
)
from batchgen.core.secrets import without_queries

MAX_MATCHED_CHARS: Final = 2000
"""Rules look at no more of an error than this."""

_MAX_MESSAGE_CHARS: Final = 1000
_MAX_WORD_CHARS: Final = 80
_MODERATED: Final = ("nsfw", "safety", "moderat", "policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply, opened. ``error`` holds the vendor's own words at the error pointers, perhaps none; ``message`` is for a person."""

    status: int
    body: Mapping[str, object] | None
    error: str
    message: str
    retry_after_s: float | None
    whole: str

    @property
    def is_success(self) -> bool:
        """Say whether the vendor itself claims that the request was carried out."""
        return self.body is not None and 200 <= self.status < 300


def opened(about: Description, reply: Reply) -> Answer:
    """Open a reply, whatever it holds."""
    body = parse(reply.body)
    words = (value.strip() for pointer in about.error for value in found(body, pointer) if isinstance(value, str))
    error = without_queries("; ".join(dict.fromkeys(word for word in words if word)))[:MAX_MATCHED_CHARS]
    whole = f"HTTP {reply.status}: {excerpt(reply.body)}"
    return Answer(
        status=reply.status,
        body=body,
        error=error,
        message=error[:_MAX_MESSAGE_CHARS] or whole,
        retry_after_s=retry_after_s(reply.headers),
        whole=whole,
    )


def meaning(about: Description, answer: Answer) -> Means | None:
    """Give what the description says of an error; its rules speak of the vendor's own JSON only, never of a gateway's page."""
    if answer.body is None:
        return None
    text = answer.error.lower()
    for rule in about.rules:
        if (not rule.statuses or answer.status in rule.statuses) and (not rule.words or any(word in text for word in rule.words)):
            return rule.means
    return None


def cost(about: Description, answer: Answer) -> Micros | None:
    """Give what the vendor says it charges, or None."""
    return next((amount(value) for value in found(answer.body, about.cost)), None) if about.cost else None


def order_outcome(about: Description, reply: Reply) -> SubmitReading:
    """Say what became of an order: an id or an image with a success first, then the rules, then what the status proves."""
    answer = opened(about, reply)
    taken = _taken(about, answer, parts=len(reply.parts)) if answer.is_success else None
    if taken is not None:
        return taken
    means = meaning(about, answer)
    if means is not None:
        return _refused(means, answer)
    by_status = refusal(answer.status, answer.message, retry_after_s=answer.retry_after_s)
    return by_status or Unreadable(message=answer.whole)


def progress(about: Description, poll: Poll, reply: Reply) -> PollReading:
    """Say what became of a task, by its status word."""
    answer = opened(about, reply)
    if not answer.is_success:
        return _no_news(about, answer, is_result=False)
    word = status_word(poll, answer)
    phase = poll.words.get(word.lower())
    match phase:
        case "done":
            return Done(urls=_first_urls(answer, poll.urls), cost=cost(about, answer))
        case "failed":
            return _ended(about, answer)
        case "canceled":
            return Ended(reason="remote", message=answer.error or word, cost=cost(about, answer))
        case "running" | None:
            return Running(status=word, is_known_word=phase is not None)


def result(about: Description, wanted: Result, reply: Reply, *, known_cost: Micros | None) -> PollReading:
    """Say what a finished task gave, by the answer about its result."""
    answer = opened(about, reply)
    urls = _first_urls(answer, wanted.urls)
    if answer.is_success and (urls or meaning(about, answer) is None):
        charged = cost(about, answer)
        return Done(urls=urls, cost=known_cost if charged is None else charged)
    return _no_news(about, answer, is_result=True)


def status_word(poll: Poll, answer: Answer) -> str:
    """Give the task's status word as the vendor writes it, empty when there is none."""
    word = next(found(answer.body, poll.status), None)
    if isinstance(word, bool) or not isinstance(word, str | int):
        return ""
    return "".join(char for char in str(word).strip() if char.isprintable())[:_MAX_WORD_CHARS]


def _taken(about: Description, answer: Answer, *, parts: int) -> Accepted | Delivered | None:
    submit = about.submit
    if submit.task_id:
        task_id = usable_id(next(found(answer.body, submit.task_id), None))
        return None if task_id is None else Accepted(task_id=task_id, cost=cost(about, answer))
    base64 = (value for pointer in submit.base64 for value in found(answer.body, pointer))
    image = delivered(base64, (value for pointer in submit.urls for value in found(answer.body, pointer)), parts=parts)
    return None if image is None else Delivered(urls=image.urls, parts=image.parts, cost=cost(about, answer))


def _refused(means: Means, answer: Answer) -> SubmitReading:
    """Read an order's error as the description wants it; whatever proves nothing is never sent again blindly."""
    message = answer.message
    match means:
        case "auth" | "balance" | "quota" | "config":
            return Stopped(kind=means, message=message)
        case "throttled":
            return Throttled(message=message, retry_after_s=answer.retry_after_s)
        case "refused" | "moderated":
            return Rejected(reason=means, message=message)
        case "busy":
            return Busy(message=message, retry_after_s=answer.retry_after_s)
        case "unproven" | "transient":
            return Unproven(message=message, retry_after_s=answer.retry_after_s)
        case "unknown":
            return Unreadable(message=answer.whole)


def _no_news(about: Description, answer: Answer, *, is_result: bool) -> PollReading:
    """Say what an answer means that does not tell of a task: by the rules, then by its status."""
    means = meaning(about, answer)
    match means:
        case "auth" | "balance" | "quota":
            return Stopped(kind=means, message=answer.message)
        case "throttled":
            return Throttled(message=answer.message, retry_after_s=answer.retry_after_s)
        case "refused" | "moderated" | "transient":
            # A failing server may speak of the question itself; only beside a result, which is there for good, it speaks of the task.
            return _ended(about, answer) if is_result or answer.status < 500 else Trouble(message=answer.message)
        case "busy" | "unproven" | "config" | "unknown":
            return Trouble(message=answer.message)
        case None:
            return _no_news_by_status(about, answer, is_result=is_result)


def _no_news_by_status(about: Description, answer: Answer, *, is_result: bool) -> PollReading:
    """Read what the status alone tells; a refusal of the result in the vendor's own words is the task's end."""
    match answer.status:
        case 429:
            return Throttled(message=answer.message, retry_after_s=answer.retry_after_s)
        case 401 | 403:
            return Stopped(kind="auth", message=answer.message)
        case 404 if answer.body is not None:
            return NotFound(message=answer.message)
        case 400 | 422 if is_result and answer.error:
            return _ended(about, answer)
        case _:
            return Trouble(message=answer.message)


def _ended(about: Description, answer: Answer) -> Ended:
    """Say how a task ended: as the rules say, else moderated where the vendor's words say so."""
    means, text = meaning(about, answer), answer.error.lower()
    message, charged = answer.error[:_MAX_MESSAGE_CHARS] or "failed without a reason", cost(about, answer)
    if means == "moderated" or (means is None and any(word in text for word in _MODERATED)):
        return Ended(reason="moderated", message=message, cost=charged)
    return Ended(reason="transient" if means == "transient" else "remote", message=message, cost=charged)


def _first_urls(answer: Answer, pointers: tuple[str, ...]) -> tuple[str, ...]:
    """Give the usable URLs of the first pointer that has any."""
    return next((urls for pointer in pointers if (urls := usable_urls(found(answer.body, pointer)))), ())
