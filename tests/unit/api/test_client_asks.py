"""Free questions: bounded, and never dangerous."""

import asyncio

import pytest

from batchgen.api.client import Patience
from batchgen.core.dialects import Call
from batchgen.core.errors import ExchangeError
from tests.support.clients import KEY, connected
from tests.support.rawserver import Script, Visit, always, answer, free_port, hang, listening, self_signed

QUESTION = Call(method="GET", path="/api/open-api/v1/images/img_1")
SOON = Patience(connect_s=1.0, ask_s=0.2)


def failing_ask(script: Script) -> ExchangeError:
    """Ask once and fail."""

    async def run() -> ExchangeError:
        async with listening(script) as server, connected(server.url, patience=SOON) as client:
            with pytest.raises(ExchangeError) as caught:
                await client.ask(QUESTION)
            return caught.value

    return asyncio.run(run())


def test_a_question_carries_the_key_and_nothing_unasked() -> None:
    """The request on the wire is what the dialect built, with our few headers."""

    async def run() -> None:
        async with listening(always(answer(500, b"oops", {"X-Up": "1"}))) as server, connected(server.url) as client:
            reply = await client.ask(QUESTION)

            (arrived,) = server.arrived
            assert arrived.line == "GET /api/open-api/v1/images/img_1 HTTP/1.1"
            assert arrived.headers == {
                "host": f"127.0.0.1:{server.port}",
                "user-agent": "batchgen/test",
                "accept": "application/json",
                "accept-encoding": "identity",
                "authorization": f"Bearer {KEY}",
            }
            assert (500, b"oops", "1") == (reply.status, reply.body, reply.headers["x-up"])

    asyncio.run(run())


@pytest.mark.parametrize(
    "path", ["/images/..%2F..%2Fuser%2Fbalance", "/images/a%3Fx%3D1%23y", "/images/100%25", "/images/%7Ea%21%E4%BB%BB"]
)
def test_a_quoted_task_id_reaches_the_server_unchanged(path: str) -> None:
    """No layer re-quotes or resolves what the dialect quoted."""

    async def run() -> str:
        async with listening(always(answer())) as server, connected(server.url) as client:
            await client.ask(Call(method="GET", path=path))
            return server.arrived[0].target

    assert path == asyncio.run(run())


async def close_after_reading(visit: Visit) -> None:
    """Take the question and hang up."""
    await visit.request()


async def huge_header(visit: Visit) -> None:
    """Answer with a header that nobody can want."""
    await visit.request()
    await visit.send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n{}")


async def dripping(visit: Visit) -> None:
    """Answer a byte at a time."""
    await visit.request()
    await visit.drip(answer(200, b"x" * 1000), every_s=0.02)


@pytest.mark.parametrize(
    "script",
    [close_after_reading, hang, huge_header, dripping, always(b"garbage\r\n\r\n"), always(answer(200, b"x" * (1 << 21)))],
    ids=["close", "hang", "huge-header", "drip", "garbage", "huge-body"],
)
def test_a_question_without_a_readable_answer_is_an_exchange_error(script: Script) -> None:
    """P1: the caller may ask again; no foreign error and no key hang on ours."""
    error = failing_ask(script)

    assert error.host == "127.0.0.1"
    assert error.__context__ is None
    assert KEY not in repr(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_question_to_nobody_is_an_exchange_error(scheme: str) -> None:
    """Refused connections are trouble, not a crash."""

    async def run() -> None:
        async with connected(f"{scheme}://127.0.0.1:{free_port()}") as client:
            with pytest.raises(ExchangeError, match="refused"):
                await client.ask(QUESTION)

    asyncio.run(run())


def test_an_untrusted_certificate_is_no_reason_to_forget_a_paid_task() -> None:
    """A question that meets a stranger fails; it does not stop the run."""

    async def run() -> None:
        async with listening(always(answer()), tls=self_signed()) as server, connected(server.url) as client:
            with pytest.raises(ExchangeError, match="certificate"):
                await client.ask(QUESTION)
            assert server.arrived == []

    asyncio.run(run())


def test_redirects_are_answers() -> None:
    """The key follows nobody."""

    async def run() -> tuple[int, int]:
        async with listening(always(answer(307, b"", {"Location": "/elsewhere"}))) as server, connected(server.url) as client:
            return (await client.ask(QUESTION)).status, len(server.arrived)

    assert asyncio.run(run()) == (307, 1)


def test_closing_an_unused_client_is_fine() -> None:
    """Nothing was opened, nothing is left."""

    async def run() -> None:
        async with connected("https://api.viraltok.ai"):
            pass

    asyncio.run(run())
