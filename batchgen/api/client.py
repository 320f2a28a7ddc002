"""The network: paid POSTs that go out once, free questions, and downloads. Knows no vendor; nothing else imports an HTTP library.

Theory of operation. Three ways out, as far apart as their risks. ``order`` rides httpx's own transport, because a paid POST needs to know
whether its first byte left: the transport reports that moment, and an exception before it is NotSentError, at or after it
OutcomeUnknownError. A kept-alive connection that the server has closed is noticed before it is used; when the close crosses the request on
the wire, the outcome is unknown, and nothing here ever sends an order twice. ``ask`` and ``fetch`` ride aiohttp, at a fifth of the CPU and
without touching a signed URL (httpx-aiohttp re-quotes its query, which breaks the signature); a GET on a stale connection is repeated once
by aiohttp. ``fetch`` has a session of its own that never saw the key and dials only what ``addresses.Policy`` allows.

No errors of the libraries come out of here: they may carry request headers, so ours are raised beside them, not on top of them.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Final

import aiohttp
import httpx
from yarl import URL

from batchgen.api.addresses import Policy
from batchgen.api.endpoint import Endpoint
from batchgen.api.envelope import excerpt
from batchgen.api.failures import causes, told
from batchgen.api.guarded import CONNECTIONS, admitted, bare_session, guarded_connector, joined, read_url, unreached
from batchgen.api.suspension import suspended_s
from batchgen.core.dialects import Call, Reply
from batchgen.core.errors import DownloadError, ExchangeError, InputError, NotSentError, OutcomeUnknownError, StopRunError
from batchgen.core.hosts import is_loopback_host
from batchgen.core.ports import Answer, Fetched, Sink
from batchgen.core.secrets import spellings

MAX_JSON_BYTES: Final = 1 << 20
MAX_REDIRECTS: Final = 3
CHUNK_BYTES: Final = 1 << 16
_KEEP_ALIVE_S: Final = 2.0  # shorter than any server's own limit, so that an order seldom meets a connection that is just being closed
_SLEPT_S: Final = 1.0
_SENDING: Final = "http11.send_request_headers.started"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_EXPIRED: Final = frozenset({403, 404, 410})
_MIN_SECRET_CHARS: Final = 8
_BEGUN_CHARS: Final = 2000
_ESCAPED: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\(?:u00((?!22|5[cC])[2-7][0-9a-fA-F])|/)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each step may take, in seconds, and how slow a download may be before it is given up."""

    connect_s: float = 10.0
    write_s: float = 30.0
    ask_s: float = 60.0
    upload_s: float = 300.0
    drip_window_s: float = 30.0
    drip_bytes: int = 30 * 1024
    suspended_s: Callable[[], float] = suspended_s
    """How long the machine has slept in all: no order waits for, or goes out over, a connection from before a sleep."""


@dataclass(slots=True)
class _Wire:
    """Learn from the transport when an order's first byte may leave, and bound the time from then on.

    The bound is a backstop against an answer that only drips; the transport's own timeouts come first. What came of an answer before it
    broke off stays in ``arrived``: a task's id may be in it.
    """

    limit: asyncio.Timeout
    longest_s: float
    is_open: bool = False
    status: int = 0
    arrived: bytearray = field(default_factory=bytearray)

    async def __call__(self, step: str, _facts: Mapping[str, object]) -> None:
        if step == _SENDING:
            self.is_open = True
            self.limit.reschedule(asyncio.get_running_loop().time() + self.longest_s)


@dataclass(slots=True)
class _Drip:
    """Notice a download that hardly moves."""

    patience: Patience
    since: float
    received_bytes: int = 0

    def is_too_slow(self, chunk_bytes: int, now: float) -> bool:
        """Count a chunk; say whether the window that ends with it stayed under the least speed."""
        self.received_bytes += chunk_bytes
        if now - self.since < self.patience.drip_window_s:
            return False
        is_slow = self.received_bytes < self.patience.drip_bytes
        self.since, self.received_bytes = now, 0
        return is_slow


class HttpClient:
    """The real ``core.ports.Client`` for one API and one key.

    Raises InputError for an address or a key that cannot be used, without quoting the key. May be built outside an event loop; connections
    open at the first call.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        submit_timeout_s: float,
        download_timeout_s: float,
        user_agent: str,
        posts_at_once: int = 8,
        patience: Patience | None = None,
    ) -> None:
        base = _checked_base(endpoint.base_url, endpoint.api_path, "provider.base_url")
        sync = endpoint.sync_base_url
        self._bases: Final = {
            "api": base,
            "sync": base if sync is None else _checked_base(sync, endpoint.api_path, "provider.sync_base_url"),
        }
        key = None if endpoint.key is None else _checked_key(endpoint.key)
        self._spellings: Final = _spellings(key or "")
        self._policy = Policy(loopback=all(is_loopback_host(base.host) for base in self._bases.values()))
        self._submit_timeout_s = submit_timeout_s
        self._download_timeout_s = download_timeout_s
        self._patience = patience or Patience()
        self._plain_headers: Final = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        header, value = endpoint.authorization
        shown = {} if key is None else {header: value.replace("{key}", key)}
        self._api_headers: Final = {**self._plain_headers, "Accept": "application/json", **shown}
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._posts_at_once = posts_at_once
        self._slept_s = self._patience.suspended_s()
        self._orders = self._transport()
        self._former: list[httpx.AsyncHTTPTransport] = []
        self._questions: aiohttp.ClientSession | None = None
        self._downloads: aiohttp.ClientSession | None = None

    async def order(self, call: Call, answer: Answer | None = None) -> Reply:
        """Send a paid request once; raise NotSentError or OutcomeUnknownError, never retry.

        With ``answer`` the body is written there as it comes and is not bound to 1 MiB; the answer is durable when this returns. What
        writing raises (FileError, BadImageError) comes out as it is: the request was sent then. Raises StopRunError when the host's
        certificate is not trusted. A cancelled call raises CancelledError, which says nothing about what was sent: whoever cancels an order
        must take its outcome for unknown.
        """
        self._renew_after_sleep()
        limit = asyncio.timeout(None)
        wire = _Wire(limit=limit, longest_s=self._patience.write_s + self._submit_timeout_s)
        try:
            async with limit:
                return await self._send(call, wire, answer)
        except (httpx.HTTPError, OSError) as error:
            failure = self._order_failure(error, self._bases[call.host].host, wire)
        raise failure

    async def ask(self, call: Call) -> Reply:
        """Send a free request once; raise ExchangeError."""
        patience = self._patience
        try:
            async with asyncio.timeout(patience.ask_s if call.body is None else patience.upload_s):
                return await self._question(call)
        except (aiohttp.ClientError, OSError) as error:
            host = self._bases[call.host].host
            failure = ExchangeError(f"{host}: {told(error)}", host=host)
        raise failure

    async def fetch(self, url: str, sink: Sink) -> Fetched:
        """Download a result without key or cookies; raise DownloadError, or what the sink raises.

        Follows up to three redirects, each judged like the first URL. The sink gets the body's raw bytes; how many of them it keeps after
        an error is its own affair.
        """
        host = ""
        try:
            target = admitted(url, self._policy)
            host = target.raw_host or ""
            async with asyncio.timeout(self._download_timeout_s):
                return await self._follow(target, sink)
        except (aiohttp.ClientError, OSError) as error:
            failure = unreached(error, host)
        raise failure

    async def close(self) -> None:
        """Close every connection."""
        for transport in (self._orders, *self._former):
            await transport.aclose()
        for session in (self._questions, self._downloads):
            if session is not None:
                await session.close()

    # --- orders and questions ---

    def _transport(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=self._tls,
            trust_env=False,
            http1=True,
            http2=False,
            retries=0,
            limits=httpx.Limits(max_connections=self._posts_at_once, keepalive_expiry=_KEEP_ALIVE_S),
        )

    def _renew_after_sleep(self) -> None:
        """Leave connections alone that are older than the machine's last sleep: the other side may have forgotten them.

        The pool does not see it, because its clock stood still, and an order over such a connection would be in doubt. What is under way
        goes on until ``close``.
        """
        slept_s = self._patience.suspended_s()
        if slept_s - self._slept_s > _SLEPT_S:
            self._slept_s = slept_s
            self._former.append(self._orders)
            self._orders = self._transport()

    async def _send(self, call: Call, wire: _Wire, answer: Answer | None) -> Reply:
        patience = self._patience
        base = self._bases[call.host]
        request = httpx.Request(
            call.method,
            f"{base.url}{call.path}",
            headers={**self._api_headers, **_own_headers(call)},
            content=_stream(call.pieces),
            extensions={
                "trace": wire,
                "timeout": {
                    "connect": patience.connect_s,
                    "write": patience.write_s,
                    "read": self._submit_timeout_s,
                    "pool": self._submit_timeout_s,
                },
            },
        )
        response = await self._orders.handle_async_request(request)
        try:
            if answer is not None:
                return await self._keep(response, answer)
            wire.status = response.status_code
            body = await _whole(response.aiter_raw(), wire.arrived)
        finally:
            await response.aclose()
        if body is None:
            raise OutcomeUnknownError(f"{base.host}: the answer is longer than 1 MiB", host=base.host)
        return self._reply(response.status_code, response.headers, body)

    async def _keep(self, response: httpx.Response, answer: Answer) -> Reply:
        """Write an answer down as it comes, and give what is left of it to read."""
        answer.begin(response.status_code, {name.lower(): self._without_key(value) for name, value in response.headers.items()})
        async for chunk in self._scrubbed(response.aiter_raw()):
            answer.write(chunk)
        kept = await asyncio.to_thread(answer.finish)
        return replace(self._reply(kept.status, kept.headers, kept.body), parts=kept.parts)

    async def _question(self, call: Call) -> Reply:
        if self._questions is None:
            self._questions = self._session(aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._tls), self._api_headers)
        base = self._bases[call.host]
        async with self._questions.request(
            call.method,
            URL(f"{base.url}{call.path}", encoded=True),
            headers=_own_headers(call),
            data=_stream(call.pieces),
            allow_redirects=False,
        ) as response:
            body = await _whole(response.content.iter_any())
        if body is None:
            raise ExchangeError(f"{base.host}: the answer is longer than 1 MiB", host=base.host)
        return self._reply(response.status, response.headers, body)

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        """Put an answer together: the time of receipt where the server names none (RFC 9110, 6.6.1), and no key echoed back."""
        named = {name.lower(): value for name, value in headers.items()}
        named.setdefault("date", formatdate(usegmt=True))
        shown = {name: self._without_key(value) for name, value in named.items()}
        return Reply(status=status, headers=shown, body=self._blotted(_plain(body)) if self._spellings else body)

    def _begun(self, body: bytes) -> str:
        """Give the beginning of an answer that broke off, without the key, also where it broke off in the middle of an echoed one."""
        if self._spellings:
            body = self._blotted(_plain(body))
            cuts = (size for spelling in self._spellings for size in range(len(spelling) - 1, 3, -1) if body.endswith(spelling[:size]))
            body = body[: len(body) - max(cuts, default=0)]
        return excerpt(body, _BEGUN_CHARS)

    def _without_key(self, text: str) -> str:
        return self._blotted(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def _blotted(self, data: bytes) -> bytes:
        for spelling in self._spellings:
            data = data.replace(spelling, b"[key]")
        return data

    async def _scrubbed(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Take an echoed key out of a stream, also where it lies across two chunks."""
        if not self._spellings:
            async for chunk in chunks:
                yield chunk
            return
        held, tail = b"", max(map(len, self._spellings)) - 1
        async for chunk in chunks:
            held = self._blotted(held + chunk)
            if len(held) > tail:
                yield held[:-tail]
                held = held[-tail:]
        yield held

    def _order_failure(self, error: Exception, host: str, wire: _Wire) -> ExchangeError | StopRunError:
        if wire.is_open:
            began = f"; the answer began HTTP {wire.status}: {self._begun(bytes(wire.arrived))}" if wire.arrived else ""
            return OutcomeUnknownError(f"{host}: {told(error)}{began}", host=host)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
            message = f"the certificate of {host} is not trusted (provider.base_url): {told(error)}"
            return StopRunError(message, exit_code=2, reason="config")
        return NotSentError(f"{host}: {told(error)}", host=host)

    # --- downloads ---

    async def _follow(self, target: URL, sink: Sink) -> Fetched:
        """Walk from redirect to redirect by hand; aiohttp would not judge them."""
        for _ in range(MAX_REDIRECTS + 1):
            async with self._opened().get(target, allow_redirects=False) as response:
                place = response.headers.get("Location")
                if response.status not in _REDIRECTS or place is None:
                    return await self._receive(response, sink)
            following = admitted(joined(target, place), self._policy)
            if target.scheme == "https" and following.scheme != "https":
                raise DownloadError(f"{target.raw_host}: redirect to plain http", host=target.raw_host or "", forbidden=True)
            target = following
        raise DownloadError(f"{target.raw_host}: more than {MAX_REDIRECTS} redirects", host=target.raw_host or "", forbidden=True)

    async def _receive(self, response: aiohttp.ClientResponse, sink: Sink) -> Fetched:
        """Hand a good answer's bytes to the sink in chunks of 64 KiB or a little more."""
        host = response.url.raw_host or ""
        if response.status != 200:
            raise DownloadError(f"{host}: HTTP {response.status}", host=host, expired=response.status in _EXPIRED)
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise DownloadError(f"{host}: the image came compressed", host=host)
        received = 0
        async for chunk in self._steadily(response.content, host):
            sink.write(chunk)
            received += len(chunk)
        return Fetched(
            received_bytes=received,
            length=response.content_length,
            content_type=response.headers.get("Content-Type", ""),
        )

    async def _steadily(self, content: aiohttp.StreamReader, host: str) -> AsyncIterator[bytes]:
        """Gather the stream into larger chunks; raise DownloadError when it only drips."""
        clock = asyncio.get_running_loop().time
        drip = _Drip(patience=self._patience, since=clock())
        gathered = bytearray()
        async for piece in content.iter_any():
            if drip.is_too_slow(len(piece), clock()):
                raise DownloadError(f"{host}: the download hardly moves", host=host)
            gathered += piece
            if len(gathered) >= CHUNK_BYTES:
                yield bytes(gathered)
                gathered.clear()
        if gathered:
            yield bytes(gathered)

    def _opened(self) -> aiohttp.ClientSession:
        if self._downloads is None:
            self._downloads = self._session(guarded_connector(self._policy, self._tls), self._plain_headers)
        return self._downloads

    def _session(self, connector: aiohttp.TCPConnector, headers: Mapping[str, str]) -> aiohttp.ClientSession:
        return bare_session(connector, headers, connect_s=self._patience.connect_s, idle_s=self._patience.drip_window_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """An API's address without trailing slashes and without the API's own path, and its host."""

    url: str
    host: str


def _checked_base(text: str, api_path: str, setting: str) -> _Base:
    """Read the address that a setting names; raise InputError."""
    trimmed = text.strip().rstrip("/").removesuffix(api_path).rstrip("/")
    base = read_url(trimmed)
    if base is None or not base.raw_host or "@" in base.raw_authority or "?" in trimmed or "#" in trimmed:
        raise InputError(f"{setting} must be a plain URL such as https://api.example.com")
    if base.scheme != "https" and not (base.scheme == "http" and is_loopback_host(base.raw_host)):
        raise InputError(f"{setting} must be https: {base.raw_host} is not on loopback")
    return _Base(url=str(base).rstrip("/"), host=base.raw_host)


def _checked_key(text: str) -> str:
    """Trim the key and make sure that it can stand in a header; raise InputError, which never quotes it."""
    key = text.strip()
    if not key:
        raise InputError("the API key is empty")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise InputError("the API key holds a character that no key has, such as a space, a line break or a typographic quote")
    return key


def _spellings(key: str) -> tuple[bytes, ...]:
    """Give what to look for in answers, the longest first; nothing for a key too short to be told from ordinary text."""
    if len(key) < _MIN_SECRET_CHARS:
        return ()
    return tuple(sorted((spelling.encode() for spelling in spellings(key)), key=len, reverse=True))


def _own_headers(call: Call) -> dict[str, str]:
    """Give the headers of one call; the length is said, because a body in pieces would otherwise be sent without one."""
    if call.body is None:
        return dict(call.headers)
    return {**call.headers, "Content-Type": call.content_type, "Content-Length": str(sum(map(len, call.pieces)))}


def _stream(pieces: tuple[bytes, ...]) -> bytes | AsyncIterator[bytes] | None:
    """Give a body as the libraries take it; several pieces are never put together in memory."""
    if len(pieces) > 1:
        return _in_turn(pieces)
    return pieces[0] if pieces else None


async def _in_turn(pieces: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), CHUNK_BYTES):
            yield piece[start : start + CHUNK_BYTES]


async def _whole(chunks: AsyncIterator[bytes], gathered: bytearray | None = None) -> bytes | None:
    """Gather a body, or give None as soon as it grows beyond 1 MiB; what came before an error stands in ``gathered``."""
    gathered = bytearray() if gathered is None else gathered
    async for chunk in chunks:
        gathered += chunk
        if len(gathered) > MAX_JSON_BYTES:
            return None
    return bytes(gathered)


def _plain(body: bytes) -> bytes:
    """Write escaped ASCII letters and signs as themselves, which changes no JSON: an echoed key must not hide behind an escape."""
    if b"\\u00" not in body and b"\\/" not in body:
        return body
    return _ESCAPED.sub(lambda found: found[1] + (bytes([int(found[2], 16)]) if found[2] else b"/"), body)
