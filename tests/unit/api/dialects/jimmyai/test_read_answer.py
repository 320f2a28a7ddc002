"""What became of an order that is answered at once."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Reply
from batchgen.core.money import Micros
from batchgen.core.readings import Accepted, Delivered, Stopped, SubmitReading, Throttled, Unreadable
from tests.unit.api.dialects.jimmyai.jobs import job

DIALECT = JimmyAI()
URL = "https://cdn.example.net/sync/9a.png"
TINY = base64.b64encode(b"\x89PNG tiny").decode()
INLINE = Delivered(urls=(f"data:;base64,{TINY}",))
CUT = "\x00part:0"
HTML = b"<html><head><title>504 Gateway Time-out</title></head><body></body></html>"


def read(body: object, status: int = 200, *, parts: int = 0, operation: str = "generate", **changes: object) -> SubmitReading:
    """Read an answer given as bytes or as a JSON value, from which so many parts were cut."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = Reply(status=status, body=raw, parts=tuple((100 * number, 100 * number + 50) for number in range(parts)))
    return DIALECT.read_submit(job(operation, **changes), reply)


def sync(*items: object, **fields: object) -> dict[str, object]:
    """Build the documented answer of the two synchronous image calls."""
    return {"code": 20000, "msg": "ok", "data": {"created": 1782000100, "model": "gpt-image-2", "data": list(items), **fields}}


def tool(**fields: object) -> dict[str, object]:
    """Build the documented answer of the tools."""
    return {"code": 20000, "msg": "ok", "data": {"task_id": "upsc_0b7e", "status": "completed", "output_format": "jpg", **fields}}


@pytest.mark.parametrize(
    ("body", "parts", "expected"),
    [
        (sync({"url": URL, "revised_prompt": "an apple"}), 0, Delivered(urls=(URL,))),
        (sync({"b64_json": TINY}), 0, INLINE),
        (sync({"b64_json": CUT, "revised_prompt": "x"}), 1, Delivered(parts=(0,))),
        (sync({"b64_json": CUT, "url": URL}), 1, Delivered(parts=(0,))),
        (sync({"b64_json": TINY, "url": URL}), 0, INLINE),
        (sync({"b64_json": "", "url": URL}), 0, Delivered(urls=(URL,))),
        (sync({"b64_json": None, "url": URL}), 0, Delivered(urls=(URL,))),
        (sync({"url": CUT}), 1, Delivered(parts=(0,))),
        (sync({"revised_prompt": CUT, "b64_json": "\x00part:1"}), 2, Delivered(parts=(1,))),
        (sync({"b64_json": CUT}, {"b64_json": "\x00part:1"}), 2, Delivered(parts=(0, 1))),
        (sync({"url": URL}, {"url": f"{URL}?2"}), 0, Delivered(urls=(URL, f"{URL}?2"))),
        (sync({"url": URL}, cost=0.03), 0, Delivered(urls=(URL,), cost=Micros(30_000))),
        ({"code": 0, "data": [{"url": URL}]}, 0, Delivered(urls=(URL,))),
        ({"code": 20000, "data": {"data": {"url": URL}}}, 0, Delivered(urls=(URL,))),
        ({"created": 1782000100, "data": [{"url": URL}]}, 0, Delivered(urls=(URL,))),
        ({"created": 1782000100, "data": [{"b64_json": CUT}]}, 1, Delivered(parts=(0,))),
        (tool(image_url=URL, cost=0.02, pass_count=1), 0, Delivered(urls=(URL,), cost=Micros(20_000))),
        (tool(b64_json=CUT, cost=0.01), 1, Delivered(parts=(0,), cost=Micros(10_000))),
        (tool(b64_json=TINY), 0, INLINE),
        (tool(result={"image_url": URL}), 0, Delivered(urls=(URL,))),
        (tool(result={"image_urls": [URL]}), 0, Delivered(urls=(URL,))),
        ({"task_id": "upsc_1", "image_url": URL}, 0, Delivered(urls=(URL,))),
        ({"b64_json": CUT}, 1, Delivered(parts=(0,))),
    ],
)
@pytest.mark.parametrize("operation", ["generate", "edit", "upscale", "remove-bg"])
def test_an_image_is_found_in_every_known_place(body: object, parts: int, expected: Delivered, operation: str) -> None:
    """Enveloped or bare, cut out or short, address or base64, which is home already and is preferred."""
    assert expected == read(body, parts=parts, operation=operation)


@pytest.mark.parametrize("status", [200, 202, 302, 400, 401, 404, 429, 500, 502, 504, 524])
@pytest.mark.parametrize("code", [20000, "0", -1, 20001, 20002, 777])
def test_an_image_wins_over_every_code_and_status(code: object, status: int) -> None:
    """An image in hand proves the order."""
    body = {"code": code, "msg": "余额不足", "data": {"data": [{"b64_json": CUT}]}}

    assert Delivered(parts=(0,)) == read(body, status, parts=1)


@pytest.mark.parametrize(
    "body",
    [
        sync(),
        sync({}),
        sync({"b64_json": CUT}),
        sync({"b64_json": "\x00part:7"}),
        sync({"b64_json": "not base64!"}),
        sync({"url": "out/1.png"}),
        sync({"url": "file:///etc/passwd"}),
        sync("img", 7, None, [URL]),
        sync(too="many words about your balance"),
        {"code": 20000, "data": None},
        {"code": 20000, "msg": "ok"},
        tool(),
        {"task_id": "img_1", "status": "completed"},
        {"created": 1782000100, "data": []},
        {"code": 777, "msg": "?"},
        b"",
        b"{",
        b"null",
        HTML,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_success_or_silence_without_a_usable_image_is_unreadable(body: object) -> None:
    """S5: perhaps billed, and nothing to fetch; a task id beside it is none of ours."""
    assert isinstance(read(body), Unreadable)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"code": 20001, "msg": ""}, 200, "Stopped(auth)"),
        ({"code": 20002, "msg": "参数错误"}, 200, "Rejected(refused)"),
        ({"code": -1, "msg": "余额不足"}, 200, "Stopped(balance)"),
        ({"code": -1, "msg": "PROVIDER_MODERATION_ERROR"}, 200, "Rejected(moderated)"),
        ({"code": 40000, "msg": "请求过于频繁"}, 200, "Throttled"),
        ({"code": -1, "msg": "server error"}, 500, "Unproven"),
        (HTML, 400, "Rejected(refused)"),
        (HTML, 404, "Stopped(config)"),
        (HTML, 413, "Rejected(refused)"),
        (HTML, 425, "Busy"),
        (HTML, 429, "Throttled"),
        (HTML, 502, "Unreadable"),
        (HTML, 504, "Unreadable"),
        ({"code": -1, "msg": "upstream"}, 504, "Unreadable"),
    ],
)
def test_refusals_are_read_as_for_tasks(body: object, status: int, expected: str) -> None:
    """S7 to S14, for answers that hold no image; behind a gateway's time limit the work may still run."""
    reading = read(body, status)
    sub = getattr(reading, "kind", None) or getattr(reading, "reason", None)

    assert expected == type(reading).__name__ + (f"({sub})" if sub else "")


def test_our_own_reference_in_an_error_is_no_result() -> None:
    """An answer that repeats what was sent delivers nothing by that."""
    references = ({"name": "mug", "url": URL},)
    body = {"code": 20002, "msg": "unsupported model", "data": {"image_url": f" {URL}"}}

    assert isinstance(read(body, operation="upscale", references=references), type(read({"code": 20002, "msg": ""})))


def test_a_task_reads_its_answer_as_a_task() -> None:
    """The operation decides: an address beside a task id is not yet the result."""
    body = {"code": 20000, "data": {"task_id": "img_1", "image_url": URL}}

    assert Accepted(task_id="img_1") == read(body, operation="image")


@given(st.integers(100, 599), st.binary(), st.integers(0, 3))
def test_no_bytes_make_reading_an_answer_raise(status: int, body: bytes, parts: int) -> None:
    """Whatever a server sends has a meaning, and random bytes never mean an image or a task."""
    assert not isinstance(read(body, status, parts=parts), Accepted | Delivered)


def test_a_throttled_answer_says_for_how_long() -> None:
    """S9: the vendor's wish is passed on, a rejected key has none."""
    reply = Reply(status=429, headers={"retry-after": "7"}, body=HTML)

    reading = DIALECT.read_submit(job("edit"), reply)

    assert isinstance(reading, Throttled)
    assert reading.retry_after_s == 7.0
    assert isinstance(read(b"", 401), Stopped)
