"""What a dialect promises about the answers to questions: only the vendor's own words end a task that is paid for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from batchgen.core.dialects import Dialect, Question, Reply
from batchgen.core.jobs import Job
from batchgen.core.readings import Done, Ended, PollReading, Running, Throttled, Trouble
from batchgen.testing.documents import document, everywhere, leaves
from batchgen.testing.examples import Example, told
from batchgen.testing.findings import Findings
from batchgen.testing.hostile import GATEWAYS, PAGE, SUCCESSES, cuts

_STRANGE: Final = "dreaming-of-sheep"
_NO_URLS: Final[tuple[object, ...]] = (
    None,
    "",
    [],
    {},
    5,
    "/relative.png",
    "//host/x.png",
    "ftp://host/x",
    "javascript:alert(1)",
    "data:,x",
)
_NO_NEWS: Final = "an answer that says nothing of a task never ends it"


def check_tasks(dialect: Dialect, example: Example, findings: Findings) -> None:
    """Check how answers about the example's task are read."""
    if example.task_id is None:
        return
    if example.running is None or not example.done or not example.failed:
        findings.note("the example of a task has running, done and failed")
        return
    job = replace(example.job, task_id=example.task_id)
    done = _told(dialect, job, example.done, findings)
    is_done = isinstance(done, Done) and done.urls == example.urls and bool(done.urls)
    findings.unless(is_done, "a finished task is Done and names the example's URLs", f"{done!r:.200}")
    failed = _told(dialect, job, example.failed, findings)
    findings.unless(isinstance(failed, Ended), "a failed task is Ended", f"{failed!r:.150}")
    _check_running(dialect, job, example.running, findings)
    _check_no_news(dialect, job, example, findings)
    if isinstance(done, Done):
        _check_without_urls(dialect, job, example, done, findings)


def _told(dialect: Dialect, job: Job, replies: tuple[Reply, ...], findings: Findings) -> PollReading | Question | None:
    return findings.attempt("read_poll", lambda: told(dialect, job, replies))


def _check_running(dialect: Dialect, job: Job, reply: Reply, findings: Findings) -> None:
    running = _told(dialect, job, (reply,), findings)
    if not isinstance(running, Running) or not running.is_known_word:
        findings.note("a running task is Running, by a word that the dialect knows", f"{running!r:.150}")
        return
    words = {path for path, leaf in leaves(document(reply)) if str(leaf).strip().lower() == running.status.strip().lower()}
    if not words:
        return
    strange = everywhere(reply, lambda leaf: str(leaf).strip().lower() == running.status.strip().lower(), _STRANGE)
    reading = None if strange is None else _told(dialect, job, (strange,), findings)
    is_kept = isinstance(reading, Running) and not reading.is_known_word
    findings.unless(is_kept, "a task under an unknown status word is still running, and the word is told", f"{_STRANGE}: {reading!r:.120}")


def _check_no_news(dialect: Dialect, job: Job, example: Example, findings: Findings) -> None:
    whole = {_told(dialect, job, replies, findings) for replies in (example.done, example.failed) if len(replies) == 1}
    for number in range(len(example.done)):
        for name, reply in _no_news(example.done[number]):
            reading = _told(dialect, job, (*example.done[:number], reply), findings)
            is_patient = isinstance(reading, Running | Trouble | Throttled) or reading in whole
            findings.unless(is_patient, _NO_NEWS, f"{name} is read as {reading!r:.120}")
    throttled = _told(dialect, job, (example.throttled,), findings)
    findings.unless(isinstance(throttled, Running | Trouble | Throttled), _NO_NEWS, f"throttling is read as {throttled!r:.120}")


def _no_news(reply: Reply) -> Iterator[tuple[str, Reply]]:
    for status in (*SUCCESSES, 500, 503, 530, *GATEWAYS):
        yield f"a page with HTTP {status}", Reply(status=status, headers={"content-type": "text/html"}, body=PAGE)
        yield f"an empty answer with HTTP {status}", Reply(status=status)
    yield from ((f"an answer cut after {len(body)} bytes", replace(reply, body=body)) for body in cuts(reply.body, most=100))


def _check_without_urls(dialect: Dialect, job: Job, example: Example, done: Done, findings: Findings) -> None:
    for junk in _NO_URLS:
        last = everywhere(example.done[-1], lambda leaf: leaf in done.urls, junk)
        if last is not None:
            reading = _told(dialect, job, (*example.done[:-1], last), findings)
            is_patient = isinstance(reading, Running | Trouble) or (isinstance(reading, Done) and not reading.urls)
            promise = "a finished task that names no usable URL is Done without URLs: it is paid for, and asked after again"
            findings.unless(is_patient, promise, f"{junk!r} is read as {reading!r:.120}")
