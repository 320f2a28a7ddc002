"""One reading for every answer of OpenAI's image API."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.openai import OpenAI
from batchgen.core.dialects import Reply
from batchgen.core.readings import Delivered, Rejected, Stopped, SubmitReading, Throttled, Unproven, Unreadable
from tests.support.builders import job

JOB = job(operation="generate")
URL = "https://files.example/a.png"


def read(status: int, body: object, **headers: str) -> SubmitReading:
    """Read an answer; anything but bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return OpenAI().read_submit(JOB, Reply(status=status, body=content, headers=named, parts=((40, 90),)))


def error(code: str | None, message: str = "no", kind: str = "invalid_request_error") -> dict[str, Any]:
    """Build the error object."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"created": 1, "data": [{"b64_json": "\x00part:0"}]}, Delivered(parts=(0,))),
        (200, {"data": [{"b64_json": "iVBORw0K"}]}, Delivered(urls=("data:;base64,iVBORw0K",))),
        (200, {"data": [{"url": URL, "revised_prompt": "x"}]}, Delivered(urls=(URL,))),
        (200, {"data": [{"b64_json": None, "url": URL}]}, Delivered(urls=(URL,))),
        (500, {"data": [{"url": URL}], **error("server_error")}, Delivered(urls=(URL,))),
    ],
)
def test_an_image_in_hand_is_delivered(status: int, body: object, expected: SubmitReading) -> None:
    """Whatever stands beside it."""
    assert expected == read(status, body)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error("moderation_blocked", kind="image_generation_user_error"), Rejected(reason="moderated", message="no")),
        (400, error("content_policy_violation"), Rejected(reason="moderated", message="no")),
        (400, error(None, kind="content_filter"), Rejected(reason="moderated", message="no")),
        (400, error("invalid_value"), Rejected(reason="refused", message="no")),
        (404, error("model_not_found"), Rejected(reason="refused", message="no")),
        (403, error("model_not_found"), Rejected(reason="refused", message="no")),
        (404, error(None, "Invalid URL"), Stopped(kind="config", message="Invalid URL")),
        (404, b"", Stopped(kind="config", message="HTTP 404: empty body")),
        (401, error("invalid_api_key"), Stopped(kind="auth", message="no")),
        (400, error("Invalid_API_Key "), Stopped(kind="auth", message="no")),
        (429, error("insufficient_quota", kind="insufficient_quota"), Stopped(kind="quota", message="no")),
        (400, error("billing_hard_limit_reached"), Stopped(kind="quota", message="no")),
        (402, error(None), Stopped(kind="balance", message="no")),
        (429, error("rate_limit_exceeded"), Throttled(message="no", retry_after_s=1.5)),
        (400, error("rate_limit_exceeded"), Throttled(message="no", retry_after_s=1.5)),
        (429, b"slow down", Throttled(message="HTTP 429: slow down", retry_after_s=1.5)),
        (500, error("server_error", kind="server_error"), Unproven(message="no", retry_after_s=1.5)),
        (503, error("slow_down"), Unproven(message="no", retry_after_s=1.5)),
        (400, {"error": "too big"}, Rejected(reason="refused", message="too big")),
        (307, b"", Stopped(kind="config", message="HTTP 307: empty body")),
    ],
)
def test_the_error_object_speaks_first(status: int, body: object, expected: SubmitReading) -> None:
    """Then the status, where it proves that nothing was done."""
    assert expected == read(status, body, retry_after_ms="1500")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"<html>oops</html>"),
        (502, error("server_error")),
        (504, b""),
        (520, b"<html>"),
        (200, b"<html>hello</html>"),
        (200, {"data": []}),
        (200, {"data": [{"url": "/relative.png"}]}),
        (200, {"data": [{"b64_json": "\x00part:7"}]}),
        (200, {"data": "nothing"}),
        (200, error("server_error")),
        (200, b'{"data": [{"b64_json": "iVBOR'),
        (418, error(None)),
        (500, {"error": {}, "data": None, "x": "\ud800"}),
        (503, {"error": "upstream connect error"}),
    ],
)
def test_what_proves_nothing_is_unreadable(status: int, body: object) -> None:
    """A gateway's page, a cut body and a success without an image never lead to a blind second order."""
    assert isinstance(read(status, body), Unreadable)


@given(st.integers(100, 599), st.binary() | st.recursive(st.none() | st.text() | st.integers(), lambda v: st.lists(v) | st.dictionaries(
    st.sampled_from(["error", "data", "b64_json", "url", "code", "message", "type"]), v)))  # fmt: skip
def test_any_bytes_have_one_reading(status: int, body: object) -> None:
    """Reading never raises, and reading twice gives the same."""
    assert read(status, body) == read(status, body)


def test_unknown_fields_are_named() -> None:
    """Eight at most, short and printable."""
    body = {"created": 1, "usage": {}, "eta\n\x1b[2J" + "x" * 100: 1, "data": [{"b64_json": "A", "score": 1}, "odd"]}
    reply = Reply(status=200, body=json.dumps(body).encode())

    names = OpenAI().unfamiliar(JOB, reply)

    assert ["field eta[2J" + "x" * 68, "field data.score"] == list(names)
    assert OpenAI().unfamiliar(JOB, Reply(status=200, body=b"<html>")) == ()
    flood = json.dumps({f"f{number}": 1 for number in range(30)}).encode()
    assert len(OpenAI().unfamiliar(JOB, Reply(status=200, body=flood))) == 8
