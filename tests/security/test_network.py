"""Rows 17 to 27 and 31 of the table of threats: where requests and downloads may go, what they carry, and how much may come back."""

import asyncio
import gzip
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

from batchgen.api.client import MAX_JSON_BYTES, HttpClient
from batchgen.api.dialects import dialect_for
from batchgen.api.endpoint import Endpoint
from batchgen.api.webhook import post_message
from batchgen.core.dialects import Call, Reply
from batchgen.core.errors import BadImageError, BatchgenError, DownloadError, InputError, StopRunError
from batchgen.core.hosts import is_public
from batchgen.core.readings import Accepted, Unreadable
from batchgen.files.inspector import Inspector
from batchgen.files.shelf import ImageShelf
from batchgen.planning.provider import base_url
from batchgen.settings import Settings
from tests.support.builders import job
from tests.support.cli import CANARY, CommandLine, Vendor, open_host, study
from tests.support.clients import ABROAD, KEY, Basket, connected, failing_fetch, refused_abroad
from tests.support.manifests import Desk
from tests.support.rawserver import CERTIFICATE, ELSEWHERE, EXPIRED, Visit, always, answer, listening, self_signed

ORDER = Call(method="POST", path="/api/open-api/v1/images", body=b'{"prompt":"fox"}')
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(1024)
WRAPPED = ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "fec0::1", "ff02::1", "ff0e::1", "fd00:ec2::254")
ODD = ("2130706433", "0x7f.1", "127.1", "169.254.43518", "①②⑦.⓪.⓪.①", "0177.0.0.1")


# --- rows 17 to 22: where a download may go ---


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://[::1]/",
        "http://localhost",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://0.0.0.0/",
        "https://100.64.0.1/",
    ],
)
def test_row_17_a_result_inside_our_network_is_not_fetched(url: str) -> None:
    """Whatever the vendor names, private addresses are refused."""
    assert refused_abroad(url).forbidden


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_row_17_no_byte_reaches_this_machine_while_the_api_is_abroad(name: str) -> None:
    """A service that listens here sees no connection."""

    async def run() -> int:
        async with listening(always(answer(200, PICTURE))) as server, connected(ABROAD) as client:
            with pytest.raises(DownloadError):
                await client.fetch(f"http://{name}:{server.port}/1.png", Basket())
            return len(server.visits)

    assert 0 == asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "https://user:pw@example.com/a.png",
        "https://example.com:8443/a.png",
        "https://example.com:x/a.png",
        "https://169.254.169.254/a.png",
        "https://[::1]/a.png",
        "https://localhost/a.png",
        "https://2130706433/a.png",
        "https://127.1/a.png",
        "https://0x7f.1/a.png",
        "https://169.254.43518/a.png",
        "https://[64:ff9b::a00:1]/a.png",
        "https://[2002:7f00:1::]/a.png",
        "https://[fec0::1]/a.png",
        "https://168.63.129.16/a.png",
        "https://224.0.0.1/a.png",
        "https://exa mple.com/a.png",
        "file:///etc/passwd",
        "https:///a.png",
    ],
)
def test_row_17_to_19_an_address_of_a_reference_must_be_public(desk: Desk, url: str) -> None:
    """The vendor would fetch it for us, from inside its own network or ours: it is refused when the plan is made."""
    problems = desk.problems(f"references: {{a: {{url: '{url}'}}}}\nprompts: [a]\n")

    assert ["E207"] == [problem.code for problem in problems]


def test_row_17_a_public_address_of_a_reference_is_accepted(desk: Desk) -> None:
    """Also as a number."""
    plan = desk.plan('references: {a: {url: "https://1.1.1.1/a.png"}, b: {url: "https://example.com/b"}}\nprompts: [a]\n')

    assert {"a", "b"} == set(plan.settings.references)


@pytest.mark.parametrize("spelling", ODD)
def test_row_18_odd_spellings_of_addresses_are_refused(spelling: str) -> None:
    """The resolver of this system understands them all, so no library's strictness protects us."""
    assert refused_abroad(f"https://{spelling}/").forbidden


@pytest.mark.parametrize("spelling", [word for word in ODD if word.isascii()])
def test_row_18_what_an_odd_spelling_resolves_to_is_judged_too(spelling: str) -> None:
    """Behind the judgement of the text stands one of the address that the system makes of it."""
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(spelling, 443)}

    assert found
    assert not any(map(is_public, found))


@pytest.mark.parametrize("address", [*WRAPPED, "168.63.129.16", "224.0.0.1"])
def test_row_19_wrapped_and_special_addresses_are_refused(address: str) -> None:
    """An IPv4 address inside IPv6 is taken out and judged; multicast and the clouds' own addresses have a list."""
    assert refused_abroad(f"https://[{address}]/" if ":" in address else f"https://{address}/").forbidden
    assert not is_public(address)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the system's resolver give these addresses, one list after the other; give the list of the names it was asked."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_row_20_the_dialled_address_is_the_checked_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public at its first look-up and 127.0.0.1 at the second is looked up once, and the first is dialled."""
    asked = resolving(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])

    async def run() -> None:
        async with connected(ABROAD) as client:
            await client.fetch("https://rebound.example/1.png", Basket())

    with pytest.raises((SocketConnectBlockedError, UserWarning), match=r"93\.184\.215\.14"):  # raised where it would be dialled
        asyncio.run(run())
    assert ["rebound.example"] == asked


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["169.254.169.254", "93.184.215.14"]])
def test_row_20_every_address_of_a_name_must_pass(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    """One private address among public ones is enough to refuse the name."""
    resolving(monkeypatch, found)

    assert refused_abroad("https://mixed.example/1.png").forbidden


def test_row_20_the_certificate_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is dialled, but TLS names the host: the server learns which one is meant."""
    names: list[str | None] = []

    async def run() -> None:
        context = self_signed()
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        async with listening(always(answer(200, PICTURE)), tls=context) as server, connected(server.url) as client:
            client._tls.load_verify_locations(CERTIFICATE)
            await client.fetch(f"https://localhost:{server.port}/1.png", Basket())

    asyncio.run(run())
    assert ["localhost"] == names


@pytest.mark.parametrize(
    "place",
    [
        "http://10.0.0.1",
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
def test_row_21_redirects_are_judged_like_the_first_url(place: str) -> None:
    """D5: a redirect leads no further in than a URL may."""
    error, server = failing_fetch(always(answer(302, b"", {"Location": place})))

    assert error.forbidden
    assert 1 == len(server.arrived)


def test_row_21_a_fourth_redirect_is_refused() -> None:
    """D5: nobody is led in circles."""
    error, server = failing_fetch(always(answer(302, b"", {"Location": "/again"})))

    assert error.forbidden
    assert 4 == len(server.arrived)


def test_row_21_a_redirect_never_leaves_tls() -> None:
    """D5: https stays https, on loopback too."""

    async def run() -> DownloadError:
        async with listening(always(answer(200, PICTURE))) as plain:
            moved = always(answer(302, b"", {"Location": f"{plain.url}/1.png"}))
            async with listening(moved, tls=self_signed()) as safe, connected(safe.url) as client:
                client._tls.load_verify_locations(CERTIFICATE)
                with pytest.raises(DownloadError, match="plain http") as caught:
                    await client.fetch(f"{safe.url}/1.png", Basket())
                assert [] == plain.visits
                return caught.value

    assert asyncio.run(run()).forbidden


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://cdn.example.net/",
        "http://cdn.example.net/",
        "https://user:pw@h/",
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
def test_row_22_odd_urls_are_refused(url: str) -> None:
    """Only https on the two web ports, no user, no line break, no endless path; the message names no more than the host."""
    error = refused_abroad(url)

    assert error.forbidden
    assert not error.expired
    assert "pw" not in str(error)


# --- rows 23 to 27: the key, the id and the address ---


def test_row_23_a_download_carries_no_key_and_no_cookie() -> None:
    """The storage host learns nothing about the account, and what it sets does not come back."""

    async def run() -> list[dict[str, str]]:
        served = always(answer(200, PICTURE, {"Content-Type": "image/png", "Set-Cookie": "a=b"}))
        async with listening(always(answer())) as api, listening(served) as storage, connected(api.url) as client:
            await client.order(ORDER)
            await client.fetch(f"{storage.url}/1.png", Basket())
            await client.fetch(f"{storage.url}/2.png", Basket())
            return [{**arrived.headers, "host": ""} for arrived in storage.arrived]

    plain = {"host": "", "user-agent": "batchgen/test", "accept": "*/*", "accept-encoding": "identity"}
    assert [plain, plain] == asyncio.run(run())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_row_23_a_redirect_of_the_api_is_not_followed(status: int) -> None:
    """S14: the key follows nobody, in an order or a question; the host that the API points at sees no connection."""

    async def run() -> tuple[list[int], int]:
        async with listening(always(answer())) as other:
            moved = always(answer(status, b"", {"Location": f"{other.url}/elsewhere"}))
            async with listening(moved) as api, connected(api.url) as client:
                replies = [await client.order(ORDER), await client.ask(Call(method="GET", path="/a"))]
                return [reply.status for reply in replies], len(other.visits)

    assert ([status, status], 0) == asyncio.run(run())


def accepted(task_id: object) -> object:
    """Read an answer that accepts an order under this id."""
    body = json.dumps({"code": 20000, "msg": "ok", "data": {"task_id": task_id}}).encode()
    return _jimmyai().read_submit(job(), Reply(status=200, headers={}, body=body))


@pytest.mark.parametrize(
    ("task_id", "path"),
    [("../../user/balance", "..%2F..%2Fuser%2Fbalance"), ("a?x=1", "a%3Fx%3D1"), (17, "17"), ("x" * 256, "x" * 256)],
    ids=["slashes", "query", "int", "256 characters"],
)
def test_row_24_an_id_is_one_step_of_a_path(task_id: object, path: str) -> None:
    """Whatever it holds, the question goes to the address of tasks."""
    reading = accepted(task_id)

    assert isinstance(reading, Accepted)
    assert f"/api/open-api/v1/images/{path}" == _jimmyai().poll(job(task_id=reading.task_id)).path


@pytest.mark.parametrize(
    "task_id", ["x" * 257, "x" * 10_000, "a\nb", ["a"], {"a": 1}, True, 1.5, "..", "\ud800"], ids=lambda value: repr(value)[:12]
)
def test_row_24_an_id_that_is_none_leaves_the_order_ambiguous(task_id: object) -> None:
    """S5: too long, several lines, no scalar: the order may stand, and nothing can find it."""
    assert isinstance(accepted(task_id), Unreadable)


@pytest.mark.parametrize(
    "address",
    [
        "http://api.viraltok.ai",
        "http://api.example.org",
        "http://127.0.0.1.evil.example",
        "ftp://api.example.org",
        "https://",
        "https://user@api.example.org",
        "https://api.example.org/?x=1",
        "https://api.example.org/#x",
        "https://api.example.org:port/",
        "https://[::1",
        "https://api.example.org/a b",
        "https://bücher.example",
        "https://api.example.org/" + "x" * 3000,
    ],
    ids=lambda address: address[:40],
)
def test_row_25_an_address_of_the_api_must_be_safe(address: str) -> None:
    """Https anywhere, http on loopback only, nothing but host, port and path."""
    with pytest.raises(ValueError, match=r"address|http"):
        base_url(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_row_25_loopback_may_be_plain(host: str) -> None:
    """A simulator or a test server needs no certificate."""
    assert f"http://{host}:8080/api" == base_url(f"http://{host}:8080/api/")


@pytest.mark.parametrize(
    "address",
    ["", "api.viraltok.ai", "http://api.viraltok.ai", "http://10.0.0.1", "http://127.1", "http://localhost.evil.com", "https://api\n.viraltok.ai",
     "ftp://api.viraltok.ai", "https://", "https://user:pw@api.viraltok.ai", "https://api.viraltok.ai?x=1", "https://api.viraltok.ai#x",
     "https://api.viraltok.ai:99999"],
)  # fmt: skip
def test_row_25_the_client_checks_the_address_again(address: str) -> None:
    """A stored plan may hold what no manifest could."""
    with pytest.raises(InputError, match=r"provider\.base_url"):
        HttpClient(Endpoint(base_url=address, key=KEY), submit_timeout_s=1, download_timeout_s=1, user_agent="t")


def test_row_25_the_plan_shows_the_host_and_another_one_needs_consent(cli: CommandLine) -> None:
    """A look-alike host is there to be read; a batch that was ordered elsewhere is not ordered from it until somebody agrees."""
    cli.write(study("https://api.viraltok.ai.evil", ["a gate"]))
    shown = cli("plan", "study.yaml", "--offline")

    with open_host(lambda _: (503, {}, b"")) as old, open_host(lambda _: (503, {}, b"")) as new:
        cli.write(study(old.url, ["a gate"], retry={"attempts": 1}))
        cli("plan", "study.yaml", "--offline", "--save")
        cli.write(study(new.url, ["a gate"], retry={"attempts": 1}))
        refused = cli("run", "study.yaml")
        agreed_before = [request for request in new.seen if "authorization" in request.headers]
        agreed = cli("run", "study.yaml", "-y")

    assert "orders and the key go to https://api.viraltok.ai.evil" in shown.out
    assert 2 == refused.code
    assert old.url.removeprefix("http://") in refused.err
    assert [] == agreed_before
    assert 2 != agreed.code
    assert [request for request in new.seen if "authorization" in request.headers]


def test_row_26_the_environments_proxy_gets_nothing(cli: CommandLine, vendor: Vendor) -> None:
    """Orders, questions, downloads and the catalogue go to their hosts, whatever proxy the variables name; the manifest has no such key."""
    cli.write(study(vendor.url, ["a gate, no proxy"]))
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")

    with open_host(lambda _: (200, {}, b"")) as evil:
        run = cli("run", "study.yaml", "-y", **dict.fromkeys(names, evil.url))
        account = cli("account", "study.yaml", **dict.fromkeys(names, evil.url))

    assert (0, 0) == (run.code, account.code), run.err
    assert [] == evil.seen


def test_row_26_a_proxy_in_the_manifest_is_an_unknown_key(desk: Desk) -> None:
    """There is none to show in a plan."""
    assert ["5:12 E104"] == desk.places("prompts: [a]\nprovider: {proxy: 'http://evil.example'}\n")


@pytest.mark.parametrize(
    ("certificate", "is_trusted", "words"),
    [(CERTIFICATE, False, "self-signed"), (EXPIRED, True, "expired"), (ELSEWHERE, True, "mismatch")],
    ids=["self-signed", "expired", "wrong host"],
)
def test_row_26_bad_certificates_stop_the_run(certificate: Path, words: str, *, is_trusted: bool) -> None:
    """S2: the checks are never switched off, not by the manifest either; the setting is named, and no byte of the order is sent."""

    async def run() -> BatchgenError:
        async with listening(always(answer()), tls=self_signed(certificate)) as server, connected(server.url) as client:
            if is_trusted:
                client._tls.load_verify_locations(certificate)
            with pytest.raises(BatchgenError) as caught:
                await client.order(ORDER)
            with pytest.raises(DownloadError):
                await client.fetch(f"{server.url}/1.png", Basket())
            assert [] == server.arrived
            return caught.value

    error = asyncio.run(run())
    assert isinstance(error, StopRunError)
    assert (2, "config") == (error.exit_code, error.reason)
    assert "provider.base_url" in str(error)
    assert words in str(error)


@pytest.mark.parametrize("word", ["insecure", "verify", "verify_tls"])
def test_row_26_nothing_switches_the_checks_off(desk: Desk, word: str) -> None:
    """There is no such key."""
    assert ["5:12 E104"] == desk.places(f"prompts: [a]\nprovider: {{{word}: false}}\n")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("sk-canary\r\nX-Evil: 1", "white space"),
        ("sk canary", "white space"),
        ("sk-canary\u2019", "not ASCII"),
        ('"sk-canary"', "a quotation mark"),
        ("sk-canary\x01", "a control character"),
        ("sk-\x7fcanary", "a control character"),
    ],
    ids=["CRLF", "space", "typographic quote", "quotes", "control", "DEL"],
)
def test_row_27_a_value_that_cannot_be_a_key_is_refused_and_not_quoted(value: str, kind: str) -> None:
    """The error names variable, position and kind of character, and nothing of the key."""
    with pytest.raises(InputError, match=kind) as caught:
        Settings.from_environment({"KEY": value}).secret("KEY")

    assert "canary" not in str(caught.value)
    assert "KEY" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "secret"), [("sk-abc", "sk-abc"), ("sk-abc\n", "sk-abc"), (" sk-abc\r\n", "sk-abc"), ("", None), ("  \n", None)]
)
def test_row_27_a_key_is_trimmed_and_an_empty_one_is_none(value: str, secret: str | None) -> None:
    """A copied line break is no part of a key, and nothing is no key."""
    assert secret == Settings.from_environment({"KEY": value}).secret("KEY")


@pytest.mark.parametrize("key", ["", "  \n", "sk-a b", "sk-a\r\nX: y", "sk-\u2019", "sk-\x00", "sk-é"])
def test_row_27_the_client_refuses_such_a_key_too(key: str) -> None:
    """The error says what is wrong and not what the key is."""
    with pytest.raises(InputError) as caught:
        HttpClient(Endpoint(base_url=ABROAD, key=key), submit_timeout_s=1, download_timeout_s=1, user_agent="t")

    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("value", [f"{CANARY}\n", f" {CANARY}\u2019", "", "\r\n"])
def test_row_27_the_command_line_says_so_without_the_key(cli: CommandLine, value: str) -> None:
    """A stray line break is taken away; a quote or nothing ends with exit 2 or 4, and no file or output quotes what was given."""
    with open_host(lambda _: (503, {}, b"")) as host:
        cli.write(study(host.url, ["a gate"], retry={"attempts": 1}))
        ended = cli("account", "study.yaml", JIMMYAI_API_KEY=value)
        keys = {request.headers["authorization"] for request in host.seen}

    assert {f"Bearer {CANARY}"} >= keys
    assert bool(keys) == (value == f"{CANARY}\n")
    assert keys or ended.code in {2, 4}


# --- row 31: how much may come back ---


async def _endless(visit: Visit) -> None:
    await visit.request()
    await visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await visit.send(bytes(1 << 16))


def test_row_31_an_endless_image_ends_at_the_cap(tmp_path: Path) -> None:
    """64 MiB at most are kept of an image, here 1 MiB: the transfer is cut there, and nothing stays on the disk."""
    shelf = ImageShelf(tmp_path, lambda _: "x", sidecar=False, inspector=Inspector(), max_bytes=1 << 20)

    async def run() -> None:
        async with listening(_endless) as server, connected(server.url) as client:
            draft = shelf.draft(job(attempt_id=1), 0)
            with pytest.raises(BadImageError) as caught:
                await client.fetch(f"{server.url}/1.png", draft)
            draft.discard()
            assert "too_big" == caught.value.reason
            await server.gone.wait()

    asyncio.run(run())
    assert [] == list(tmp_path.iterdir())
    assert 64 * 1024 * 1024 == ImageShelf(tmp_path, lambda _: "x", sidecar=False, inspector=Inspector())._terms.max_bytes


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_row_31_a_compressed_image_is_not_unpacked(encoding: str) -> None:
    """200 KB that would become 200 MB: the request asks for none, and an answer that is compressed all the same is refused unread."""
    bomb = gzip.compress(bytes(200 * 1000**2))

    error, server = failing_fetch(always(answer(200, bomb, {"Content-Encoding": encoding})))

    assert len(bomb) < 250_000
    assert "compressed" in str(error)
    assert "identity" == server.arrived[0].headers["accept-encoding"]


@pytest.mark.parametrize(
    "send", [lambda client: client.order(ORDER), lambda client: client.ask(Call(method="GET", path="/a"))], ids=["order", "question"]
)
def test_row_31_an_endless_answer_ends_at_1_mib(send: Callable[[HttpClient], object]) -> None:
    """The outcome of an order is unknown then, of a question not told; a compressed one stays as it came and is no JSON."""

    async def run() -> BatchgenError:
        async with listening(_endless) as server, connected(server.url) as client:
            with pytest.raises(BatchgenError) as caught:
                await send(client)  # type: ignore[misc] # a call of the client's
            await client.close()
            await server.gone.wait()
            return caught.value

    assert "longer than 1 MiB" in str(asyncio.run(run()))
    assert 1 << 20 == MAX_JSON_BYTES


def _jimmyai():  # noqa: ANN202 - the dialect's own class
    dialect = dialect_for("jimmyai")
    assert dialect is not None
    return dialect


# --- row 40: where a webhook may go ---


def _post(url: str, *, is_local: bool = False) -> None:
    post_message(url, b"{}", is_local=is_local, user_agent="batchgen/test", limit_s=5.0)


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["169.254.169.254", "93.184.215.14"]])
@pytest.mark.parametrize("is_local", [False, True])
def test_row_40_every_address_of_a_webhooks_name_must_be_public(
    monkeypatch: pytest.MonkeyPatch, found: list[str], *, is_local: bool
) -> None:
    """Also while the vendor is on loopback: then loopback may be named, but no other name may lead there."""
    resolving(monkeypatch, found)

    with pytest.raises(DownloadError, match=r"^mixed\.example: its address is not public$") as caught:
        _post("https://mixed.example/hook?secret=1", is_local=is_local)

    assert caught.value.forbidden


def test_row_40_a_webhook_is_dialled_where_it_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up once."""
    asked = resolving(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])

    with pytest.raises((SocketConnectBlockedError, UserWarning), match=r"93\.184\.215\.14"):  # raised where it would be dialled
        _post("https://rebound.example/hook")

    assert ["rebound.example"] == asked


def test_row_40_a_webhook_whose_certificate_is_not_trusted_gets_nothing() -> None:
    """TLS is checked like everywhere."""

    async def run() -> int:
        async with listening(always(answer(200, b"{}")), tls=self_signed()) as server:
            with pytest.raises(DownloadError, match="certificate"):
                await asyncio.to_thread(_post, f"https://localhost:{server.port}/hook", is_local=True)
            return len(server.arrived)

    assert 0 == asyncio.run(run())


def test_row_40_no_proxy_of_the_environment_gets_a_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes to its address, whatever the variables name."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with open_host(lambda _: (200, {}, b"")) as host:
        _post(host.url, is_local=True)

    assert 1 == len(host.seen)
