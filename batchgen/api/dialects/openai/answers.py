"""How an answer to an order is read: images first, then the vendor's own error words, then what the HTTP status proves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from batchgen.api.envelope import excerpt, parse
from batchgen.api.pointers import delivered, found, retry_after_s
from batchgen.api.statuses import refusal
from batchgen.core.dialects import Reply
from batchgen.core.readings import Rejected, Stopped, SubmitReading, Throttled, Unproven, Unreadable
from batchgen.core.secrets import without_queries

Meaning = Literal["moderated", "quota", "auth", "throttled", "model"]

_MEANINGS: Final[dict[str, Meaning]] = {
    **dict.fromkeys(("moderation_blocked", "content_policy_violation", "content_filter", "contentfilter"), "moderated"),
    **dict.fromkeys(
        (
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "organization_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "project_spend_limit_exceeded",
        ),
        "quota",
    ),
    **dict.fromkeys(("invalid_api_key", "account_deactivated"), "auth"),
    "rate_limit_exceeded": "throttled",
    "model_not_found": "model",
}
_GATEWAY_STATUSES: Final = frozenset({502, 504, *range(520, 525)})
_FIELDS: Final = frozenset({"created", "data", "background", "output_format", "quality", "size", "usage", "error"})
_IMAGE_FIELDS: Final = frozenset({"b64_json", "url", "revised_prompt"})
_MAX_MESSAGE_CHARS: Final = 1000
_MAX_STRANGERS: Final = 8
_MAX_NAME_CHARS: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply, opened; ``is_error`` says that it holds OpenAI's error object, ``words`` are that object's code and type."""

    status: int
    body: Mapping[str, object]
    is_error: bool
    words: tuple[str, ...]
    message: str
    retry_after_s: float | None


def opened(reply: Reply) -> Answer:
    """Open a reply, whatever it holds."""
    body = parse(reply.body) or {}
    error = body.get("error")
    message = next((text.strip() for text in _texts(body, "/error/message", "/error") if text.strip()), "")
    return Answer(
        status=reply.status,
        body=body,
        is_error=isinstance(error, dict) and bool(message),
        words=tuple(text.strip().lower() for text in _texts(body, "/error/code", "/error/type")),
        message=without_queries(message)[:_MAX_MESSAGE_CHARS] or _whole(reply),
        retry_after_s=retry_after_s(reply.headers),
    )


def outcome(reply: Reply) -> SubmitReading:
    """Say what became of an order.

    An image in hand means Delivered, whatever status or error stands beside it: it proves that the work was done, and dropping it would
    lose what was paid.
    """
    answer = opened(reply)
    image = delivered(found(answer.body, "/data/*/b64_json"), found(answer.body, "/data/*/url"), parts=len(reply.parts))
    if image is not None:
        return image
    by_words = _by_words(answer)
    if by_words is not None:
        return by_words
    if answer.status in _GATEWAY_STATUSES or answer.status < 300:
        return Unreadable(message=_whole(reply))
    if answer.status >= 500:
        return _server_error(answer, reply)
    return refusal(answer.status, answer.message, retry_after_s=answer.retry_after_s) or Unreadable(message=_whole(reply))


def unfamiliar(reply: Reply) -> tuple[str, ...]:
    """Name up to eight fields that the documented answer does not have."""
    body = parse(reply.body) or {}
    images = [image for image in found(body, "/data/*") if isinstance(image, dict)]
    names = [*(name for name in body if name not in _FIELDS)]
    names += [f"data.{name}" for image in images for name in image if name not in _IMAGE_FIELDS]
    shown = ("".join(char for char in name if char.isprintable())[:_MAX_NAME_CHARS] for name in dict.fromkeys(names))
    return tuple(f"field {name}"[:_MAX_NAME_CHARS] for name in shown)[:_MAX_STRANGERS]


def _by_words(answer: Answer) -> SubmitReading | None:
    """Read the error object's own words, which say more than the status: an exhausted quota comes as 429."""
    match next((_MEANINGS[word] for word in answer.words if word in _MEANINGS), None):
        case "moderated":
            return Rejected(reason="moderated", message=answer.message)
        case "quota":
            return Stopped(kind="quota", message=answer.message)
        case "auth":
            return Stopped(kind="auth", message=answer.message)
        case "throttled":
            return Throttled(message=answer.message, retry_after_s=answer.retry_after_s)
        case "model":
            return Rejected(reason="refused", message=answer.message)
        case None:
            return None


def _server_error(answer: Answer, reply: Reply) -> SubmitReading:
    """Tell the vendor's own failure from a gateway's page: only its error object speaks for it."""
    if answer.is_error:
        return Unproven(message=answer.message, retry_after_s=answer.retry_after_s)
    return Unreadable(message=_whole(reply))


def _texts(body: Mapping[str, object], *pointers: str) -> Iterator[str]:
    yield from (value for pointer in pointers for value in found(body, pointer) if isinstance(value, str))


def _whole(reply: Reply) -> str:
    """Keep what is known of an answer that says nothing clear."""
    return f"HTTP {reply.status}: {excerpt(reply.body)}"
