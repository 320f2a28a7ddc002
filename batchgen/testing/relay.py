"""A relay between the engine and an author's fake server, on loopback: it counts what passes, and spoils what it is told to spoil.

It has two doors, so that one can tell where a request was sent: the API's, and one for results, whose addresses it puts in the place of
the server's own in every answer. Orders are passed on at most once, as they come.
"""

import hashlib
import http.client
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from batchgen.testing.hostile import PAGE

Fate = Literal["pass", "lose", "delay", "cut", "garble", "gateway"]
SPOILT: Final[tuple[Fate, ...]] = ("delay", "cut", "garble", "gateway")
"""What may happen to the first answer of every question and every download, in turn."""

_DELAY_S: Final = 0.3
"""How late a delayed answer comes; the lateness is the fault itself, nothing waits for it."""
_PATIENCE_S: Final = 60.0
_HOP: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "keep-alive", "accept-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One request as it came by; header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def holds(self, secret: str) -> bool:
        """Say whether the secret stands anywhere in the request."""
        return any(secret in text for text in (self.path, *self.headers, *self.headers.values())) or secret.encode() in self.body

    @property
    def sha256(self) -> str:
        """Give the hash of the body."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(slots=True, kw_only=True)
class Relay:
    """What has passed so far, and what is to be spoilt.

    ``free`` are the calls that are neither orders nor questions about tasks, by method and path. ``lost`` is the number of the order, from
    1, whose answer is dropped after the server has given it.
    """

    origin: str
    free: frozenset[tuple[str, str]]
    lost: int | None = None
    is_rough: bool = False
    was_shut: bool = False
    asked: list[Passed] = field(default_factory=list)
    fetched: list[Passed] = field(default_factory=list)
    _spoilt: list[tuple[bool, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _doors: list["_Door"] = field(default_factory=list)

    @property
    def api_url(self) -> str:
        """Give the address of the API's door."""
        return self._doors[0].url

    @property
    def files_url(self) -> str:
        """Give the address of the door for results."""
        return self._doors[1].url

    @property
    def orders(self) -> list[Passed]:
        """Give the orders that reached the server."""
        with self._lock:
            return [passed for passed in self.asked if self._is_order(passed)]

    def open(self) -> None:
        """Let connections to the API in; safe to call again."""
        with self._lock:
            self._doors[0].open()

    def fate(self, passed: Passed, *, is_file: bool) -> Fate:
        """Note a request and say what becomes of its answer."""
        with self._lock:
            (self.fetched if is_file else self.asked).append(passed)
            if not is_file and self._is_order(passed):
                return "lose" if sum(map(self._is_order, self.asked)) == self.lost else "pass"
            if not self.is_rough or (passed.method, passed.path) in self.free or (is_file, passed.path) in self._spoilt:
                return "pass"
            before = sum(is_same_door == is_file for is_same_door, _ in self._spoilt)
            self._spoilt.append((is_file, passed.path))
            return SPOILT[before % len(SPOILT)]

    def inwards(self, body: bytes) -> bytes:
        """Put the server's own address back into a request."""
        return body.replace(self.files_url.encode(), self.origin.encode())

    def outwards(self, body: bytes) -> bytes:
        """Put the results' door into an answer, also where its slashes are escaped."""
        plain = body.replace(self.origin.encode(), self.files_url.encode())
        return plain.replace(self.origin.replace("/", "\\/").encode(), self.files_url.replace("/", "\\/").encode())

    def _is_order(self, passed: Passed) -> bool:
        return passed.method == "POST" and (passed.method, passed.path) not in self.free


@contextmanager
def relayed(relay: Relay) -> Iterator[Relay]:
    """Keep a relay's doors for the length of the block; a relay that ``was_shut`` refuses connections to the API until it is opened."""
    relay._doors[:] = [_Door(relay, is_file=False), _Door(relay, is_file=True)]  # noqa: SLF001 - the doors belong to this module
    api, files = relay._doors  # noqa: SLF001 - as above
    try:
        files.open()
        if not relay.was_shut:
            api.open()
        yield relay
    finally:
        api.leave()
        files.leave()


class _Door(ThreadingHTTPServer):
    """One address; its port is taken at once, but connections are refused until it is opened."""

    def __init__(self, relay: Relay, *, is_file: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.relay = relay
        self.is_file = is_file
        self._thread: threading.Thread | None = None
        self.server_bind()

    def server_bind(self) -> None:
        """Take a port without asking a resolver for this machine's name."""
        socketserver.TCPServer.server_bind(self)

    @property
    def url(self) -> str:
        """Give the address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def open(self) -> None:
        """Listen and answer."""
        if self._thread is None:
            self.server_activate()
            self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            self._thread.start()

    def leave(self) -> None:
        """Stop answering and give the port back."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # of socketserver
        """Keep silent: a client may leave whenever it likes."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Door

    def do_GET(self) -> None:
        """Pass on a question or a download."""
        self._pass_on()

    def do_POST(self) -> None:
        """Pass on an order or an upload."""
        self._pass_on()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter's name in http.server
        """Keep silent."""

    def _pass_on(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        passed = Passed(method=self.command, path=self.path, headers=headers, body=self._body(headers))
        fate = self.server.relay.fate(passed, is_file=self.server.is_file)
        if fate == "gateway":
            self._answer(502, {"Content-Type": "text/html"}, PAGE)
            return
        if fate == "garble":
            self._answer(200, {"Content-Type": "image/png" if self.server.is_file else "text/html"}, PAGE)
            return
        status, named, body = self._upstream(passed)
        match fate:
            case "lose":
                self.close_connection = True
            case "cut":
                self._answer(status, named, body, sent=len(body) // 2)
            case "delay":
                time.sleep(_DELAY_S)
                self._answer(status, named, body)
            case _:
                self._answer(status, named, body)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _upstream(self, passed: Passed) -> tuple[int, dict[str, str], bytes]:
        """Ask the author's server; its silence is a gateway's page."""
        relay = self.server.relay
        headers = {name: value for name, value in passed.headers.items() if name not in _HOP}
        body = relay.inwards(passed.body)
        connection = http.client.HTTPConnection(urlsplit(relay.origin).netloc, timeout=_PATIENCE_S)
        try:
            connection.request(passed.method, passed.path, body if passed.method == "POST" else None, headers)
            answer = connection.getresponse()
            content = answer.read()
            named = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        except (OSError, http.client.HTTPException):
            return 502, {"Content-Type": "text/html"}, PAGE
        finally:
            connection.close()
        return answer.status, named, content if self.server.is_file else relay.outwards(content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, sent: int | None = None) -> None:
        """Answer; with ``sent`` the connection ends after so many bytes of the body that was announced."""
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if sent is None else body[:sent])
        if sent is not None:
            self.close_connection = True
