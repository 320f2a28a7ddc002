"""Orders that fail, row by row of the failure table (S1 to S15): each fault for real, through the real command line.

Every case compares state, reason, orders, money, the vendor's own counts, the exit code, and the words that the operator reads.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.failures.conftest import StartRude
from tests.support.cli import CommandLine, wait_until
from tests.support.fates import Fate, fate, fate_of, manifest, run_until, told
from tests.support.pictures import picture
from tests.support.rawserver import Visit, answer, free_port, self_signed
from tests.support.rude_vendor import (
    CUT,
    HANG,
    HANG_UP,
    HONEST,
    RESET,
    Fault,
    RudeVendor,
    code,
    open_rude_vendor,
    says,
    serving_raw,
    tells,
)

PAGE = b"<html><head><title>Bad Gateway</title></head></html>"
SAVED = "saved: accepted"
RUNNING = tells(task_id="img_1", status="processing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table: what the first orders meet (later ones are honest), what is left of it, and what is read of it.

    A run that would wait is ended once its diary says what stands in ``until``. Questions get ``polls``, for ever.
    """

    id: str
    faults: tuple[Fault, ...]
    left: Fate
    said: tuple[str, ...]
    until: tuple[str, ...] = ()
    polls: tuple[Fault, ...] = ()
    changes: dict[str, object] = field(default_factory=dict)


def _ambiguous(*faults: Fault, reason: str, said: tuple[str, ...], id: str, bills: bool = True) -> Row:  # noqa: A002 - pytest's word
    """Give a row whose orders are lost in so many ways, with an honest answer after each: two lost in a row say more than one."""
    rows = [story for _ in faults for story in (f"ambiguous({reason}): ambiguous", SAVED)]
    cost = f"{0.03 * len(faults):g}"
    return Row(
        id=id,
        faults=tuple(fault for lost in faults for fault in (lost, HONEST)),
        left=Fate(code=3, jobs=tuple(rows), money=(cost, "0", cost), posts=len(rows), charges=len(rows) if bills else len(faults)),
        said=(f"{len(faults)} need{'s' if len(faults) == 1 else ''} a decision", f"in doubt {cost} coin", *said),
        changes={"limits": {"in_flight": 1, "timeout": {"submit": "1s"}}},
    )


ROWS = (
    _ambiguous(
        RESET,
        HANG_UP,
        HANG,
        id="S3 reset, no response, read timeout",
        reason="no_answer",
        said=("read error (Connection reset by peer)", "remote protocol error", "read timeout"),
    ),
    Row(
        id="S3 in a row",
        faults=(RESET, RESET, RESET),
        left=Fate(code=143, jobs=("ambiguous(no_answer): ambiguous",) * 3 + ("planned",), money=("0", "0", "0.09"), posts=3, charges=3),
        said=("answers get lost until 2", "3 need a decision", "in doubt 0.09 coin"),
        until=("run.pausing",),
    ),
    Row(
        id="S4 enveloped and bare",
        faults=(
            says(200, {"code": "20000", "data": {"task_id": "a", "cost": 0.03}}, bills=True),
            says(201, {"code": 0, "data": {"id": "b", "cost": 0.03}}, bills=True),
            says(200, {"task_id": "c", "status": "queued", "cost": 0.03}, bills=True),
            says(500, {"code": -1, "msg": "boom", "data": {"taskId": 17, "cost": 0.03}}, bills=True),
        ),
        left=Fate(code=0, jobs=(SAVED,) * 4, money=("0.12", "0", "0"), posts=4, charges=4),
        said=("4 saved now; spent 0.12 coin",),
    ),
    _ambiguous(
        tells(status="queued", hint="no id"),
        tells(task_id=""),
        tells(task_id=["img_9"]),
        id="S5 no, empty, non-scalar id",
        reason="unreadable",
        said=("success without a task id", '\\"hint\\": \\"no id\\"', '\\"task_id\\": \\"\\"', "img_9"),
    ),
    _ambiguous(
        says(200, b'\xff\x00ok?{{"img_7f"', bills=True),
        says(200, b"<html>Please sign in.</html>", bills=True),
        says(200, b"", bills=True),
        id="S5 unparsable, HTML, empty body",
        reason="unreadable",
        said=("img_7f", "HTTP 200: <html>Please sign in.</html>", "HTTP 200: empty body"),
    ),
    _ambiguous(
        CUT,
        id="S5 cut body",
        reason="no_answer",
        said=('remote protocol error; the answer began HTTP 200: {"code": 20000, "msg": "ok", "data": {"task_id": "img_1"',),
    ),
    Row(
        id="S6 repeated task id",
        faults=(HONEST, tells(task_id="img_1", cost=0.03)),
        left=Fate(
            code=143,
            jobs=(SAVED, "ambiguous(repeated_task_id): ambiguous", "planned"),
            money=("0.03", "0", "0.03"),
            posts=2,
            charges=2,
        ),
        said=("the vendor repeated a task id: img_1 until 2", "1 needs a decision", "in doubt 0.03 coin"),
        until=("run.pausing", "job.images_saved"),
    ),
    Row(
        id="S7 balance",
        faults=(code(-1, "余额不足"),),
        left=Fate(code=6, jobs=("planned(balance): refused", "planned"), posts=1),
        said=("the account's balance is used up (余额不足 (code -1))",),
    ),
    Row(
        id="S7 key quota",
        faults=(code(-1, "API key quota exhausted"),),
        left=Fate(code=6, jobs=("planned(quota): refused", "planned"), posts=1),
        said=("the key's quota is used up (API key quota exhausted (code -1))",),
    ),
    Row(
        id="S7 too frequent, model, moderation",
        faults=(code(-1, "请求过于频繁"), HONEST, code(-1, "不支持的模型参数"), code(-1, "PROVIDER_MODERATION_ERROR")),
        left=Fate(
            code=3,
            jobs=("saved: refused accepted", "failed(refused): refused", "failed(moderated): refused"),
            money=("0.03", "0", "0"),
            posts=4,
            charges=1,
        ),
        said=("不支持的模型参数 (code -1)", "PROVIDER_MODERATION_ERROR (code -1)"),
    ),
    Row(
        id="S8 unknown, empty, HTTP 500",
        faults=(code(-1, "boom"), code(-1, ""), code(-1, "internal error", status=500)),
        left=Fate(code=3, jobs=("failed(server): unproven unproven unproven",), money=("0", "0", "0.09"), posts=3),
        said=("reason=server detail=internal error (code -1)", "in doubt 0.09 coin"),
    ),
    Row(
        id="S8 in a row",
        faults=(code(-1, "boom"),) * 5,
        left=Fate(
            code=143,
            jobs=("planned(server): unproven",) * 5 + ("planned",),
            money=("0", "0", "0.15"),
            posts=5,
        ),
        said=("server error, maybe billed: boom (code -1) until 2", "in doubt 0.15 coin"),
        until=("run.pausing",),
        changes={"retry": {"attempts": 5, "backoff": {"initial": "60s"}}},
    ),
    Row(
        id="S9 without, with past, negative, junk, naive, endless Retry-After",
        faults=(
            says(429),
            says(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
            code(40000, "too frequent", Retry_After="-5"),
            says(429, Retry_After="soon"),
            says(429, Date="Sun, 22 Nov 2026 10:00:00 GMT", Retry_After="Sun, 22 Nov 2026 11:00:00 -0000"),
            says(429, Retry_After="1000000000"),
        ),
        left=Fate(code=0, jobs=("saved: refused accepted",) * 6, money=("0.18", "0", "0"), posts=12, charges=6),
        said=("6 saved now; spent 0.18 coin",),
        changes={"limits": {"in_flight": 6}},
    ),
    Row(
        id="S9 date an hour ahead",
        faults=(says(429, Date="Sun, 22 Nov 2026 10:00:00 GMT", Retry_After="Sun, 22 Nov 2026 11:00:00 GMT"),),
        left=Fate(code=143, jobs=("planned(throttled): refused", "planned"), posts=1),
        said=("warning: run.pausing what=orders detail=rate limited until 2",),
        until=("run.pausing",),
    ),
    Row(
        id="S10 HTTP 402 while a task runs",
        faults=(HONEST, says(402, {"error": {"message": "pay first"}})),
        left=Fate(code=6, jobs=(SAVED, "planned(balance): refused", "planned"), money=("0.03", "0", "0"), posts=2, charges=1),
        said=(
            "stopped: the account's balance is used up (pay first); 100 coin available; 2 rows left need 0.06 coin",
            "2 left; go on with",
        ),
        changes={"limits": {"in_flight": 2, "submit_rate": "2/s"}},
    ),
    *(
        Row(
            id=f"S11 {name} while a task runs",
            faults=(HONEST, fault),
            left=Fate(
                code=4, jobs=("submitted: accepted", "planned(auth): refused", "planned"), money=("0.03", "0", "0"), posts=2, charges=1
            ),
            said=(
                "stopped: the API key in JIMMYAI_API_KEY (it ends in aa11) was rejected (",
                "was rejected",
                "1 paid task waits at the vendor; how long the results are kept: ",
            ),
            polls=(RUNNING,),
            changes={"limits": {"in_flight": 2, "submit_rate": "2/s"}},
        )
        for name, fault in (("code 20001", code(20001)), ("HTTP 401", says(401)), ("HTTP 403", says(403, PAGE)))
    ),
    Row(
        id="S12 code 20002, HTTP 400, 413, 422, model",
        faults=(
            code(20002, "参数错误"),
            says(400, {"message": "ratio 7:1"}),
            says(413),
            says(422, {"detail": "quality"}),
            code(20002, "unsupported model"),
        ),
        left=Fate(code=3, jobs=("failed(refused): refused",) * 5, posts=5),
        said=("参数错误 (code 20002)", "ratio 7:1", "HTTP 413: empty body", "detail=quality", "unsupported model (code 20002)", "5 failed"),
    ),
    Row(
        id="S12 alike among the first",
        faults=(HONEST, *(code(20002, "quality low is unknown"),) * 3),
        left=Fate(
            code=2,
            jobs=(SAVED, *("failed(refused): refused",) * 3, "planned", "planned"),
            money=("0.03", "0", "0"),
            posts=4,
            charges=1,
        ),
        said=(
            "stopped: the vendor refused 3 of the first 4 orders in the same words (quality low is unknown (code 20002)); ",
            "; ordered with quality=low; who set that: batchgen plan MANIFEST --explain ",
        ),
    ),
    _ambiguous(
        says(502, PAGE, Server="nginx/1.25"),
        says(504, b""),
        says(524, PAGE, Server="cloudflare"),
        says(500, PAGE),
        id="S13 HTTP 502, 504, 524, 500 without an envelope",
        reason="unreadable",
        said=("HTTP 502 from nginx/1.25: <html>", "HTTP 504: empty body", "HTTP 524 from cloudflare: <html>", "HTTP 500: <html>"),
        bills=False,
    ),
    *(
        Row(
            id=f"S14 HTTP {fault_name}",
            faults=(fault,),
            left=Fate(code=2, jobs=("planned(config): refused", "planned"), posts=1),
            said=("stopped: the API address http://127.0.0.1:", f"(provider.base_url) does not answer as expected ({said})"),
        )
        for fault_name, fault, said in (
            ("404", says(404, PAGE), "HTTP 404: <html><head><title>Bad Gateway</title></head></html>"),
            ("405", says(405), "HTTP 405: empty body"),
            (
                "307",
                says(307, Location="/api/open-api/v1/images/elsewhere?Signature=of-the-night"),
                "HTTP 307 to /api/open-api/v1/images/elsewhere",
            ),
        )
    ),
    Row(
        id="S14 HTTP 408, 421, 425",
        faults=(says(408), says(421), says(425)),
        left=Fate(
            code=0,
            jobs=("saved: unproven accepted", "saved: not_sent accepted", "saved: not_sent accepted"),
            money=("0.09", "0", "0.03"),
            posts=6,
            charges=3,
        ),
        said=("3 saved now; spent 0.09 coin, in doubt 0.03 coin",),
    ),
    Row(
        id="S15 unknown code",
        faults=(code(30001, "eh?"),) * 3,
        left=Fate(code=143, jobs=("ambiguous(unreadable): ambiguous",) * 3 + ("planned",), money=("0", "0", "0.09"), posts=3),
        said=('contract drift: HTTP 200: {\\"code\\": 30001, \\"msg\\": \\"eh?\\"', "answers get lost until 2", "detail=30001"),
        until=("run.pausing",),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_order_that_meets_a_fault(cli: CommandLine, start_rude: StartRude, row: Row) -> None:
    """What is left is what the table says, and the operator reads why."""
    vendor = start_rude(on_order=row.faults, on_poll=row.polls, for_ever=True) if row.polls else start_rude(on_order=row.faults)
    cli.write(manifest(vendor.url, len(row.left.jobs), **row.changes))

    run = run_until(cli, *row.until) if row.until else cli("run", "study.yaml", "-y")

    batch, read = told(cli, run)
    assert row.left == fate_of(cli, run, batch, vendor), read
    assert [] == [words for words in row.said if words not in read], read
    assert "of-the-night" not in read


# --- nothing leaves this machine ---


async def _cut_off(visit: Visit) -> None:
    visit.reset()


@contextmanager
def _place(name: str) -> Iterator[str]:
    """Give an address whose connections fail in that way."""
    match name:
        case "refused":
            yield f"http://127.0.0.1:{free_port()}"
        case "no such name":
            yield "https://no-such-host.invalid"
        case _:
            with serving_raw(_cut_off) as server:
                yield f"https://127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("name", "said"),
    [("refused", "(Connection refused)"), ("no such name", "connect error ("), ("TLS cut", "connect error (")],
    ids=["S1 refused", "S1 no such name", "S1 TLS cut"],
)
def test_order_that_cannot_be_sent_is_tried_as_often_as_allowed(cli: CommandLine, name: str, said: str) -> None:
    """S1: nothing was sent, nothing is booked; after the tries of the manifest the row has failed as unreachable."""
    with _place(name) as url:
        cli.write(manifest(url, 1, retry={"attempts": 2, "backoff": {"initial": "0.1s"}}))
        run = cli("run", "study.yaml", "-y")

    batch, read = told(cli, run)
    left = Fate(code=3, jobs=("failed(unreachable): not_sent not_sent",), posts=0)
    assert left == fate(cli, run, batch, posts=0, charges=0), read
    assert f"reason=unreachable detail={urlsplit(url).hostname}: {said.partition('(')[0]}" in read
    assert said in read


def test_orders_that_cannot_be_sent_pause_all_others(cli: CommandLine) -> None:
    """S1: after five in a row the run waits half a minute, and says that nothing was sent, and until when; all rows stay planned."""
    cli.write(manifest(f"http://127.0.0.1:{free_port()}", 6, retry={"attempts": 9, "backoff": {"initial": "60s"}}))

    run = run_until(cli, "run.pausing")

    batch, read = told(cli, run)
    left = Fate(code=143, jobs=("planned(unreachable): not_sent",) * 5 + ("planned",), posts=0)
    assert left == fate(cli, run, batch, posts=0, charges=0), read
    assert "nothing sent, network or vendor is down: 127.0.0.1: connect error (Connection refused) until 2" in run.err


def test_certificate_that_nobody_trusts_stops_the_run(cli: CommandLine) -> None:
    """S2: checks are never switched off: the setting is named, nothing was sent, the rows stay planned."""
    with open_rude_vendor(RudeVendor(), tls=self_signed()) as vendor:
        cli.write(manifest(vendor.url, 2))
        run = cli("run", "study.yaml", "-y")

    batch, read = told(cli, run)
    left = Fate(code=2, jobs=("planned(config): refused", "planned"), posts=0)
    assert left == fate_of(cli, run, batch, vendor), read
    assert "the certificate of 127.0.0.1 is not trusted (provider.base_url): connect error (self-signed certificate)" in run.out


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("ftp://api.example.com", "sk-canary-of-the-night", "study.yaml:6:17: error[E113]: an address must begin with https://"),
        ("http://api.example.com", "sk-canary-of-the-night", "study.yaml:6:17: error[E113]: http is allowed on loopback only"),
        (
            "http://127.0.0.1:9",
            "sk-canary-of\nthe-night",
            "the value of JIMMYAI_API_KEY cannot be a key: its character 13 of 22 is white space",
        ),
        (
            "http://127.0.0.1:9",
            "sk-canary-of\u2019the-night",
            "the value of JIMMYAI_API_KEY cannot be a key: its character 13 of 22 is not ASCII",
        ),
    ],
    ids=["S2 scheme", "S2 plain http", "S2 key with a line break", "S2 key with a typographic quote"],
)
def test_setting_that_cannot_be_used_is_named_before_anything_is_stored(cli: CommandLine, url: str, key: str, said: str) -> None:
    """S2: exit 2, the setting in the sentence and never the key; there is no job table, so there is nothing to be bought."""
    cli.write(manifest(url, 2))

    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY=key)

    assert (2, False) == (run.code, (cli.folder / "batchgen.db").exists())
    assert said in run.err
    assert [] == cli.leaks("the-night")


# --- something may have left it ---


def test_order_that_is_cut_while_it_is_written_is_held(cli: CommandLine) -> None:
    """S3: a vendor that hangs up in the middle of six megabytes may have read enough: the order is ambiguous and is not sent again."""
    heads = []

    async def hang_up_on_orders(visit: Visit) -> None:
        while (head := await visit.reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
            await visit.send(answer(200, b'{"code": 20000, "data": {"list": [], "available": 100, "unlimited": true}}'))
        heads.append(head)
        visit.reset()

    with serving_raw(hang_up_on_orders) as server:
        (cli.folder / "shoe.png").write_bytes(picture(size=(1300, 1300)))
        reference = {"references": {"shoe": {"path": "shoe.png", "send": "base64"}}}
        cli.write(manifest(server.url, 1, **reference, defaults={"model": "gpt-image-2", "images": "shoe"}))
        run, again = cli("run", "study.yaml", "-y"), cli("resume", "-y")

    batch, read = told(cli, run)
    left = Fate(code=3, jobs=("ambiguous(no_answer): ambiguous",), money=("0", "0", "0.03"), posts=1)
    assert left == fate(cli, run, batch, posts=len(heads), charges=0), read
    assert 3 == again.code
    assert "127.0.0.1: read error (" in read  # the client looks for an answer even when it could not write all
    assert "1 needs a decision" in read


@pytest.mark.parametrize(
    ("signals", "codes", "said"),
    [([signal.SIGINT, signal.SIGTERM], {130, 143}, "interrupted"), ([signal.SIGKILL], {-9}, "")],
    ids=["S3 cancelled", "S3 crash after the hook"],
)
def test_order_whose_answer_nobody_waited_for_is_held(
    cli: CommandLine, start_rude: StartRude, signals: list[signal.Signals], codes: set[int], said: str
) -> None:
    """S3: whoever ends the run while an order is out, the next one finds it ambiguous, says so, and sends nothing."""
    vendor = start_rude(on_order=(HANG,))
    cli.write(manifest(vendor.url, 1))

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.charges)
        for number in signals:
            running.send_signal(number)
        ended = cli.finish(running)
    run = cli("resume", "-y")

    batch, read = told(cli, run)
    left = Fate(code=3, jobs=("ambiguous(interrupted): ambiguous",), money=("0", "0", "0.03"), posts=1, charges=1)
    assert left == fate_of(cli, run, batch, vendor), read
    assert ended.code in codes
    assert said in ended.out
    assert "reason=interrupted detail=the run ended while the order was out" in run.err
    assert "1 needs a decision" in run.out
    assert "in doubt 0.03 coin" in run.out
