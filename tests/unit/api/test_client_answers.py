"""The answer of a synchronous order: written down as it comes, whole or not at all, without the key, and from the right host."""

import asyncio
import json
from collections.abc import Callable

import pytest

from batchgen.core.dialects import Call, Reply
from batchgen.core.errors import BatchgenError, FileError, OutcomeUnknownError
from tests.support.builders import job
from tests.support.clients import KEY, connected
from tests.support.fake_shelf import FakeAnswer, FakeShelf
from tests.support.rawserver import Script, Visit, always, answer, listening

ORDER = Call(method="POST", path="/v1/draw", body=b"{}", host="sync", is_synchronous=True)
PICTURE = "A" * 3_000_000


def kept(script: Script, order: Call = ORDER, *, shelf: FakeShelf | None = None) -> tuple[Reply, bytes]:
    """Send one order whose answer is kept; give the reply and the body that was written down."""
    shelf = shelf or FakeShelf()

    async def run() -> Reply:
        async with listening(script) as server, connected(server.url) as client:
            return await client.order(order, shelf.answer(job()))

    reply = asyncio.run(run())
    ((_, body),) = shelf.answers.values()
    return reply, body


def failing(script: Script, shelf: FakeShelf) -> BatchgenError:
    """Send one order whose answer cannot be kept."""

    async def run() -> BatchgenError:
        async with listening(script) as server, connected(server.url) as client:
            with pytest.raises(BatchgenError) as caught:
                await client.order(ORDER, shelf.answer(job()))
            return caught.value

    return asyncio.run(run())


def test_a_long_answer_is_kept_whole_and_read_short() -> None:
    """Three megabytes of picture are on the shelf byte for byte; what a dialect reads has a mark in their place."""
    document = json.dumps({"data": [{"b64_json": PICTURE}]}).encode()

    reply, body = kept(always(answer(body=document)))

    assert document == body
    assert {"data": [{"b64_json": "\x00part:0"}]} == json.loads(reply.body)
    assert PICTURE.encode() == body[slice(*reply.parts[0])]


def test_a_cut_answer_is_unknown_and_not_kept() -> None:
    """Half of an answer is no answer: the order may have been carried out."""
    whole = answer(body=json.dumps({"data": [{"b64_json": PICTURE}]}).encode())

    async def cut(visit: Visit) -> None:
        await visit.request()
        await visit.send(whole[: len(whole) // 2])
        visit.writer.close()

    shelf = FakeShelf()

    assert isinstance(failing(cut, shelf), OutcomeUnknownError)
    assert {} == shelf.answers


def test_a_disk_that_refuses_is_told_as_it_is() -> None:
    """The order went out, and whoever sent it must know why its answer found no place."""
    shelf = FakeShelf(on_answer=lambda _: FileError("no room"))

    error = failing(always(answer(body=b'{"data": []}')), shelf)

    assert "no room" == str(error)


def pieces_of(size: int) -> Callable[[bytes], list[bytes]]:
    """Cut bytes into pieces of a size."""
    return lambda data: [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_an_echoed_key_is_not_written_down(size: int) -> None:
    """Wherever the stream is cut, neither body nor head of a kept answer holds the key."""
    document = json.dumps({"msg": f"your key {KEY} is fine, {KEY}", "n": 1}).encode()

    async def echo(visit: Visit) -> None:
        await visit.request()
        head = answer(body=document, headers={"X-Echo": f"Bearer {KEY}"})[: -len(document)]
        for piece in (head, *pieces_of(size)(document)):
            await visit.send(piece)

    shelf = FakeShelf()
    reply, body = kept(echo, shelf=shelf)

    ((head, _),) = shelf.answers.values()
    assert json.dumps({"msg": "your key [key] is fine, [key]", "n": 1}).encode() == body == reply.body
    assert "Bearer [key]" == head.headers["x-echo"]


def test_an_echoed_key_does_not_hide_behind_an_escape() -> None:
    """JSON may write any letter as a number; what is read of an answer shows neither form."""
    escaped = "".join(f"\\u{ord(char):04x}" for char in KEY)
    document = f'{{"msg": "{escaped} and \\\\u0041 stays"}}'.encode()

    reply, _ = kept(always(answer(body=document)))

    assert {"msg": "[key] and \\u0041 stays"} == json.loads(reply.body)


def test_synchronous_orders_go_to_the_second_address() -> None:
    """The first one gets everything else."""

    async def run() -> tuple[list[str], list[str]]:
        async with (
            listening(always(answer())) as api,
            listening(always(answer())) as sync,
            connected(api.url, sync_base_url=sync.url) as client,
        ):
            await client.order(ORDER, FakeAnswer(shelf=FakeShelf(), name="a"))
            await client.order(Call(method="POST", path="/v1/task", body=b"{}"))
            await client.ask(Call(method="GET", path="/v1/ask"))
            return [arrived.line for arrived in api.arrived], [arrived.line for arrived in sync.arrived]

    asked, drawn = asyncio.run(run())

    assert (["POST /v1/task HTTP/1.1", "GET /v1/ask HTTP/1.1"], ["POST /v1/draw HTTP/1.1"]) == (asked, drawn)


def test_a_body_in_pieces_arrives_whole_with_its_length() -> None:
    """Large contents are shared between orders, and the vendor sees one body of a known size."""
    pieces = (b"--x\r\n", bytes(200_000), b"\r\n--x--")
    order = Call(method="POST", path="/v1/form", body=pieces, content_type="multipart/form-data; boundary=x")

    async def run() -> tuple[str, str, bytes]:
        async with listening(always(answer())) as server, connected(server.url) as client:
            await client.order(order)
            (arrived,) = server.arrived
            return arrived.headers["content-length"], arrived.headers["content-type"], arrived.body

    length, kind, body = asyncio.run(run())

    assert (b"".join(pieces), str(len(body)), "multipart/form-data; boundary=x") == (body, length, kind)
