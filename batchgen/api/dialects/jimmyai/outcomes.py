"""What an answer means: for an order that became a task, for one that is answered at once, and for a question about a task.

How an order's answer is read. A usable task id means Accepted, a usable image means Delivered, whatever code or HTTP status stands beside
it: it proves that the vendor took the order, and dropping it could lose a paid image. Without it, only the vendor's own words or an
unmistakable HTTP status say that nothing was done; everything else is Unreadable, and the order counts as perhaps billed.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from batchgen.api import pointers, statuses
from batchgen.api.dialects.jimmyai import answers, words
from batchgen.api.dialects.jimmyai.answers import Answer
from batchgen.api.envelope import excerpt
from batchgen.core.dialects import Reply
from batchgen.core.jobs import Job
from batchgen.core.readings import (
    Accepted,
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

_BASE64_PLACES: Final = ("/data/data/*/b64_json", "/data/data/b64_json", "/data/*/b64_json", "/data/b64_json", "/b64_json")
_URL_PLACES: Final = (
    *("/data/data/*/url", "/data/data/url", "/data/*/url"),
    *(f"{top}{place}" for top in ("/data", "") for place in answers.IMAGE_PLACES),
    *("/data/result/image_urls/*", "/result/image_urls/*"),
)
_GATEWAY_STATUSES: Final = frozenset({502, 504, *range(520, 525)})
_KEPT_CHARS: Final = 2000
_MAX_NAME_CHARS: Final = 40


def ordered(reply: Reply) -> SubmitReading:
    """Say what became of an order that should have become a task."""
    answer = answers.opened(reply)
    task_id = answers.task_id(answer)
    if task_id is not None:
        return Accepted(task_id=task_id, cost=answers.cost(answer))
    return refusal(answer, reply, wanted="a task id")


def answered(job: Job, reply: Reply) -> SubmitReading:
    """Say what became of an order whose answer should be its result; a task id in it is nothing that could be followed."""
    answer = answers.opened(reply)
    found = _delivered(answer, job, parts=len(reply.parts))
    if found is not None:
        return replace(found, cost=answers.cost(answer))
    return refusal(answer, reply, wanted="an image")


def followed(reply: Reply, places: tuple[str, ...]) -> PollReading:
    """Say what became of a task whose result may stand in these places.

    A status word beside a task id is believed under any code, as the old backend used error codes for failed tasks too.
    """
    answer = answers.opened(reply)
    if answer.status == 429:
        return _throttled(answer, reply)
    if answer.code == answers.AUTH_CODE or answer.status in {401, 403}:
        return Stopped(kind="auth", message=answer.told)
    if answer.task and (answer.is_success or (answers.task_id(answer) and answers.status_word(answer))):
        return _progress(answer, places)
    return _query_trouble(answer, reply)


def refusal(answer: Answer, reply: Reply, *, wanted: str) -> SubmitReading:
    """Read an answer without what was wanted: first whether it claims success, then the vendor's words, then code and status."""
    if answer.status == 429:
        return _throttled(answer, reply)
    if answer.is_success:
        return Unreadable(message=f"success without {wanted}: {_whole(answer, reply)}")
    meaning = words.sense(answer.words) if _speaks_for_vendor(answer) else None
    if meaning == "throttled":
        return _throttled(answer, reply)
    if answer.code == answers.AUTH_CODE or answer.status == 401:
        return Stopped(kind="auth", message=answer.told)
    match meaning:
        case "balance" | "quota":
            return Stopped(kind=meaning, message=answer.told)
        case "model":
            return Rejected(reason="refused", message=answer.told)
        case "moderated":
            return Rejected(reason="moderated", message=answer.told)
        case "no_task" | "transient" | None:
            return _refusal_by_number(answer, reply)


def _delivered(answer: Answer, job: Job, *, parts: int) -> Delivered | None:
    """Find the images; an answer that repeats the address of a reference image delivers nothing by that."""
    sent = {reference.get("url") for reference in job.references}
    urls = (value for value in _values(answer, _URL_PLACES) if not (isinstance(value, str) and value.strip() in sent))
    return pointers.delivered(_values(answer, _BASE64_PLACES), urls, parts=parts)


def _values(answer: Answer, places: tuple[str, ...]) -> Iterator[object]:
    return (value for place in places for value in pointers.found(answer.fields, place))


def _throttled(answer: Answer, reply: Reply) -> Throttled:
    return Throttled(message=answer.told, retry_after_s=pointers.retry_after_s(reply.headers))


def _speaks_for_vendor(answer: Answer) -> bool:
    """Say whether the message's words may decide: in the envelope, or in the JSON of a refusal; never in a gateway's page."""
    return answer.code is not None or (answer.fields is not None and 400 <= answer.status < 500)


def _refusal_by_number(answer: Answer, reply: Reply) -> SubmitReading:
    """Read what only the numbers can tell: an error of the vendor's own is unproven, an unknown code or a gateway's says nothing."""
    retry_after_s = pointers.retry_after_s(reply.headers)
    told = _redirect(answer, reply) if 300 <= answer.status < 400 else answer.told
    proven = statuses.refusal(answer.status, told, retry_after_s=retry_after_s)
    if proven is not None:
        return proven
    if answer.code == answers.PARAMETERS_CODE:
        return Rejected(reason="refused", message=answer.told)
    is_gateway = answer.status in _GATEWAY_STATUSES
    is_own_failure = answer.code == answers.SERVER_ERROR_CODE or (answer.code is not None and answer.status >= 500)
    if is_own_failure and not is_gateway:
        return Unproven(message=answer.told, retry_after_s=retry_after_s)
    is_unheard_of = answer.code is not None and not is_gateway
    return Unreadable(message=f"{'contract drift: ' if is_unheard_of else ''}{_whole(answer, reply)}")


def _redirect(answer: Answer, reply: Reply) -> str:
    """Say where a redirect leads, without the query, which may hold what is nobody's business."""
    return f"HTTP {answer.status} to {reply.headers.get('location', 'nowhere').partition('?')[0]}"


def _whole(answer: Answer, reply: Reply) -> str:
    """Keep all that is known of an answer that says nothing clear, and which gateway gave it: an id may be hidden in it."""
    server = reply.headers.get("server", "")[:_MAX_NAME_CHARS]
    by = f" from {server}" if server and answer.status >= 500 else ""
    return f"HTTP {answer.status}{by}: {excerpt(answer.body, _KEPT_CHARS)}"


def _progress(answer: Answer, places: tuple[str, ...]) -> PollReading:
    word = answers.status_word(answer)
    phase = words.phase(word)
    match phase:
        case "completed":
            return Done(urls=answers.urls(answer, places), cost=answers.cost(answer), lasted_s=answers.lasted_s(answer))
        case "failed":
            return _ended(answer)
        case "canceled":
            return Ended(reason="remote", message=answers.task_message(answer) or word, cost=answers.cost(answer))
        case "running" | None:
            return Running(status=word, is_known_word=phase is not None, progress=answers.progress(answer))


def _ended(answer: Answer) -> Ended:
    message = answers.task_message(answer)
    match words.sense(message):
        case "moderated":
            return Ended(reason="moderated", message=message, cost=answers.cost(answer))
        case "transient" | "throttled":
            return Ended(reason="transient", message=message, cost=answers.cost(answer))
        case "balance" | "quota" | "model" | "no_task" | None:
            return Ended(reason="remote", message=message or "failed without a reason", cost=answers.cost(answer))


def _query_trouble(answer: Answer, reply: Reply) -> PollReading:
    meaning = words.sense(answer.words) if _speaks_for_vendor(answer) else None
    if meaning == "throttled":
        return _throttled(answer, reply)
    if meaning == "no_task" or (answer.status == 404 and answer.code is not None):
        return NotFound(message=answer.message)
    return Trouble(message=answer.message)
