"""What must be true of every reading, whatever the answer was."""

import math
import re
from collections.abc import Iterable
from typing import Final, get_args

from batchgen.core.dialects import Question, Reply
from batchgen.core.readings import Accepted, Busy, Delivered, Done, Ended, PollReading, SubmitReading, Throttled, Unproven
from batchgen.testing.findings import Findings

MAX_ID_CHARS: Final = 256
MAX_URLS: Final = 64
MAX_NAMES: Final = 16
MAX_NAME_CHARS: Final = 120

_ADDRESS: Final = re.compile(r"https?://[^/?#\s]\S*", re.IGNORECASE)
_INLINE: Final = re.compile(r"data:[^,]*;base64,[A-Za-z0-9+/_-]+={0,2}", re.IGNORECASE)
_SUBMIT: Final = get_args(SubmitReading)
_POLL: Final = get_args(PollReading)


def is_address(text: object) -> bool:
    """Say whether a text is an absolute http(s) URL without blanks and control characters."""
    return isinstance(text, str) and text.isprintable() and _ADDRESS.fullmatch(text) is not None


def is_micros(amount: object) -> bool:
    """Say whether a value is money: a whole number of micros, not below 0."""
    return isinstance(amount, int) and not isinstance(amount, bool) and amount >= 0


def check_order_reading(reading: object, reply: Reply, findings: Findings, evidence: str) -> None:
    """Check what ``read_submit`` gave."""
    if not isinstance(reading, _SUBMIT):
        findings.note("read_submit gives a SubmitReading", f"{type(reading).__name__} for {evidence}")
        return
    _check_figures(reading, findings, evidence)
    match reading:
        case Accepted(task_id=task_id):
            findings.unless(_is_id(task_id), "a task id is a short printable text", f"{task_id!r:.80} for {evidence}")
        case Delivered(urls=urls, parts=parts):
            findings.unless(bool(urls) != bool(parts), "Delivered has urls or parts, not both and not none", evidence)
            is_usable = all(is_address(url) or _INLINE.fullmatch(str(url)) is not None for url in urls)
            findings.unless(
                is_usable, "only absolute http(s) URLs or base64 data URLs come out of an answer", f"{urls!r:.80} for {evidence}"
            )
            findings.unless(all(part in range(len(reply.parts)) for part in parts), "parts are numbers of the answer's own parts", evidence)
        case _:
            return


def check_task_reading(reading: object, findings: Findings, evidence: str) -> None:
    """Check what ``read_poll`` gave."""
    if isinstance(reading, Question):
        call = reading.call
        findings.unless(call.method == "GET" and not call.pieces, "a further question is a GET without a body", call.path)
        return
    if not isinstance(reading, _POLL):
        findings.note("read_poll gives a PollReading or a Question", f"{type(reading).__name__} for {evidence}")
        return
    _check_figures(reading, findings, evidence)
    if isinstance(reading, Done):
        is_usable = all(is_address(url) for url in reading.urls) and len(reading.urls) <= MAX_URLS
        findings.unless(is_usable, "only absolute http(s) URLs come out of an answer about a task", f"{reading.urls!r:.80} for {evidence}")
        findings.unless(_is_time(reading.lasted_s), "lasted_s is None or a finite time", f"{reading.lasted_s!r} for {evidence}")


def check_names(names: object, findings: Findings, evidence: str) -> None:
    """Check what ``unfamiliar`` gave."""
    if not isinstance(names, Iterable) or isinstance(names, str):
        findings.note("unfamiliar gives a sequence of texts", evidence)
        return
    listed: list[object] = list(names)
    is_tame = all(isinstance(name, str) and name.isprintable() and len(name) <= MAX_NAME_CHARS for name in listed)
    promise = f"unfamiliar names at most {MAX_NAMES} things, each printable and at most {MAX_NAME_CHARS} characters long"
    findings.unless(is_tame and len(listed) <= MAX_NAMES, promise, evidence)


def _check_figures(reading: object, findings: Findings, evidence: str) -> None:
    if isinstance(reading, Accepted | Delivered | Done | Ended):
        is_money = reading.cost is None or is_micros(reading.cost)
        findings.unless(is_money, "a cost is None or whole micros, never negative", f"{reading.cost!r} for {evidence}")
    if isinstance(reading, Throttled | Busy | Unproven):
        wait = reading.retry_after_s
        findings.unless(_is_time(wait), "retry_after_s is None or a finite time, whatever Retry-After says", f"{wait!r} for {evidence}")
    message = getattr(reading, "message", "")
    findings.unless(isinstance(message, str), "a message is a text", evidence)


def _is_id(task_id: object) -> bool:
    return isinstance(task_id, str) and len(task_id) <= MAX_ID_CHARS and task_id.isprintable() and bool(task_id.strip())


def _is_time(seconds: object) -> bool:
    return seconds is None or (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0)
