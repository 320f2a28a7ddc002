"""One reading for every answer of a described vendor."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.dialects import Call, Question
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
from tests.unit.api.dialects.http.described import ORDER, SPLIT, SYNC, TASKS, dialect, reply

URL = "https://cdn.example/a.png"
HTML = b"<html>502 Bad Gateway, it is refused</html>"
ASKED = replace(ORDER, task_id="t-1")
HEADERS = {"retry-after": "7"}
JSON = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["Ready", "broken", URL, "it is moderated"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "state", "out", "url", "error", "msg", "cost", "image"]), inner),
)


def raw(body: object) -> bytes:
    """Give bytes as they are, and anything else as JSON."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def ordered(status: int, body: object, about: dict[str, Any] = TASKS, parts: int = 0) -> SubmitReading:
    """Read an answer to an order."""
    return dialect(about).read_submit(ORDER, reply(status, raw(body), HEADERS, parts))


def asked(status: int, body: object, about: dict[str, Any] = TASKS) -> PollReading | Question:
    """Read an answer about a task."""
    return dialect(about).read_poll(ASKED, reply(status, raw(body), HEADERS))


def told(status: int, body: object, first: object = None) -> PollReading:
    """Read an answer about a result, after the one that says it is there."""
    question = asked(200, first or {"state": "ready", "cost": 0.02}, SPLIT)
    assert isinstance(question, Question)
    assert Call(method="GET", path="/results/t-1") == question.call
    return question.read(reply(status, raw(body), HEADERS))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"id": "t-1", "cost": "0.02"}, Accepted(task_id="t-1", cost=20_000)),  # type: ignore[arg-type] # Micros of a literal
        (201, {"id": 17, "error": "it is refused"}, Accepted(task_id="17")),
        (200, {"id": ""}, Unreadable(message='HTTP 200: {"id": ""}')),
        (200, {"id": "../x" * 100}, None),
        (200, {"id": ["t"]}, None),
        (200, b'{"id": "t-1"', None),
        (200, b"", None),
        (200, HTML, None),
        (200, [{"id": "t-1"}], None),
        (500, {"id": "t-1"}, None),
        (502, HTML, None),
        (500, {"error": "oops"}, None),
        (504, {}, None),
        (418, {}, None),
        (200, {"error": "it is throttled"}, Throttled(message="it is throttled", retry_after_s=7.0)),
        (400, {"error": [{"msg": "bad"}, {"msg": "size"}]}, Rejected(reason="refused", message="bad; size")),
        (422, {}, Rejected(reason="refused", message="HTTP 422: {}")),
        (403, {"error": "no MONEY left"}, Stopped(kind="balance", message="no MONEY left")),
        (403, {"error": "go away"}, Stopped(kind="auth", message="go away")),
        (402, {"error": "no money"}, Stopped(kind="balance", message="no money")),
        (404, HTML, Stopped(kind="config", message="HTTP 404: " + HTML.decode())),
        (429, HTML, Throttled(message="HTTP 429: " + HTML.decode(), retry_after_s=7.0)),
        (503, {"error": "wait"}, Busy(message="wait", retry_after_s=7.0)),
        (503, HTML, None),
        (500, {"error": "it is auth"}, Stopped(kind="auth", message="it is auth")),
        (500, {"error": "it is quota"}, Stopped(kind="quota", message="it is quota")),
        (500, {"error": "it is config"}, Stopped(kind="config", message="it is config")),
        (500, {"error": "it is moderated"}, Rejected(reason="moderated", message="it is moderated")),
        (500, {"error": "it is refused"}, Rejected(reason="refused", message="it is refused")),
        (400, {"error": "it is unproven"}, Unproven(message="it is unproven", retry_after_s=7.0)),
        (400, {"error": "it is transient"}, Unproven(message="it is transient", retry_after_s=7.0)),
        (400, {"error": "it is unknown"}, Unreadable(message='HTTP 400: {"error": "it is unknown"}')),
    ],
)
def test_an_order_has_one_outcome(status: int, body: object, expected: SubmitReading | None) -> None:
    """A usable id with a success, then the rules, then what the status proves; all else is perhaps billed."""
    reading = ordered(status, body)

    assert expected == reading if expected is not None else isinstance(reading, Unreadable)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"data": [{"b64": "\x00part:0"}], "cost": 1}, Delivered(parts=(0,), cost=1_000_000)),  # type: ignore[arg-type] # Micros
        (200, {"data": [{"url": URL}]}, Delivered(urls=(URL,))),
        (200, {"data": [{"b64": "AAAA"}]}, Delivered(urls=("data:;base64,AAAA",))),
        (200, {"data": [{"url": "/a.png"}]}, None),
        (500, {"data": [{"url": URL}]}, None),
        (200, {"error": "it is moderated"}, Rejected(reason="moderated", message="it is moderated")),
    ],
)
def test_a_synchronous_answer_is_its_result(status: int, body: object, expected: SubmitReading | None) -> None:
    """Or says nothing."""
    reading = ordered(status, body, SYNC, parts=1)

    assert expected == reading if expected is not None else isinstance(reading, Unreadable)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"state": "queued"}, Running(status="queued")),
        (202, {"state": " QUEUED "}, Running(status="QUEUED")),
        (200, {"state": "dreaming\n"}, Running(status="dreaming", is_known_word=False)),
        (200, {}, Running(status="", is_known_word=False)),
        (200, {"state": True}, Running(status="", is_known_word=False)),
        (200, {"state": 3}, Running(status="3", is_known_word=False)),
        (200, {"state": "Ready", "out": [{"url": URL}], "cost": 0.03}, Done(urls=(URL,), cost=30_000)),  # type: ignore[arg-type] # Micros
        (200, {"state": "ready", "out": URL}, Done(urls=(URL,))),
        (200, {"state": "ready", "out": "/a.png"}, Done(urls=())),
        (200, {"state": "broken", "error": "it is transient"}, Ended(reason="transient", message="it is transient")),
        (200, {"state": "broken", "error": "it is moderated"}, Ended(reason="moderated", message="it is moderated")),
        (200, {"state": "broken", "error": "NSFW content"}, Ended(reason="moderated", message="NSFW content")),
        (200, {"state": "broken", "error": "it is refused by policy"}, Ended(reason="remote", message="it is refused by policy")),
        (200, {"state": "broken", "error": "timeout"}, Ended(reason="remote", message="timeout")),
        (200, {"state": "broken"}, Ended(reason="remote", message="failed without a reason")),
        (200, {"state": "dropped"}, Ended(reason="remote", message="dropped")),
        (404, {"error": "gone"}, NotFound(message="gone")),
        (404, HTML, None),
        (401, b"", Stopped(kind="auth", message="HTTP 401: empty body")),
        (403, {"error": "no money"}, Stopped(kind="balance", message="no money")),
        (429, b"", Throttled(message="HTTP 429: empty body", retry_after_s=7.0)),
        (400, {"error": "it is throttled"}, Throttled(message="it is throttled", retry_after_s=7.0)),
        (500, {"state": "ready", "out": URL}, None),
        (400, {"error": "bad"}, None),
        (503, {"error": "wait"}, None),
        (400, {"error": "it is config"}, None),
        (422, {"error": "it is moderated"}, Ended(reason="moderated", message="it is moderated")),
        (504, {"error": "it is transient"}, None),
        (200, HTML, None),
        (200, b'{"state": "ready"', None),
        (302, b"", None),
    ],
)
def test_a_question_has_one_answer(status: int, body: object, expected: PollReading | None) -> None:
    """Unknown words keep the task alive, and an answer that tells nothing leaves it untouched."""
    reading = asked(status, body)

    assert expected == reading if expected is not None else isinstance(reading, Trouble)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"image": {"url": URL}}, Done(urls=(URL,), cost=20_000)),  # type: ignore[arg-type] # Micros of a literal
        (200, {"image": {"url": URL}, "cost": 1}, Done(urls=(URL,), cost=1_000_000)),  # type: ignore[arg-type] # Micros of a literal
        (200, {"image": {"url": URL}, "error": "it is refused"}, Done(urls=(URL,), cost=20_000)),  # type: ignore[arg-type] # Micros
        (200, {}, Done(urls=(), cost=20_000)),  # type: ignore[arg-type] # Micros of a literal
        (200, {"error": "it is moderated"}, Ended(reason="moderated", message="it is moderated")),
        (422, {"error": "unsafe: safety"}, Ended(reason="moderated", message="unsafe: safety")),
        (400, {"error": "bad"}, Ended(reason="remote", message="bad")),
        (422, {}, None),
        (504, {"error": "it is transient"}, Ended(reason="transient", message="it is transient")),
        (500, {"error": "oops"}, None),
        (502, HTML, None),
        (200, HTML, None),
        (503, {"error": "wait"}, None),
        (404, {"error": "gone"}, NotFound(message="gone")),
        (429, b"", Throttled(message="HTTP 429: empty body", retry_after_s=7.0)),
    ],
)
def test_a_result_told_apart_is_asked_for(status: int, body: object, expected: PollReading | None) -> None:
    """Its refusal in the vendor's own words is the task's end; a gateway's page is not."""
    reading = told(status, body)

    assert expected == reading if expected is not None else isinstance(reading, Trouble)


def test_only_a_finished_task_leads_to_a_second_question() -> None:
    """Everything else is told by the first answer."""
    assert Running(status="queued") == asked(200, {"state": "queued"}, SPLIT)
    assert Ended(reason="remote", message="x") == asked(200, {"state": "broken", "error": "x"}, SPLIT)


def test_a_synchronous_vendor_has_no_tasks() -> None:
    """Whatever it answers."""
    assert NotFound(message="this vendor has no tasks") == asked(200, {"state": "ready"}, SYNC)


def test_errors_are_read_to_a_limit() -> None:
    """Rules see 2,000 characters, people 1,000."""
    late, early = "x" * 1995 + "it is refused", "x" * 1900 + "it is refused"

    assert isinstance(ordered(500, {"error": late}), Unreadable)
    reading = ordered(500, {"error": early})
    assert isinstance(reading, Rejected)
    assert len(reading.message) == 1000


@pytest.mark.parametrize(
    ("about", "status", "body", "expected"),
    [
        (TASKS, 200, {"state": "dreaming"}, ["status dreaming"]),
        (TASKS, 200, {"state": "x" * 200}, ["status " + "x" * 73]),
        (TASKS, 200, {"state": "queued"}, []),
        (TASKS, 200, {"id": "t-1"}, []),
        (TASKS, 500, {"state": "dreaming"}, []),
        (TASKS, 200, HTML, []),
        (SYNC, 200, {"state": "dreaming"}, []),
    ],
)
def test_unlisted_status_words_are_named(about: dict[str, Any], status: int, body: object, expected: list[str]) -> None:
    """Of fields a description cannot say which are new."""
    assert expected == list(dialect(about).unfamiliar(ASKED, reply(status, raw(body))))


@given(st.integers(100, 599), st.binary() | JSON)
def test_any_bytes_have_one_reading(status: int, body: object) -> None:
    """Reading never raises, and never says that nothing was done where the task's id was given."""
    for about in (TASKS, SYNC, SPLIT):
        assert ordered(status, body, about) == ordered(status, body, about)
        assert isinstance(asked(status, body, about), PollReading | Question)
    assert told(status, body) == told(status, body)
    assert list(dialect(TASKS).unfamiliar(ASKED, reply(status, raw(body)))) is not None
