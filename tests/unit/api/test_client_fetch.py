"""Downloads: no key, no cookies, nowhere private, and not a byte changed."""

import asyncio
import gzip

import pytest

from batchgen.api.client import Patience, _Drip
from batchgen.core.errors import BadImageError
from batchgen.core.ports import Fetched
from tests.support.clients import KEY, Basket, connected, failing_fetch, fetch_from
from tests.support.rawserver import Script, Visit, always, answer, hang, listening

PICTURE = bytes(range(256)) * 1024


def test_a_local_name_is_resolved_and_dialled_while_the_api_is_local() -> None:
    """An API on loopback may name its images' host."""

    async def run() -> Fetched:
        async with listening(always(answer(200, b"PNG"))) as server, connected(server.url) as client:
            return await client.fetch(f"http://localhost:{server.port}/1.png", Basket())

    assert asyncio.run(run()).received_bytes == 3


def test_the_sink_gets_every_byte_in_large_chunks() -> None:
    """A file of 256 KiB costs a handful of writes."""
    fetched, basket, _ = fetch_from(always(answer(200, PICTURE, {"Content-Type": "image/png; q=1"})))

    assert Fetched(received_bytes=len(PICTURE), length=len(PICTURE), content_type="image/png; q=1") == fetched
    assert b"".join(basket.chunks) == PICTURE
    assert all(len(chunk) >= 1 << 16 for chunk in basket.chunks[:-1])


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """An old server's way of ending is accepted, and said by a missing length."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nPNG")

    fetched, basket, _ = fetch_from(script)

    assert Fetched(received_bytes=3, length=None, content_type="") == fetched
    assert basket.chunks == [b"PNG"]


def test_a_chunked_body_is_put_together() -> None:
    """Transfer coding is not content."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nPNG\r\n2\r\n..\r\n0\r\n\r\n")

    _, basket, _ = fetch_from(script)

    assert b"".join(basket.chunks) == b"PNG.."


@pytest.mark.parametrize(
    "path",
    [
        "/a%2Fb/%7Ex?X=AK%2F2024%2Fus&S=ab%2Bc%3D%3D~'&e=%41&c=a%3Ab%40c!*()",
        "/1.png?Expires=1782259274&Signature=abc",
        "/%E4%BB%BB.png",
    ],
)
def test_a_signed_url_reaches_the_server_unchanged(path: str) -> None:
    """One re-quoted character breaks a signature."""
    _, _, server = fetch_from(always(answer(200, b"PNG")), path)

    assert path == server.arrived[0].target


def test_a_url_with_illegal_characters_is_quoted() -> None:
    """What could not be sent as it is, is sent in the usual quoting."""
    _, _, server = fetch_from(always(answer(200, b"PNG")), "/任 a.png")

    assert server.arrived[0].target == "/%E4%BB%BB%20a.png"


def test_redirects_are_followed_three_times() -> None:
    """A storage host may move a file about, relative targets included."""

    async def script(visit: Visit) -> None:
        while arrived := await visit.request():
            hop = int(arrived.target[1:])
            await (visit.reply(302, b"", {"Location": f"/{hop + 1}"}) if hop < 3 else visit.reply(200, b"PNG"))

    _, basket, server = fetch_from(script, "/0")

    assert basket.chunks == [b"PNG"]
    assert [arrived.target for arrived in server.arrived] == ["/0", "/1", "/2", "/3"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_dead_url_is_expired(status: int) -> None:
    """D1: a fresh URL is wanted."""
    error, _ = failing_fetch(always(answer(status, b"<Error/>")))

    assert error.expired


@pytest.mark.parametrize("status", [201, 204, 206, 304, 302, 400, 401, 429, 500, 503])
def test_any_other_status_is_worth_another_try(status: int) -> None:
    """D6: only 200 is an image."""
    error, _ = failing_fetch(always(answer(status, b"")))

    assert not error.expired
    assert not error.forbidden
    assert str(status) in str(error)


async def short(visit: Visit) -> None:
    """Send less than announced."""
    await visit.request()
    await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nPNG")


async def close_after_reading(visit: Visit) -> None:
    """Take the request and hang up."""
    await visit.request()


async def reset_inside(visit: Visit) -> None:
    """Cut the connection in the middle of the picture."""
    await visit.request()
    await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nPNG")
    visit.reset()


@pytest.mark.parametrize(
    "script",
    [
        short,
        close_after_reading,
        reset_inside,
        always(b"garbage\r\n\r\n"),
        always(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"),
        always(answer(200, gzip.compress(PICTURE), {"Content-Encoding": "gzip"})),
    ],
    ids=["short", "close", "reset", "garbage", "huge-header", "gzip"],
)
def test_a_broken_transfer_is_a_download_error(script: Script) -> None:
    """D2, D6: the next try starts from byte 0; neither key nor signature nor foreign error is in the error."""
    error, _ = failing_fetch(script)

    assert not error.expired
    assert error.__context__ is None
    assert "secret" not in repr(error)
    assert KEY not in repr(error)


def test_a_dripping_download_is_given_up() -> None:
    """D6: under the least speed over one window."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.drip(answer(200, PICTURE), every_s=0.01)

    error, _ = failing_fetch(script, patience=Patience(drip_window_s=0.1, drip_bytes=1024))

    assert "hardly moves" in str(error)


def test_speed_is_judged_window_by_window() -> None:
    """A fast beginning does not excuse a slow middle, and a slow moment does not condemn a window."""
    drip = _Drip(patience=Patience(drip_window_s=30.0, drip_bytes=1000), since=0.0)

    steps = ((999, 29.0), (1, 30.0), (5000, 31.0), (0, 60.0), (500, 75.0), (499, 90.0))

    assert [drip.is_too_slow(size, now) for size, now in steps] == [False, False, False, False, False, True]


def test_a_silent_download_is_given_up() -> None:
    """D6: a window without a byte."""
    error, _ = failing_fetch(hang, patience=Patience(drip_window_s=0.1))

    assert "time" in str(error)


def test_a_long_download_is_given_up() -> None:
    """D6: the whole takes no longer than the manifest allows."""
    error, _ = failing_fetch(hang, download_timeout_s=0.1)

    assert "timeout" in str(error)


def test_what_the_sink_raises_comes_through() -> None:
    """A full disk or an oversized image is not the network's fault."""
    with pytest.raises(BadImageError, match="too many"):
        fetch_from(always(answer(200, PICTURE)), basket=Basket(room=1000))
