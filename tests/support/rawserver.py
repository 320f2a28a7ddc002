"""A vendor's host reduced to bytes: each test says what a connection does, and reads afterwards what arrived."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One request as it came over the wire. Header names are lower-case."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Give the request target, unchanged."""
        return self.line.split(" ")[1]


@dataclass(slots=True, kw_only=True)
class Visit:
    """One connection from the server's side; ``number`` counts connections from 1."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    arrived: list[Arrived]
    busy: asyncio.Event

    async def request(self) -> Arrived | None:
        """Read one whole request and keep it; None when the client has closed."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        line, *rows = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        self.arrived.append(Arrived(line=line, headers=headers, body=body))
        self.busy.set()
        return self.arrived[-1]

    async def send(self, data: bytes) -> None:
        """Write bytes and wait until they are with the system."""
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> None:
        """Write a well-formed answer with its length."""
        await self.send(answer(status, body, headers))

    async def drip(self, data: bytes, *, every_s: float) -> None:
        """Write one byte at a time."""
        for byte in data:
            await self.send(bytes([byte]))
            await asyncio.sleep(every_s)

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        link = self.writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


CERTIFICATE, EXPIRED, ELSEWHERE = (Path(__file__).parent / f"{name}.pem" for name in ("selfsigned", "expired", "elsewhere"))
"""Certificates with their keys, for tests only, trusted by nobody: two for this machine, the second past its time, and one for another."""

Script = Callable[[Visit], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class RawServer:
    """A listening server; ``busy`` is set once a request has arrived, ``gone`` once a connection has ended."""

    port: int
    arrived: list[Arrived] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    scheme: str = "http"

    @property
    def url(self) -> str:
        """Give the server's base URL."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


def answer(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> bytes:
    """Build a well-formed HTTP/1.1 answer with its length."""
    rows = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
    return f"HTTP/1.1 {status} Reason\r\n{head}\r\n".encode("latin-1") + body


def always(data: bytes) -> Script:
    """Answer every request with the same bytes."""

    async def script(visit: Visit) -> None:
        while await visit.request():
            await visit.send(data)

    return script


async def hang(visit: Visit) -> None:
    """Read one request and never answer it."""
    await visit.request()
    await visit.reader.read()


@contextlib.asynccontextmanager
async def listening(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Run a server whose connections each follow the script, on a free loopback port."""
    server = RawServer(port=0, scheme="http" if tls is None else "https")
    scripts: set[asyncio.Task[None]] = set()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(number=len(server.visits) + 1, reader=reader, writer=writer, arrived=server.arrived, busy=server.busy)
        server.visits.append(visit)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(visit)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.gone.set()

    def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scripts.add(asyncio.create_task(visited(reader, writer)))

    listener = await asyncio.start_server(welcome, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for visit in server.visits:
            visit.writer.transport.abort()
        await asyncio.gather(*scripts)


def self_signed(certificate: Path = CERTIFICATE) -> ssl.SSLContext:
    """Give a server's TLS settings with a test certificate, which nobody trusts (localhost and 127.0.0.1)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def free_port() -> int:
    """Give a loopback port that nothing listens on."""
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])
