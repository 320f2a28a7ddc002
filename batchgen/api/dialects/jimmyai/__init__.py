"""JimmyAI, now ViraltokAI: asynchronous image tasks over an envelope of ``{code, msg, data}``.

Pure. It builds Calls and reads Replies; whatever the bytes, reading one gives exactly one meaning and never raises.

How an order's answer is read. A usable task id means Accepted, whatever code or HTTP status stands beside it: the id proves that the
vendor knows the order, following it is free, and dropping it could lose a paid image. Without an id, only the vendor's own words or an
unmistakable HTTP status say that nothing was done; everything else is Unreadable, and the order counts as perhaps billed.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from batchgen.api.dialects.jimmyai import answers, models, words
from batchgen.api.dialects.jimmyai.answers import Answer
from batchgen.api.envelope import excerpt
from batchgen.core.errors import InputError
from batchgen.core.jobs import Job, Params
from batchgen.core.ports import Call, Complaint, Model, Reply
from batchgen.core.readings import (
    Accepted,
    Busy,
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

_IMAGES: Final = "/api/open-api/v1/images"
_BALANCE: Final = "/api/open-api/v1/user/balance"
_GATEWAY_STATUSES: Final = frozenset({502, 504, *range(520, 525)})


class JimmyAI:
    """The JimmyAI language (``core.ports.Dialect``); holds nothing, so one is enough."""

    name: str = "jimmyai"
    unit: str = "coin"
    result_ttl_s: float = 72 * 3600.0
    params: tuple[str, ...] = models.PARAMS

    def complaints(self, params: Params, *, prompt_chars: int, references: int) -> Sequence[Complaint]:
        """List what the vendor is known to refuse in this combination; warnings pass."""
        return models.complaints(params, prompt_chars=prompt_chars, references=references)

    def models(self) -> Sequence[Model]:
        """List the known models."""
        return models.MODELS

    def submit(self, job: Job) -> Call:
        """Build the order for the job; the body is byte for byte the same each time.

        ``n`` is never sent: one row is one image. Raises InputError for a job with references, which cannot be sent.
        """
        if job.references:
            msg = f"job {job.key} has reference images, which this version does not send"
            raise InputError(msg)
        params = {name: value for name, value in job.params.items() if name != "n"}
        fields = {**params, "model": job.model, "prompt": job.prompt}
        text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return Call(method="POST", path=_IMAGES, body=text.encode())

    def read_submit(self, reply: Reply) -> SubmitReading:
        """Say what became of an order."""
        answer = answers.opened(reply)
        task_id = answers.task_id(answer)
        if task_id is not None:
            return Accepted(task_id=task_id, cost=answers.cost(answer))
        if answer.status == 429:
            return Throttled(message=answer.message, retry_after_s=answers.retry_after_s(reply.headers))
        if answer.is_success:
            return Unreadable(message=f"success without a task id: {_whole(answer)}")
        return _refusal(answer, reply)

    def poll(self, task_id: str) -> Call:
        """Build the question about a task; the id is quoted, whatever it holds."""
        return Call(method="GET", path=f"{_IMAGES}/{quote(task_id, safe='', errors='replace')}")

    def read_poll(self, reply: Reply) -> PollReading:
        """Say what became of a task.

        A status word beside a task id is believed under any code, as the old backend used error codes for failed tasks too.
        """
        answer = answers.opened(reply)
        if answer.status == 429:
            return Throttled(message=answer.message, retry_after_s=answers.retry_after_s(reply.headers))
        if answer.code == answers.AUTH_CODE or answer.status in {401, 403}:
            return Stopped(kind="auth", message=answer.message)
        if answer.task and (answer.is_success or (answers.task_id(answer) and answers.status_word(answer))):
            return _progress(answer)
        return _query_trouble(answer, reply)

    def balance_call(self) -> Call:
        """Build the question about the account's money."""
        return Call(method="GET", path=_BALANCE)

    def read_balance(self, reply: Reply) -> Decimal | None:
        """Give what the account may still spend, in coins, or None when the answer does not say."""
        answer = answers.opened(reply)
        if not answer.is_success:
            return None
        available, balance, used = (answers.decimal(answer.task.get(key)) for key in ("available", "balance", "used_coin"))
        if available is not None:
            return available
        return None if balance is None or used is None else balance - used


def _refusal(answer: Answer, reply: Reply) -> SubmitReading:
    """Read an order's answer that neither names a task nor claims success: first the vendor's words, then code and status."""
    meaning = words.sense(answer.words) if _speaks_for_vendor(answer) else None
    if meaning == "throttled":
        return Throttled(message=answer.message, retry_after_s=answers.retry_after_s(reply.headers))
    if answer.code == answers.AUTH_CODE or answer.status == 401:
        return Stopped(kind="auth", message=answer.message)
    match meaning:
        case "balance" | "quota":
            return Stopped(kind=meaning, message=answer.message)
        case "model":
            return Rejected(reason="refused", message=answer.message)
        case "moderated":
            return Rejected(reason="moderated", message=answer.message)
        case "no_task" | "transient" | None:
            return _refusal_by_number(answer, answers.retry_after_s(reply.headers))


def _speaks_for_vendor(answer: Answer) -> bool:
    """Say whether the message's words may decide: in the envelope, or in the JSON of a refusal; never in a gateway's page."""
    return answer.code is not None or (answer.is_json and 400 <= answer.status < 500)


def _refusal_by_number(answer: Answer, retry_after_s: float | None) -> SubmitReading:
    match answer.status:
        case 403:
            return Stopped(kind="auth", message=answer.message)
        case 402:
            return Stopped(kind="balance", message=answer.message)
        case 400 | 413 | 422:
            return Rejected(reason="refused", message=answer.message)
        case 404 | 405 | 300 | 301 | 302 | 303 | 304 | 305 | 306 | 307 | 308:
            return Stopped(kind="config", message=answer.message)
        case 408:
            return Unproven(message=answer.message, retry_after_s=retry_after_s)
        case 421 | 425:
            return Busy(message=answer.message, retry_after_s=retry_after_s)
        case _:
            return _refusal_by_code(answer, retry_after_s)


def _refusal_by_code(answer: Answer, retry_after_s: float | None) -> SubmitReading:
    """Read what only the code can tell: an error of the vendor's own is unproven, an unknown code or a gateway's says nothing."""
    if answer.code == answers.PARAMETERS_CODE:
        return Rejected(reason="refused", message=answer.message)
    is_own_failure = answer.code == answers.SERVER_ERROR_CODE or (answer.code is not None and answer.status >= 500)
    if is_own_failure and answer.status not in _GATEWAY_STATUSES:
        return Unproven(message=answer.message, retry_after_s=retry_after_s)
    return Unreadable(message=_whole(answer))


def _whole(answer: Answer) -> str:
    """Keep all that is known of an answer that says nothing clear: an id may be hidden in it."""
    return f"HTTP {answer.status}: {excerpt(answer.body)}"


def _progress(answer: Answer) -> PollReading:
    word = answers.status_word(answer)
    phase = words.phase(word)
    match phase:
        case "completed":
            return Done(urls=answers.urls(answer), cost=answers.cost(answer), lasted_s=answers.lasted_s(answer))
        case "failed":
            return _ended(answer)
        case "canceled":
            return Ended(reason="remote", message=answers.task_message(answer) or word, cost=answers.cost(answer))
        case "running" | None:
            return Running(status=word, is_known_word=phase is not None)


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
        return Throttled(message=answer.message, retry_after_s=answers.retry_after_s(reply.headers))
    if meaning == "no_task" or (answer.status == 404 and answer.code is not None):
        return NotFound(message=answer.message)
    return Trouble(message=answer.message)
