"""What a dialect promises about the requests that it builds."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from batchgen.core.dialects import Accounts, Attachment, Call, Dialect, Priced, Question, Uploads
from batchgen.testing.examples import Example, told
from batchgen.testing.findings import Findings

CANARY: Final = "sk-conformance-5d41402abc4b2a76b9719d911017c592"
_ID: Final = "Task-0a9Z"
_IDS: Final = (
    *("../../admin", "..", ".", "a/b", "a?b#c", "a&b=c", "a b", "a%2Fb", "a\\b", "a;b", "a\r\nX-Evil: 1", "a\0b", "\u706f", "\ud800"),
    *("x" * 256, "{{ key }}", "{key}", "http://evil.example/"),
)
_STEP: Final = re.compile(r"[A-Za-z0-9._~!$'()*,:;@%-]+")
_PATH: Final = re.compile(r"/(?!/)[!-~]*")
_CLIENTS_OWN: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie", "user-agent"})


def check_order(dialect: Dialect, example: Example, findings: Findings) -> Call | None:
    """Check the order; give it, so that it can be compared with a later one."""
    job, before = example.job, example.copied().job
    first = findings.attempt("submit", lambda: dialect.submit(job, example.attachments))
    if first is None:
        return None
    if not isinstance(first, Call):
        findings.note("submit gives a Call", type(first).__name__)
        return None
    check_same(first, dialect, example, findings)
    findings.unless(before == job, "submit does not change the job")
    findings.unless(first.method == "POST", "an order is a POST", first.method)
    findings.unless(_PATH.fullmatch(first.path) and "#" not in first.path, "a path is absolute on the host, in plain ASCII", first.path)
    is_synchronous = job.operation in dialect.synchronous
    told_so = f"operation {job.operation!r}, is_synchronous={first.is_synchronous}"
    findings.unless(first.is_synchronous == is_synchronous, "a call is synchronous exactly where its operation is", told_so)
    findings.unless(
        (example.task_id is None) == is_synchronous, "an operation is synchronous exactly where its answer is the result", told_so
    )
    return first


def check_same(first: Call, dialect: Dialect, example: Example, findings: Findings) -> None:
    """Check that the order is built once more as it was before."""
    again = findings.attempt("submit", lambda: dialect.submit(example.job, example.attachments))
    if isinstance(again, Call):
        is_same = b"".join(first.pieces) == b"".join(again.pieces) and replace(first, body=None) == replace(again, body=None)
        findings.unless(is_same, "submit gives the same bytes each time", f"{first.path} and {again.path}")


def check_questions(dialect: Dialect, example: Example, findings: Findings) -> None:
    """Check that a task's id stays inside its place in the paths of questions, whatever it holds."""
    if example.job.operation in dialect.synchronous:
        findings.attempt("poll", lambda: dialect.poll(replace(example.job, task_id="sync-1")))
        return
    plain = _question_paths(dialect, example, _ID, findings)
    for path in plain:
        findings.unless(_ID in path, "a question about a task names its id", path)
    for odd in _IDS:
        paths = _question_paths(dialect, example, odd, findings)
        for usual, path in zip(plain, paths, strict=False):
            before, _, after = usual.partition(_ID)
            step = path[len(before) : len(path) - len(after)]
            is_kept = path.startswith(before) and path.endswith(after) and _STEP.fullmatch(step) and step.strip(".") and "://" not in step
            findings.unless(is_kept, "a task's id is quoted in the path, whatever it holds", f"{odd!r:.40} gives {path!r:.100}")


def check_key(dialect: Dialect, example: Example, findings: Findings) -> None:
    """Check that no call holds the key, even when the environment does."""
    header = str(dialect.authorization[0]).lower()
    with _canary(dialect.key_env):
        for name, call in _calls(dialect, example, findings):
            text = f"{call.path} {dict(call.headers)} {call.content_type}".encode("utf-8", "replace") + b"".join(call.pieces)
            findings.unless(CANARY.encode() not in text, "no call holds the API key: only the client knows it", name)
            own = {word.lower() for word in call.headers}
            findings.unless(not own & {header, *_CLIENTS_OWN}, "a call leaves the client's own headers alone", f"{name}: {sorted(own)}")
            is_plain = all(f"{word}{value}".isprintable() and f"{word}{value}".isascii() for word, value in call.headers.items())
            findings.unless(is_plain, "headers are printable ASCII", name)
            is_answered = name in {"submit", "upload"}
            findings.unless(is_answered or (call.method == "GET" and not call.pieces), "a free question is a GET without a body", name)


def _question_paths(dialect: Dialect, example: Example, task_id: str, findings: Findings) -> list[str]:
    job = replace(example.job, task_id=task_id)
    call = findings.attempt("poll", lambda: dialect.poll(job), f"the id {task_id!r:.40}")
    if call is None:
        return []
    findings.unless(call.method == "GET" and not call.pieces, "poll is a GET without a body", call.method)
    findings.unless(not call.is_synchronous, "poll is not synchronous")
    following = findings.attempt("read_poll", lambda: told(dialect, job, example.done[:1])) if example.done else None
    return [call.path, *([following.call.path] if isinstance(following, Question) else [])]


def _calls(dialect: Dialect, example: Example, findings: Findings) -> Iterator[tuple[str, Call]]:
    asked = replace(example.job, task_id=_ID)
    builders = {"submit": lambda: [dialect.submit(example.job, example.attachments)], "poll": lambda: [dialect.poll(asked)]}
    if isinstance(dialect, Uploads):
        image = Attachment(role="images", filename="a.png", media_type="image/png", content=b"\x89PNG")
        builders["upload"] = lambda: [dialect.upload(image)]
    if isinstance(dialect, Accounts):
        builders["account_calls"] = lambda: list(dialect.account_calls())
    if isinstance(dialect, Priced):
        builders["catalogue_call"] = lambda: [dialect.catalogue_call()]
    for name, build in builders.items():
        yield from ((name, call) for call in findings.attempt(name, build) or ())


@contextmanager
def _canary(name: str) -> Iterator[None]:
    """Let the environment hold a key for the length of the block."""
    names = [word for word in (name, "API_KEY") if word.isidentifier()]
    before: Mapping[str, str | None] = {word: os.environ.get(word) for word in names}
    os.environ.update(dict.fromkeys(names, CANARY))
    try:
        yield
    finally:
        for word, value in before.items():
            if value is None:
                del os.environ[word]
            else:
                os.environ[word] = value
