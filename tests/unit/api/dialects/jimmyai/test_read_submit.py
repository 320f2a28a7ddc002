"""What became of an order, row by row of the failure table."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Reply
from batchgen.core.readings import Accepted, Busy, Rejected, Stopped, SubmitReading, Throttled, Unproven, Unreadable
from tests.unit.api.dialects.jimmyai.jobs import job

DIALECT = JimmyAI()
JOB = job()
RECORDED = json.loads((Path(__file__).parent / "replies.json").read_text(encoding="utf-8"))
HTML = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>"


def read(body: object, status: int = 200, headers: dict[str, str] | None = None) -> SubmitReading:
    """Read an answer given as bytes or as a JSON value."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return DIALECT.read_submit(JOB, Reply(status=status, headers=headers or {}, body=raw))


def kind(reading: SubmitReading) -> str:
    """Name a reading with its sub-kind."""
    sub = getattr(reading, "kind", None) or getattr(reading, "reason", None)
    return type(reading).__name__ + (f"({sub})" if sub else "")


@pytest.mark.parametrize(
    ("name", "task_id", "cost"),
    [
        ("CreateQueued", "img_7f2c91", 60_000),
        ("CreateQueuedStringCode", "img_7f2c91", None),
        ("CreateQueuedZeroCode", "mt_task_01ABC", None),
        ("CreateBareTask", "img_7f2c91", None),
    ],
)
def test_recorded_acceptances_name_task_and_cost(name: str, task_id: str, cost: int | None) -> None:
    """S4: every documented shape of success is accepted."""
    assert Accepted(task_id=task_id, cost=cost) == read(RECORDED[name])  # type: ignore[arg-type]  # Micros of a literal


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AuthFailed", "Stopped(auth)"),
        ("BadParameters", "Rejected(refused)"),
        ("UnsupportedModel", "Rejected(refused)"),
        ("InsufficientBalance", "Stopped(balance)"),
        ("QuotaExhausted", "Stopped(quota)"),
        ("RateLimited", "Throttled"),
        ("ServerError", "Unproven"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_recorded_refusals_mean_the_same_under_any_http_status(name: str, expected: str, status: int) -> None:
    """S7 to S12: the envelope decides; only a server error under a client-error status takes that status's meaning."""
    wanted = "Rejected(refused)" if (name, status) == ("ServerError", 400) else expected

    assert wanted == kind(read(RECORDED[name], status))


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ({"code": 20000, "data": {"id": "a"}}, "a"),
        ({"code": 200, "data": {"taskId": "b"}}, "b"),
        ({"code": "0", "data": {"task_id": 17}}, "17"),
        ({"code": " 20000 ", "data": {"task_id": "", "id": "c"}}, "c"),
        ({"data": {"task_id": "d"}}, "d"),
        ({"taskId": "e"}, "e"),
        ({"code": 20000, "data": {"task_id": "../../user/balance"}}, "../../user/balance"),
        ({"code": 20000, "data": {"task_id": "a?x=1#y 任务"}}, "a?x=1#y 任务"),
        ({"code": 20000, "data": {"task_id": "x" * 256}}, "x" * 256),
    ],
)
def test_task_ids_are_found_in_every_known_place(body: object, task_id: str) -> None:
    """S4: fallbacks, bare answers and odd but usable ids lose no paid image."""
    assert Accepted(task_id=task_id) == read(body)


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 404, 429, 500, 502, 504])
@pytest.mark.parametrize("code", [20000, -1, 20001, 20002, 40000, 777])
def test_a_task_id_wins_over_every_code_and_status(code: int, status: int) -> None:
    """An id proves that the vendor knows the order; following it is free."""
    body = {"code": code, "msg": "余额不足", "data": {"task_id": "img_1"}}

    assert Accepted(task_id="img_1") == read(body, status)


def test_an_errors_bare_id_is_not_a_task() -> None:
    """The id of an error may be the request's own."""
    assert isinstance(read({"code": -1, "msg": "boom", "data": {"id": "req-9"}}), Unproven)


@pytest.mark.parametrize(
    "task_id",
    [None, "", "   ", ".", "..", [], ["a"], {}, {"a": 1}, True, False, 0, -5, 1.5, "a\nb", "a\x00", "\u202ea", "\ud800", "x" * 257],
)
def test_success_without_a_usable_id_is_unreadable(task_id: object) -> None:
    """S5: the order may stand, and nothing can find it."""
    body = json.dumps({"code": 20000, "msg": "ok", "data": {"task_id": task_id}}).encode()

    assert isinstance(read(body), Unreadable)


@pytest.mark.parametrize("data", [None, {}, [], "img_1", [{"task_id": "img_1"}], 7])
def test_success_without_a_task_object_is_unreadable(data: object) -> None:
    """S5: success and nothing else."""
    assert isinstance(read({"code": 20000, "msg": "too many words about your balance", "data": data}), Unreadable)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x00",
        b"{",
        HTML,
        b'{"code": 20000, "data": {"task_id": "a", "task_id": "b"}}',
        b'{"code": 20000, "data": {"task_id": "a", "cost": NaN}}',
        '{"code": 20000, "data": {"task_id": "a"}}'.encode("utf-16"),
        b'{"code": 20000, "data": ' + b"[" * 100_000,
        b"null",
        b'"img_1"',
        b"{}",
        b'{"error": "your balance is insufficient"}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_bodies_that_say_nothing_are_unreadable(body: bytes) -> None:
    """S5: cut, empty, foreign or ambiguous bodies under HTTP 200."""
    assert isinstance(read(body), Unreadable)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Too Many requests", "Throttled"),
        ("操作频繁", "Throttled"),
        ("RATE LIMIT, insufficient balance", "Throttled"),
        ("Insufficient funds", "Stopped(balance)"),
        ("your Balance is low", "Stopped(balance)"),
        ("额度已用完", "Stopped(quota)"),
        ("配置不存在", "Rejected(refused)"),
        ("PROVIDER_MODERATION_ERROR: TRADEMARK", "Rejected(moderated)"),
        ("violates our Safety rules", "Rejected(moderated)"),
        ("内容违规", "Rejected(moderated)"),
        ("审核未通过, 请稍后再试", "Rejected(moderated)"),
        ("connection reset by peer", "Unproven"),
        ("系统繁忙, 请稍后", "Unproven"),
        ("任务不存在", "Unproven"),
        ("", "Unproven"),
        ("boom", "Unproven"),
    ],
)
def test_the_message_decides_inside_minus_one(message: str, expected: str) -> None:
    """S7, S8: the words of 1.5, top to bottom, then unproven."""
    assert expected == kind(read({"code": -1, "msg": message, "data": None}))
    assert expected == kind(read({"code": "-1", "message": message}))


def test_only_the_vendors_words_decide_never_the_rest_of_the_body() -> None:
    """A field that happens to hold a known word is no message."""
    assert isinstance(read({"code": -1, "msg": "", "data": {"policy_id": "balance"}}), Unproven)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "Rejected(refused)"),
        (413, "Rejected(refused)"),
        (422, "Rejected(refused)"),
        (401, "Stopped(auth)"),
        (403, "Stopped(auth)"),
        (402, "Stopped(balance)"),
        (404, "Stopped(config)"),
        (405, "Stopped(config)"),
        (301, "Stopped(config)"),
        (307, "Stopped(config)"),
        (408, "Unproven"),
        (421, "Busy"),
        (425, "Busy"),
        (429, "Throttled"),
        (101, "Unreadable"),
        (204, "Unreadable"),
        (418, "Unreadable"),
        (500, "Unreadable"),
        (502, "Unreadable"),
        (503, "Unreadable"),
        (504, "Unreadable"),
        (520, "Unreadable"),
        (524, "Unreadable"),
    ],
)
def test_without_an_envelope_the_status_decides(status: int, expected: str) -> None:
    """S9 to S14: pages of gateways and proxies."""
    assert expected == kind(read(HTML, status))
    assert expected == kind(read(b"", status))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (200, 777, "Unreadable"),
        (200, 40000, "Unreadable"),
        (200, True, "Unreadable"),
        (500, 777, "Unproven"),
        (503, 503, "Unproven"),
        (502, -1, "Unreadable"),
        (502, 502, "Unreadable"),
        (504, 504, "Unreadable"),
        (524, 524, "Unreadable"),
        (500, 20000, "Unreadable"),
        (401, -1, "Stopped(auth)"),
        (403, -1, "Stopped(auth)"),
        (404, -1, "Stopped(config)"),
        (425, -1, "Busy"),
        (429, 20000, "Throttled"),
    ],
)
def test_codes_without_a_telling_message(status: int, code: object, expected: str) -> None:
    """S8, S13, S15: the vendor's own server error is unproven; an unknown code, or a gateway's, says nothing."""
    assert expected == kind(read({"code": code, "msg": "boom"}, status))


@pytest.mark.parametrize(
    ("body", "status", "headers", "message"),
    [
        ({"code": -1, "msg": "余额不足"}, 200, {}, "余额不足 (code -1)"),
        ({"code": 20001, "msg": ""}, 200, {}, 'HTTP 200: {"code": 20001, "msg": ""}'),
        ({"code": 30001, "msg": "eh?"}, 200, {}, 'contract drift: HTTP 200: {"code": 30001, "msg": "eh?"}'),
        (HTML, 502, {"server": "cloudflare"}, f"HTTP 502 from cloudflare: {HTML.decode()}"),
        ({"code": 524}, 524, {"server": "x" * 99}, f'HTTP 524 from {"x" * 40}: {{"code": 524}}'),
        (b"", 504, {}, "HTTP 504: empty body"),
        (b"hm", 200, {"server": "nginx"}, "HTTP 200: hm"),
        (b"x" * 9000, 500, {}, f"HTTP 500: {'x' * 2000}"),
        (b"", 307, {"location": "https://b.example/c?Signature=s"}, "HTTP 307 to https://b.example/c"),
        (HTML, 301, {}, "HTTP 301 to nowhere"),
    ],
)
def test_a_message_holds_what_an_operator_needs(body: object, status: int, headers: dict[str, str], message: str) -> None:
    """S7, S13 to S15: code and words, the gateway's name and status, where a redirect leads, and two thousand characters of a riddle."""
    assert message == read(body, status, headers).message  # type: ignore[union-attr]  # no id in any of them


def test_a_forbidden_answer_about_money_is_about_money() -> None:
    """403 with the vendor's words on the balance is no bad key; 401 always is."""
    assert "Stopped(balance)" == kind(read({"code": -1, "msg": "余额不足"}, 403))
    assert "Stopped(balance)" == kind(read({"error": {"message": "insufficient credit"}}, 403))
    assert "Stopped(auth)" == kind(read({"code": -1, "msg": "余额不足"}, 401))


def test_a_rejected_key_is_a_key_whatever_the_message() -> None:
    """Code 20001 needs no words."""
    assert "Stopped(auth)" == kind(read({"code": "20001", "msg": "key violates policy"}))


@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "1000000000"}, 1e9),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 +0200", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:59:59 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 -0000", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "\u0665"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize(("body", "status"), [(HTML, 429), ({"code": 40000, "msg": "请求过于频繁"}, 200)])
def test_retry_after_is_read_or_left_out(headers: dict[str, str], retry_after_s: float | None, body: object, status: int) -> None:
    """S9: seconds or a date; past, naive, negative and junk count as absent, long waits are kept as they are."""
    reading = read(body, status, headers)

    assert isinstance(reading, Throttled)
    assert retry_after_s == reading.retry_after_s


@pytest.mark.parametrize(
    ("cost", "micros"),
    [
        ("0.06", 60_000),
        ("6e-2", 60_000),
        ("1", 1_000_000),
        ('"0.06"', 60_000),
        ("-1", None),
        ("1e30", None),
        ('"free"', None),
        ("true", None),
        ("[]", None),
    ],
)
def test_costs_are_exact_or_unknown(cost: str, micros: int | None) -> None:
    """A senseless amount costs the order nothing but its price tag."""
    body = f'{{"code": 20000, "data": {{"task_id": "a", "cost": {cost}}}}}'.encode()

    assert Accepted(task_id="a", cost=micros) == read(body)  # type: ignore[arg-type]  # Micros of a literal


@given(st.integers(100, 599), st.binary(), st.dictionaries(st.just("retry-after"), st.text()))
def test_no_bytes_make_reading_an_order_raise(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Whatever a server sends has a meaning, and random bytes never mean acceptance."""
    reading = DIALECT.read_submit(JOB, Reply(status=status, headers=headers, body=body))

    assert isinstance(reading, Throttled | Stopped | Rejected | Busy | Unproven | Unreadable)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TASKS = st.fixed_dictionaries({}, optional=dict.fromkeys(("task_id", "id", "taskId", "status", "cost"), JSON))
ENVELOPES = st.fixed_dictionaries({}, optional={"code": JSON | st.sampled_from([20000, "0", -1]), "msg": JSON, "data": JSON | TASKS})


@given(st.integers(100, 599), ENVELOPES | TASKS)
def test_acceptance_always_comes_with_a_usable_id(status: int, body: dict[str, object]) -> None:
    """No shape of JSON raises or is accepted without an id that can stand in a path and in a log."""
    reading = read(json.dumps(body).encode(), status)

    if isinstance(reading, Accepted):
        assert 0 < len(reading.task_id) <= 256
        assert reading.task_id.isprintable()
        assert reading.task_id.strip(" .")
