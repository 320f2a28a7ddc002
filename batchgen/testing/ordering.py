"""What a dialect promises about the answers to orders: money hangs on each."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from batchgen.core.dialects import Dialect, Reply
from batchgen.core.readings import Accepted, Delivered, Rejected, Stopped, SubmitReading, Throttled, Unreadable
from batchgen.testing.documents import GONE, changed, document, everywhere, leaves, with_body
from batchgen.testing.examples import Example
from batchgen.testing.findings import Findings, shown
from batchgen.testing.hostile import GATEWAYS, JUNK_WAITS, PAGE, SUCCESSES, cuts

_PAGE_STATUSES: Final = (*SUCCESSES, 500, 503, 530, *GATEWAYS)
_NOTHING: Final[tuple[object, ...]] = (GONE, None, "", " ", [], {}, True, False, [None])
_OTHERWISE: Final[tuple[object, ...]] = (None, 0, "", "another", [], True)
_IN_DOUBT: Final = "an answer that does not say what happened is Unreadable, so that the order is never sent again"
_STILL_TAKEN: Final = "an answer that still names the task or holds the image means that the order was taken"


def check_answers(dialect: Dialect, example: Example, findings: Findings) -> None:
    """Check how answers to the order are read."""
    taken = _read(dialect, example, example.taken, findings)
    if not isinstance(taken, Accepted | Delivered) or not _is_as_told(taken, example):
        findings.note("the example's answer to an order is read as taken", f"{taken!r:.150}")
        return
    _check_refusals(dialect, example, findings)
    _check_doubts(dialect, example, taken, findings)
    _check_still_taken(dialect, example, taken, findings)


def _is_as_told(taken: Accepted | Delivered, example: Example) -> bool:
    if isinstance(taken, Accepted):
        return taken.task_id == example.task_id
    return example.task_id is None and (not example.urls or taken.urls == example.urls)


def _read(dialect: Dialect, example: Example, reply: Reply, findings: Findings) -> SubmitReading | None:
    return findings.attempt("read_submit", lambda: dialect.read_submit(example.job, reply), f"HTTP {reply.status} {shown(reply.body)}")


def _check_refusals(dialect: Dialect, example: Example, findings: Findings) -> None:
    refused = _read(dialect, example, example.refused, findings)
    findings.unless(isinstance(refused, Rejected | Stopped), "a refusal is Rejected or Stopped", f"{refused!r:.150}")
    throttled = _read(dialect, example, example.throttled, findings)
    findings.unless(isinstance(throttled, Throttled), "a throttled order is Throttled", f"{throttled!r:.150}")
    heard = _read(dialect, example, replace(example.throttled, headers={"retry-after": "7"}), findings)
    findings.unless(isinstance(heard, Throttled) and heard.retry_after_s == 7, "Retry-After is obeyed", f"7 gives {heard!r:.100}")
    for junk in JUNK_WAITS:
        reading = _read(dialect, example, replace(example.throttled, headers={"retry-after": junk}), findings)
        findings.unless(isinstance(reading, Throttled), "a throttled order is Throttled", f"Retry-After {junk!r:.40} gives {reading!r:.80}")


def _check_doubts(dialect: Dialect, example: Example, taken: Accepted | Delivered, findings: Findings) -> None:
    for name, reply in (*_pages(), *_cut(example.taken), *_without(example, taken)):
        reading = _read(dialect, example, reply, findings)
        findings.unless(isinstance(reading, Unreadable) or reading == taken, _IN_DOUBT, f"{name} is read as {reading!r:.120}")


def _pages() -> Iterator[tuple[str, Reply]]:
    for status in _PAGE_STATUSES:
        yield f"a page with HTTP {status}", Reply(status=status, headers={"content-type": "text/html"}, body=PAGE)
    for status in (*SUCCESSES, 204, *GATEWAYS):
        yield f"an empty answer with HTTP {status}", Reply(status=status)


def _cut(reply: Reply) -> Iterator[tuple[str, Reply]]:
    return ((f"an answer cut after {len(body)} bytes", replace(reply, body=body)) for body in cuts(reply.body))


def _without(example: Example, taken: Accepted | Delivered) -> Iterator[tuple[str, Reply]]:
    """Take what was bought out of an answer that otherwise claims success."""
    wanted = "the id" if isinstance(taken, Accepted) else "the image"
    for junk in _NOTHING:
        reply = everywhere(example.taken, lambda leaf: _is_bought(leaf, taken), junk)
        if reply is not None:
            yield f"a success with {'nothing' if junk is GONE else repr(junk)} in the place of {wanted}", reply


def _is_bought(leaf: object, taken: Accepted | Delivered) -> bool:
    if isinstance(taken, Accepted):
        return not isinstance(leaf, bool) and isinstance(leaf, str | int) and str(leaf) == taken.task_id
    return isinstance(leaf, str) and len(leaf) > 8 and any(url == leaf or url.endswith(f",{leaf}") for url in taken.urls)


def _check_still_taken(dialect: Dialect, example: Example, taken: Accepted | Delivered, findings: Findings) -> None:
    for name, reply in _still_taken(example, taken):
        reading = _read(dialect, example, reply, findings)
        findings.unless(_is_same(reading, taken), _STILL_TAKEN, f"{name} is read as {reading!r:.120}")
    for status in (500, 503, *GATEWAYS):
        reading = _read(dialect, example, replace(example.taken, status=status), findings)
        is_safe = _is_same(reading, taken) or isinstance(reading, Unreadable)
        findings.unless(is_safe, _STILL_TAKEN, f"HTTP {status} beside it is read as {reading!r:.120}")
    if isinstance(taken, Delivered) and (cut := _with_part(example.taken, taken)) is not None:
        reading = _read(dialect, example, cut, findings)
        is_found = isinstance(reading, Delivered) and reading.parts == (0,)
        findings.unless(is_found, "an image that was cut out of the answer is found by its part", f"{reading!r:.120}")


def _still_taken(example: Example, taken: Accepted | Delivered) -> Iterator[tuple[str, Reply]]:
    reply = example.taken
    yield from ((f"HTTP {status}", replace(reply, status=status)) for status in SUCCESSES)
    yield "strange headers", replace(reply, headers={"retry-after": "soon", "content-type": "text/html", "date": "yesterday"})
    value = document(reply)
    if not isinstance(value, dict):
        return
    yield "a byte order mark", replace(reply, body=b"\xef\xbb\xbf" + reply.body)
    yield "blanks around it", replace(reply, body=b"\r\n " + reply.body + b"\n")
    yield "another layout", replace(reply, body=json.dumps(value, indent=2, sort_keys=True).encode())
    yield "unknown fields", with_body(reply, {"eta_new": 3, **value, "trace_new": {"deep": [1, {"x": None}]}})
    for path, leaf in leaves(value):
        if not _is_bought(leaf, taken):
            for other in _OTHERWISE:
                yield f"{other!r} at {'/'.join(map(str, path))}", with_body(reply, changed(value, path, other))


def _is_same(reading: SubmitReading | None, taken: Accepted | Delivered) -> bool:
    match reading:
        case Accepted(task_id=task_id):
            return isinstance(taken, Accepted) and task_id == taken.task_id
        case Delivered():
            return isinstance(taken, Delivered)
        case _:
            return False


def _with_part(reply: Reply, taken: Delivered) -> Reply | None:
    """Cut the first inline image out of the answer, as it is done with those that are too long to hold."""
    inline = [url.partition(",")[2] for url in taken.urls if url[:5].lower() == "data:"]
    if len(inline) != 1:
        return None
    cut = everywhere(reply, lambda leaf: isinstance(leaf, str) and leaf.endswith(inline[0]), "\0part:0")
    return None if cut is None else replace(cut, parts=((10, 10 + len(inline[0])),))
