"""Answer in ways that no honest server does: resets, silence, half a body, crumbs, and a picture that is a bomb."""

import asyncio
import socket
import struct
import zlib
from functools import cache

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_DRIP_CRUMBS, _DRIP_PAUSE_S = 20, 0.05
_LINGER_NOT = struct.pack("ii", 1, 0)


class Reset(Response):
    """Answer with a TCP reset."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Drop the connection with unsent data discarded, then wait until the server has noticed."""
        transport: asyncio.Transport = scope["state"]["transport"]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
        await gone(receive)


class Hang(Response):
    """Answer with nothing until the client gives up."""

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        """Wait for the client to leave."""
        await gone(receive)


class Cut(Response):
    """Announce the whole body, send half of it and close the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers and the first half, close, then wait until the server has noticed."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body)[: len(self.body) // 2], "more_body": True})
        transport: asyncio.Transport = scope["state"]["transport"]
        transport.close()
        await gone(receive)


class Drip(Response):
    """Send the body in crumbs."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send a twentieth of the body every twentieth of a second."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body, step = bytes(self.body), len(self.body) // _DRIP_CRUMBS + 1
        for start in range(0, len(body), step):
            await send({"type": "http.response.body", "body": body[start : start + step], "more_body": True})
            await asyncio.sleep(_DRIP_PAUSE_S)
        await send({"type": "http.response.body", "body": b""})


async def gone(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        continue


@cache
def bomb() -> bytes:
    """Return a valid one-bit PNG of 20,000 x 20,000 pixels."""
    side = 20_000
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    pixels = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )
