"""Uploads, the account's money and the price catalogue."""

import json
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Account, Call, Price, Prices, Reply
from batchgen.core.money import Micros
from batchgen.core.readings import Rejected, Stopped, Throttled, Trouble, Uploaded, UploadReading
from tests.unit.api.dialects.jimmyai.jobs import attachment

DIALECT = JimmyAI()
RECORDED = json.loads((Path(__file__).parent / "replies.json").read_text(encoding="utf-8"))
URL = "https://bucket.example.net/upload/mug.png?Expires=1782259274&Signature=abc"


def reply(body: object, status: int = 200, **headers: str) -> Reply:
    """Build a reply from bytes or from a JSON value."""
    return Reply(status=status, headers=headers, body=body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("filename", "media_type", "sent"),
    [
        ("shoe.png", "image/png", "shoe.png"),
        ("shoe.PNG", "image/png", "shoe.PNG"),
        ("shoe.jpeg", "image/jpeg", "shoe.jpeg"),
        ("shoe.png", "image/jpeg", "shoe.jpg"),
        ("shoe", "image/webp", "shoe.webp"),
        (".png", "image/png", ".png.png"),
        ("", "image/bmp", "image.bmp"),
        ("scan.tiff", "image/tiff", "scan.tiff"),
        ("", "image/tiff", "file"),
    ],
)
def test_an_upload_bears_a_filename_that_fits_its_type(filename: str, media_type: str, sent: str) -> None:
    """The vendor goes by the extension; the content is sent as it is, in one part."""
    call = DIALECT.upload(attachment(content=b"\x89PNG", filename=filename, media_type=media_type))

    text = f"Content-Type: {call.content_type}\r\n\r\n".encode() + b"".join(call.pieces)
    (part,) = message_from_bytes(text, policy=HTTP).iter_parts()  # type: ignore[attr-defined]  # EmailMessage by its policy
    assert (sent, b"\x89PNG", media_type) == (part.get_filename(), part.get_payload(decode=True), part.get_content_type())
    assert part.get_param("name", header="content-disposition") == "file"
    assert ("POST", "/api/open-api/v1/files/upload", "api", False) == (call.method, call.path, call.host, call.is_synchronous)


def test_uploads_are_the_same_bytes_each_time() -> None:
    """The boundary follows from the content."""
    assert DIALECT.upload(attachment(content=b"a")) == DIALECT.upload(attachment(content=b"a"))


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"code": 20000, "data": {"url": URL, "filename": "mug.png", "size": 1, "mime_type": "image/png"}}, 200, Uploaded(url=URL)),
        ({"code": "0", "data": {"url": URL}}, 500, Uploaded(url=URL)),
        ({"data": {"url": URL}}, 201, Uploaded(url=URL)),
        ({"url": URL}, 200, Uploaded(url=URL)),
        ({"url": URL}, 500, Trouble(message=f'HTTP 500: {{"url": "{URL.partition("?")[0]}?…"}}')),
        ({"code": -1, "msg": "boom", "data": {"url": URL}}, 200, Trouble(message="boom")),
        ({"code": 20000, "msg": "ok", "data": {"url": "upload/mug.png"}}, 200, Trouble(message="the answer names no usable address")),
        ({"code": 20000, "msg": "ok", "data": None}, 200, Trouble(message="the answer names no usable address")),
        (
            {"code": 20002, "msg": "unsupported file format", "data": None},
            200,
            Rejected(reason="refused", message="unsupported file format (code 20002)"),
        ),
        ({"code": 20001, "msg": "no"}, 200, Stopped(kind="auth", message="no (code 20001)")),
        ({"code": -1, "msg": "余额不足"}, 200, Stopped(kind="balance", message="余额不足 (code -1)")),
        ({"code": 40000, "msg": "too frequent"}, 200, Throttled(message="too frequent (code 40000)", retry_after_s=7.0)),
        (b"", 413, Rejected(reason="refused", message="HTTP 413: empty body")),
        (b"", 429, Throttled(message="HTTP 429: empty body", retry_after_s=7.0)),
        (b"", 408, Trouble(message="HTTP 408: empty body")),
        (b"", 425, Trouble(message="HTTP 425: empty body")),
        (b"<html>", 502, Trouble(message="HTTP 502: <html>")),
        (b"", 200, Trouble(message="HTTP 200: empty body")),
    ],
)
def test_an_upload_is_an_address_or_a_reason(body: object, status: int, expected: UploadReading) -> None:
    """An upload is free, so all doubt is mere trouble; refusals are clear ones only."""
    assert expected == DIALECT.read_upload(reply(body, status, **{"retry-after": "7"}))


def test_an_uploads_address_is_used_well_before_it_dies() -> None:
    """The notes say about three days; a reference is sent again after two."""
    assert DIALECT.upload_ttl_s == 48 * 3600


def test_money_is_asked_after_twice_and_prices_without_a_query() -> None:
    """Account, then key; the catalogue in one call."""
    paths = ("/api/open-api/v1/user/balance", "/api/open-api/v1/key/balance")

    assert tuple(Call(method="GET", path=path) for path in paths) == tuple(DIALECT.account_calls())
    assert Call(method="GET", path="/api/openapi/model/catalog") == DIALECT.catalogue_call()


def user(**data: object) -> dict[str, object]:
    """Build an answer about the account."""
    return {"code": 20000, "msg": "ok", "data": data}


@pytest.mark.parametrize(
    ("balance", "key", "expected"),
    [
        (
            RECORDED["BalanceFunded"],
            user(name="batch", total_quota=100, used_quota=40.5, available_quota=59.5, unlimited=False),
            Account(
                available=Micros(37_500_000),
                used=Micros(12_750_000),
                quota=Micros(59_500_000),
                quota_used=Micros(40_500_000),
                is_unlimited=False,
            ),
        ),
        (
            RECORDED["BalanceEmpty"],
            user(name="batch", total_quota=0, used_quota=40.5, available_quota=0, unlimited=True),
            Account(available=Micros(0), used=Micros(12_750_000), quota_used=Micros(40_500_000), is_unlimited=True),
        ),
        (user(available="1.5"), user(total_quota=0), Account(available=Micros(1_500_000), is_unlimited=True)),
        (user(balance=2, used_coin=0.75), b"", Account(available=Micros(1_250_000), used=Micros(750_000))),
        (user(balance=1, used_coin=2), b"", Account(available=Micros(0), used=Micros(2_000_000))),
        (user(available=-3), b"", Account(available=Micros(0))),
        (b"", user(total_quota=40, used_quota=40.5, available_quota=-0.5), Account(quota=Micros(0), quota_used=Micros(40_500_000))),
        (b"", user(total_quota=40, used_quota=10), Account(quota=Micros(30_000_000), quota_used=Micros(10_000_000))),
        (b"", user(unlimited="yes", available_quota=True), Trouble(message="HTTP 200: empty body")),
        (user(balance=2), user(), Trouble(message="ok")),
        ({"code": -1, "msg": "boom"}, b"", Trouble(message="boom")),
        (RECORDED["AuthFailed"], b"", Stopped(kind="auth", message='HTTP 200: {"code": 20001, "msg": "", "data": null}')),
        (RECORDED["BalanceFunded"], {"code": "20001", "msg": "no"}, Stopped(kind="auth", message="no (code 20001)")),
    ],
)
def test_the_account_tells_what_may_be_spent(balance: object, key: object, expected: object) -> None:
    """``available`` where it stands, else the difference; a cap of 0 is none; half an answer is half the truth."""
    assert expected == DIALECT.read_account([reply(balance), reply(key)])


def test_a_key_rejected_by_its_status_is_rejected() -> None:
    """401 and 403 need no envelope; no answer at all is trouble."""
    assert isinstance(DIALECT.read_account([reply(b"", 200), reply(b"", 403)]), Stopped)
    assert Trouble(message="no answer") == DIALECT.read_account([])


def entry(name: object, price: object, mode: object = "per_task", **more: object) -> dict[str, object]:
    """Build a line of the catalogue."""
    return {"model_name": name, "display_name": "x", "model_type": "image", "price_mode": mode, "unit_price": price, **more}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (
            [entry("a", 0.03), entry("b", "0.5", "per_second", official_price=0.9, remark="", group="G")],
            {"a": Price(micros=Micros(30_000)), "b": Price(micros=Micros(500_000), mode="per_second")},
        ),
        ([entry("a", 0.03), entry("a", 0.05), entry("a", 0.04)], {"a": Price(micros=Micros(50_000))}),
        ([entry("a", 0.03), entry("a", 1, "per_second"), entry("b", 1)], {"b": Price(micros=Micros(1_000_000))}),
        ([entry("a", 0), entry("b", None), entry("c", -1), entry("d", []), entry("e", "free"), entry("f", 10**13)], None),
        ([entry("", 1), entry(7, 1), entry("x" * 201, 1), entry("a", 1, None), None, "a", []], None),
        ([], None),
    ],
)
def test_the_catalogue_is_read_line_by_line(entries: list[object], expected: Prices | None) -> None:
    """A price of 0 tells nothing; the higher of two counts, and two modes contradict each other."""
    assert expected == DIALECT.read_catalogue(reply({"code": 20000, "data": {"list": entries}}))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", {"code": 20000, "data": None}, {"code": 20001}, {"data": {"list": {"a": 1}}}])
def test_an_answer_without_a_list_holds_no_prices(body: object) -> None:
    """None is not an empty catalogue."""
    assert DIALECT.read_catalogue(reply(body)) is None


@given(st.integers(100, 599), st.binary())
def test_no_bytes_make_a_service_raise(status: int, body: bytes) -> None:
    """Whatever a server sends has a meaning."""
    answer = Reply(status=status, body=body)

    assert not isinstance(DIALECT.read_upload(answer), Uploaded)
    assert isinstance(DIALECT.read_account([answer, answer]), Stopped | Trouble)
    assert DIALECT.read_catalogue(answer) is None


@pytest.mark.parametrize("told", ["1e999999999", 10**400, "1e-999999999"])
def test_money_beyond_all_sense_is_unknown(told: object) -> None:
    """A figure that no sum can hold does not stop a run."""
    odd = Reply(status=200, body=json.dumps({"code": 20000, "data": {"balance": told, "used_coin": "1e-999999999"}}).encode())

    account = DIALECT.read_account([odd, odd])

    assert isinstance(account, Account)
    assert account.available is None
