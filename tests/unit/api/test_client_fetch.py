"""Downloads: no key, no cookies, nowhere private, and not a byte changed."""

import asyncio
import gzip
from collections.abc import Callable

import pytest

from batchgen.api.client import Patience, _Drip
from batchgen.core.errors import BadImageError, DownloadError
from batchgen.core.ports import Fetched
from tests.support.clients import KEY, connected
from tests.support.rawserver import CERTIFICATE, RawServer, Script, Visit, always, answer, hang, listening, self_signed

PICTURE = bytes(range(256)) * 1024
ABROAD = "https://api.viraltok.ai"


class Basket:
    """A sink that keeps what it gets."""

    def __init__(self, *, room: int = 1 << 30) -> None:
        self.chunks: list[bytes] = []
        self.room = room

    def write(self, chunk: bytes) -> None:
        """Take a chunk while there is room."""
        self.room -= len(chunk)
        if self.room < 0:
            raise BadImageError("too many bytes", reason="too_big")
        self.chunks.append(chunk)


def fetch_from(
    script: Script, path: str = "/out/1.png", *, basket: Basket | None = None, patience: Patience | None = None
) -> tuple[Fetched, Basket, RawServer]:
    """Download one file from a server beside the API."""
    sink = basket or Basket()

    async def run() -> tuple[Fetched, Basket, RawServer]:
        async with listening(script) as server, connected(server.url, patience=patience, download_timeout_s=5.0) as client:
            return await client.fetch(server.url + path, sink), sink, server

    return asyncio.run(run())


def failing_fetch(
    script: Script, *, patience: Patience | None = None, download_timeout_s: float = 5.0, url: Callable[[RawServer], str] | None = None
) -> tuple[DownloadError, RawServer]:
    """Download one file and fail."""

    async def run() -> tuple[DownloadError, RawServer]:
        async with (
            listening(script) as server,
            connected(server.url, patience=patience, download_timeout_s=download_timeout_s) as client,
        ):
            with pytest.raises(DownloadError) as caught:
                await client.fetch(url(server) if url else f"{server.url}/out/1.png?Signature=secret", Basket())
            return caught.value, server

    return asyncio.run(run())


def refused_abroad(url: str) -> DownloadError:
    """Ask a client whose API is on the public internet for a URL that it must not touch."""

    async def run() -> DownloadError:
        async with connected(ABROAD) as client:
            with pytest.raises(DownloadError) as caught:
                await client.fetch(url, Basket())
            return caught.value

    return asyncio.run(run())


def test_a_download_carries_no_key_and_no_cookie() -> None:
    """The storage host learns nothing about the account."""

    async def run() -> list[dict[str, str]]:
        served = always(answer(200, PICTURE, {"Content-Type": "image/png", "Set-Cookie": "a=b"}))
        async with listening(served) as server, connected(server.url) as client:
            await client.fetch(f"{server.url}/1.png", Basket())
            await client.fetch(f"{server.url}/2.png", Basket())
            return [{**arrived.headers, "host": ""} for arrived in server.arrived]

    plain = {"host": "", "user-agent": "batchgen/test", "accept": "*/*", "accept-encoding": "identity"}
    assert asyncio.run(run()) == [plain, plain]


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


def test_a_fourth_redirect_is_refused() -> None:
    """D5: nobody is led in circles."""
    error, server = failing_fetch(always(answer(302, b"", {"Location": "/again"})))

    assert error.forbidden
    assert len(server.arrived) == 4


@pytest.mark.parametrize(
    "place",
    [
        "http://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "file:///etc/passwd",
        "https://user:pw@cdn.example.net/",
        "https://cdn.example.net:22/",
        "http://cdn.example.net/",
        "//10.0.0.1/x",
        "http://[",
    ],
)
def test_redirects_are_judged_like_the_first_url(place: str) -> None:
    """D5: a redirect leads no further in than a URL may."""
    error, server = failing_fetch(always(answer(302, b"", {"Location": place})))

    assert error.forbidden
    assert len(server.arrived) == 1


def test_a_redirect_never_leaves_tls() -> None:
    """D5: https stays https, on loopback too."""

    async def run() -> DownloadError:
        async with listening(always(answer(200, b"PNG"))) as plain:
            moved = always(answer(302, b"", {"Location": f"{plain.url}/1.png"}))
            async with listening(moved, tls=self_signed()) as safe, connected(safe.url) as client:
                client._tls.load_verify_locations(CERTIFICATE)
                with pytest.raises(DownloadError, match="plain http") as caught:
                    await client.fetch(f"{safe.url}/1.png", Basket())
                assert plain.visits == []
                return caught.value

    assert asyncio.run(run()).forbidden


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fec0::1]/",
        "https://168.63.129.16/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://169.254.43518/",
        "https://①②⑦.⓪.⓪.①/",
        "http://localhost/",
        "http://cdn.example.net/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://cdn.example.net/",
        "https://user:pw@cdn.example.net/",
        "https://:pw@cdn.example.net/",
        "https://cdn.example.net:22/",
        "https://cdn.example.net/" + "x" * 10_000,
        "https://cdn.example.net/\r\nX: y",
        "https://cdn.example.net\\@10.0.0.1/",
        "https://[zz]/",
        "https://",
        "",
    ],
    ids=lambda url: url[:40],
)
def test_urls_that_lead_inwards_or_nowhere_are_refused(url: str) -> None:
    """D5: private addresses in every spelling, odd schemes, ports and forms; the message names no more than the host."""
    error = refused_abroad(url)

    assert error.forbidden
    assert not error.expired
    assert "pw" not in str(error)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_nothing_connects_to_loopback_while_the_api_is_abroad(name: str) -> None:
    """No byte reaches a service on this machine."""

    async def run() -> int:
        async with listening(always(answer(200, b"PNG"))) as server, connected(ABROAD) as client:
            with pytest.raises(DownloadError):
                await client.fetch(f"http://{name}:{server.port}/1.png", Basket())
            return len(server.visits)

    assert asyncio.run(run()) == 0


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
