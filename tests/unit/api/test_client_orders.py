"""A paid POST: sent once, and never called unsent when it may have arrived."""

import asyncio
import gzip

import pytest

from batchgen.api.client import Patience
from batchgen.core.dialects import Call, Reply
from batchgen.core.errors import BatchgenError, ExchangeError, NotSentError, OutcomeUnknownError
from tests.support.clients import KEY, connected
from tests.support.rawserver import CERTIFICATE, RawServer, Script, Visit, always, answer, free_port, hang, listening, self_signed

ORDER = Call(method="POST", path="/api/open-api/v1/images", body=b'{"prompt":"fox"}')
SOON = Patience(connect_s=1.0, write_s=0.1)


def order_once(script: Script, *, submit_timeout_s: float = 10.0, patience: Patience | None = None) -> tuple[Reply, RawServer]:
    """Send one order to a server with this script."""

    async def run() -> tuple[Reply, RawServer]:
        async with (
            listening(script) as server,
            connected(server.url, submit_timeout_s=submit_timeout_s, patience=patience) as client,
        ):
            return await client.order(ORDER), server

    return asyncio.run(run())


def failing_order(script: Script, *, submit_timeout_s: float = 10.0, patience: Patience | None = None) -> tuple[ExchangeError, int]:
    """Send one order that must fail; give the error and how many requests arrived."""

    async def run() -> tuple[ExchangeError, int]:
        async with (
            listening(script) as server,
            connected(server.url, submit_timeout_s=submit_timeout_s, patience=patience) as client,
        ):
            with pytest.raises(ExchangeError) as caught:
                await client.order(ORDER)
            return caught.value, len(server.arrived)

    return asyncio.run(run())


def failing_at(base_url: str) -> BatchgenError:
    """Send one order to a place that must not answer."""

    async def run() -> BatchgenError:
        async with connected(base_url, patience=SOON) as client:
            with pytest.raises(BatchgenError) as caught:
                await client.order(ORDER)
            return caught.value

    return asyncio.run(run())


def test_an_order_carries_the_key_the_body_and_nothing_unasked() -> None:
    """The request on the wire is exactly what the dialect built, with our few headers."""
    reply, server = order_once(always(answer(200, b'{"code":20000}', {"X-Up": "1"})))

    (arrived,) = server.arrived
    assert arrived.line == "POST /api/open-api/v1/images HTTP/1.1"
    assert arrived.body == ORDER.body
    assert arrived.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "batchgen/test",
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "content-length": "16",
    }
    assert (200, b'{"code":20000}', "1") == (reply.status, reply.body, reply.headers["x-up"])


@pytest.mark.parametrize("suffix", ["", "/", "///", "/api/open-api/v1", "/api/open-api/v1/", " "])
def test_the_base_url_may_end_in_slashes_or_the_apis_own_path(suffix: str) -> None:
    """Every form of the base URL leads to the same address."""

    async def run() -> list[str]:
        async with listening(always(answer())) as server, connected(server.url + suffix) as client:
            await client.order(ORDER)
            await client.ask(Call(method="GET", path="/api/open-api/v1/images/a"))
            return [arrived.target for arrived in server.arrived]

    assert asyncio.run(run()) == ["/api/open-api/v1/images", "/api/open-api/v1/images/a"]


def test_a_refused_connection_is_not_sent() -> None:
    """S1: nobody listens, so nobody was paid."""
    error = failing_at(f"http://127.0.0.1:{free_port()}")

    assert isinstance(error, NotSentError)
    assert "refused" in str(error)


def test_an_unknown_host_is_not_sent() -> None:
    """S1: a name that does not resolve receives nothing."""
    assert isinstance(failing_at("https://no-such-host.invalid"), NotSentError)


async def plain_talk(visit: Visit) -> None:
    """Speak plain HTTP where TLS is expected."""
    await visit.reply(400)


async def silence(visit: Visit) -> None:
    """Accept the connection and say nothing."""
    await visit.reader.read()


@pytest.mark.parametrize("script", [plain_talk, silence])
def test_a_handshake_that_fails_is_not_sent(script: Script) -> None:
    """S1: TLS comes before the request."""

    async def run() -> BatchgenError:
        async with (
            listening(script) as server,
            connected(f"https://127.0.0.1:{server.port}", patience=Patience(connect_s=0.2)) as client,
        ):
            with pytest.raises(BatchgenError) as caught:
                await client.order(ORDER)
            return caught.value

    assert isinstance(asyncio.run(run()), NotSentError)


def test_a_trusted_certificate_is_used() -> None:
    """Orders and questions travel over TLS."""

    async def run() -> list[int]:
        async with listening(always(answer()), tls=self_signed()) as server, connected(server.url) as client:
            client._tls.load_verify_locations(CERTIFICATE)
            return [(await client.order(ORDER)).status, (await client.ask(Call(method="GET", path="/a"))).status]

    assert asyncio.run(run()) == [200, 200]


async def reset_at_once(visit: Visit) -> None:
    """Cut the connection before reading."""
    visit.reset()


async def reset_after_reading(visit: Visit) -> None:
    """Take the order and cut the connection."""
    await visit.request()
    visit.reset()


async def close_after_reading(visit: Visit) -> None:
    """Take the order and hang up politely."""
    await visit.request()


def saying(data: bytes) -> Script:
    """Take the order, say these bytes and hang up."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(data)

    return script


@pytest.mark.parametrize(
    "script",
    [
        reset_at_once,
        reset_after_reading,
        close_after_reading,
        saying(b"\x00\x01garbage\r\n\r\n"),
        saying(b"HTTP/1.1 200"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n{}"),
        saying(answer(200, b"x" * (1 << 21))),
    ],
    ids=["reset", "read-reset", "read-close", "garbage", "cut-head", "cut-body", "bad-chunk", "huge-header", "huge-body"],
)
def test_anything_after_the_first_byte_is_unknown(script: Script) -> None:
    """S3, S5: the vendor may have done the work; the order went out once and is not repeated."""
    error, arrived = failing_order(script)

    assert isinstance(error, OutcomeUnknownError)
    assert arrived <= 1
    assert error.host == "127.0.0.1"


def test_an_answer_that_never_comes_is_unknown() -> None:
    """S3: a read timeout says nothing about the work."""
    error, arrived = failing_order(hang, submit_timeout_s=0.2)

    assert isinstance(error, OutcomeUnknownError)
    assert arrived == 1


def test_an_answer_that_only_drips_is_given_up_as_unknown() -> None:
    """A byte now and then cannot hold an order for hours."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.drip(answer(200, b"x" * 1000), every_s=0.02)

    error, _ = failing_order(script, submit_timeout_s=0.2, patience=SOON)

    assert isinstance(error, OutcomeUnknownError)


def test_a_connection_closed_while_idle_is_replaced_before_sending() -> None:
    """A stale kept-alive connection costs neither an order nor a doubt."""

    async def once(visit: Visit) -> None:
        await visit.request()
        await visit.reply()

    async def run() -> tuple[int, int]:
        async with listening(once) as server, connected(server.url) as client:
            await client.order(ORDER)
            await server.gone.wait()
            await client.order(ORDER)
            return len(server.visits), len(server.arrived)

    assert asyncio.run(run()) == (2, 2)


def test_a_connection_closed_under_an_order_is_unknown_and_sent_once() -> None:
    """When the close crosses the order on a reused connection nobody knows, so nobody sends again."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.reply()
        await visit.request()

    async def run() -> tuple[int, int]:
        async with listening(script) as server, connected(server.url) as client:
            await client.order(ORDER)
            with pytest.raises(OutcomeUnknownError):
                await client.order(ORDER)
            return len(server.visits), len(server.arrived)

    assert asyncio.run(run()) == (1, 2)


@pytest.mark.parametrize("cut", [KEY, KEY[:-3], KEY[:5]])
def test_what_came_of_an_answer_that_broke_off_is_told_without_the_key(cut: str) -> None:
    """S5: a task's id may be in it; an echoed key is not, wherever the answer broke off."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(f'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{{"task_id": "img_7", "for": "{cut}'.encode())

    error, arrived = failing_order(script)

    shown = '"[key]' if cut == KEY else '"'
    assert (OutcomeUnknownError, 1) == (type(error), arrived)
    assert str(error).endswith(f'remote protocol error; the answer began HTTP 200: {{"task_id": "img_7", "for": {shown}')


def test_connections_are_kept_alive() -> None:
    """A quick series of orders opens one connection."""

    async def run() -> tuple[int, int]:
        async with listening(always(answer())) as server, connected(server.url) as client:
            for _ in range(5):
                await client.order(ORDER)
            return len(server.visits), len(server.arrived)

    assert asyncio.run(run()) == (1, 5)


def test_after_a_sleep_of_the_machine_an_order_goes_out_over_a_new_connection() -> None:
    """The other side may have forgotten the kept one, and an order over it would be in doubt; what is under way goes on."""
    slept = [100.0]

    async def run() -> list[int]:
        async with listening(always(answer())) as server, connected(server.url, patience=Patience(suspended_s=lambda: slept[0])) as client:
            visits = []
            for asleep_s in (0.0, 0.5, 300.0, 0.0):
                slept[0] += asleep_s
                await client.order(ORDER)
                visits.append(len(server.visits))
            return visits

    assert [1, 1, 2, 2] == asyncio.run(run())


def test_an_answer_before_the_whole_order_was_read_counts() -> None:
    """A proxy that refuses a large body early is heard."""

    async def script(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.reply(413, b"<html>too large</html>", {"Connection": "close"})
        await visit.reader.readexactly(len(large.body or b""))

    large = Call(method="POST", path="/x", body=b"x" * 4_000_000)

    async def run() -> int:
        async with listening(script) as server, connected(server.url) as client:
            return (await client.order(large)).status

    assert asyncio.run(run()) == 413


def test_an_order_that_finds_no_free_connection_is_not_sent() -> None:
    """The pool's own timeout comes before the first byte."""

    async def run() -> int:
        async with listening(hang) as server, connected(server.url, posts_at_once=1, submit_timeout_s=0.3) as client:
            first, second = await asyncio.gather(client.order(ORDER), client.order(ORDER), return_exceptions=True)
            assert {type(first), type(second)} == {OutcomeUnknownError, NotSentError}
            return len(server.arrived)

    assert asyncio.run(run()) == 1


def test_a_cancelled_order_closes_its_connection() -> None:
    """Nobody answers into the void; the caller knows that it knows nothing."""

    async def run() -> None:
        async with listening(hang) as server, connected(server.url) as client:
            sending = asyncio.create_task(client.order(ORDER))
            await server.busy.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await server.gone.wait()

    asyncio.run(run())


def test_cookies_are_not_kept() -> None:
    """No state of the vendor's travels with an order."""

    async def run() -> list[bool]:
        async with listening(always(answer(200, b"{}", {"Set-Cookie": "a=b; Path=/"}))) as server, connected(server.url) as client:
            await client.order(ORDER)
            await client.order(ORDER)
            await client.ask(Call(method="GET", path="/a"))
            await client.ask(Call(method="GET", path="/a"))
            return ["cookie" in arrived.headers for arrived in server.arrived]

    assert asyncio.run(run()) == [False] * 4


def test_a_compressed_answer_stays_as_it_came() -> None:
    """Nothing is inflated: the dialect calls such bytes unreadable."""
    body = gzip.compress(b"{}" * 100_000)

    reply, _ = order_once(always(answer(200, body, {"Content-Encoding": "gzip"})))

    assert body == reply.body


def test_informational_answers_are_passed_over() -> None:
    """100 and 103 come before the answer, not instead of it."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    reply, _ = order_once(always(early + answer(200, b'{"code":0}')))

    assert (200, b'{"code":0}') == (reply.status, reply.body)


def test_an_answer_without_a_date_gets_the_time_of_receipt() -> None:
    """A Retry-After date always has something to be measured against."""
    dated, _ = order_once(always(answer(200, b"{}", {"Date": "Sun, 22 Nov 2026 10:00:00 GMT"})))
    undated, _ = order_once(always(answer()))

    assert dated.headers["date"] == "Sun, 22 Nov 2026 10:00:00 GMT"
    assert undated.headers["date"].endswith("GMT")


def test_a_key_echoed_by_the_vendor_is_blotted_out() -> None:
    """An error message that quotes the key reaches neither database nor log."""
    reply, _ = order_once(always(answer(200, f'{{"msg":"invalid {KEY}"}}'.encode())))

    assert reply.body == b'{"msg":"invalid [key]"}'


def test_a_key_too_short_to_be_secret_is_left_alone() -> None:
    """Blotting out two letters would garble every answer."""

    async def run() -> bytes:
        async with listening(always(answer(200, b'{"msg":"ok"}'))) as server, connected(server.url, key="ok") as client:
            return (await client.order(ORDER)).body

    assert asyncio.run(run()) == b'{"msg":"ok"}'


def test_errors_carry_no_foreign_error_and_no_key() -> None:
    """Whatever hangs on our error is ours, so no header can hide in it."""
    error, _ = failing_order(saying(f"HTTP/1.1 {KEY} {KEY}\r\n\r\n".encode()))

    assert error.__cause__ is None
    assert error.__context__ is None
    assert KEY not in repr(error)


def test_a_key_is_trimmed() -> None:
    """A stray space or line break from a file is no reason to fail."""

    async def run() -> str:
        async with listening(always(answer())) as server, connected(server.url, key=f" {KEY}\n") as client:
            await client.order(ORDER)
            return server.arrived[0].headers["authorization"]

    assert asyncio.run(run()) == f"Bearer {KEY}"
