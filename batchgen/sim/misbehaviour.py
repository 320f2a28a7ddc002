"""Carry out faults: each name of `faults.FAULTS` that touches an HTTP answer has its response here.

Three tables share one shape: from what an honest server would have said to what this one says. `REFUSED` is consulted
before a submit is billed, `ANSWERED` after it is billed and for polls, `SERVED` for downloads.
"""

import asyncio
import json
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from batchgen.sim.codes import (
    BAD_KEY,
    BAD_PARAMETERS,
    BAD_PARAMETERS_MSG,
    NO_BALANCE_MSG,
    NO_QUOTA_MSG,
    NOT_FOUND_MSG,
    OK,
    SERVER_ERROR,
    TOO_FREQUENT,
    TOO_FREQUENT_MSG,
)

Data = Mapping[str, object]
ODD_RETRY_AFTERS = ("-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "1000000000")
_DRIP_CRUMBS, _DRIP_PAUSE_S = 20, 0.05
_LINGER_NOT = struct.pack("ii", 1, 0)


def envelope(data: object, *, code: int | str = OK, msg: str = "ok", status: int = 200) -> Response:
    """Return the vendor's `{code, msg, data}` as a response."""
    return as_json({"code": code, "msg": msg, "data": data}, status=status)


def as_json(document: object, *, status: int = 200) -> Response:
    """Return a document as compact UTF-8 JSON."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Response(body, status, media_type="application/json")


def refusal(code: int, msg: str, *, status: int = 200, retry_after: str | None = None) -> Response:
    """Return a business failure; without a status of its own it comes under HTTP 200, as the vendor does it."""
    response = envelope(None, code=code, msg=msg, status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


def gateway(status: int, phrase: str) -> Response:
    """Return what a proxy in front of the vendor says."""
    body = f"<html><head><title>{status} {phrase}</title></head><body><center><h1>{status} {phrase}</h1></center></body></html>"
    return Response(body, status, media_type="text/html")


def storage_error(status: int, code: str, message: str) -> Response:
    """Return what an object store says."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, media_type="application/xml")


def throttled(ordinal: int) -> Response:
    """Return a rate limit answer, in turn as 429 with Retry-After, 429 without, and HTTP 200 with code 40000."""
    match ordinal % 3:
        case 0:
            return refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after="1")
        case 1:
            return refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429)
        case _:
            return refusal(TOO_FREQUENT, TOO_FREQUENT_MSG)


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


def image(png: bytes) -> Response:
    """Return the bytes as a PNG."""
    return Response(png, media_type="image/png")


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


def _half(png: bytes) -> bytes:
    return png[: len(png) // 2]


def _zeroed(png: bytes) -> bytes:
    kept = len(png) * 2 // 3
    return png[:kept] + bytes(len(png) - kept)


def _with_url(data: Data, url: str) -> Data:
    return {**data, "result": {"image_url": url}}


def _first_url(data: Data) -> str:
    result = data.get("result")
    return str(result["image_url"]) if isinstance(result, dict) else ""


_HTML_PAGE = "<!doctype html><html><head><title>Welcome</title></head><body>Please sign in.</body></html>"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
_METADATA_URL = "http://169.254.169.254/latest/meta-data/"

REFUSED: dict[str, Callable[[int], Response]] = {
    "post.429": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429),
    "post.429_retry_after": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after="1"),
    "post.429_odd_retry_after": lambda ordinal: refusal(
        TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after=ODD_RETRY_AFTERS[ordinal % len(ODD_RETRY_AFTERS)]
    ),
    "post.too_frequent": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG),
    "post.server_error": lambda _: refusal(SERVER_ERROR, "server error"),
    "post.500": lambda _: refusal(SERVER_ERROR, "internal error", status=500),
    "post.no_balance": lambda _: refusal(SERVER_ERROR, NO_BALANCE_MSG),
    "post.quota": lambda _: refusal(SERVER_ERROR, NO_QUOTA_MSG),
    "post.unauthorized": lambda _: refusal(BAD_KEY, ""),
    "post.bad_parameters": lambda _: refusal(BAD_PARAMETERS, BAD_PARAMETERS_MSG),
    "post.redirect": lambda _: Response(status_code=307, headers={"Location": "http://127.0.0.2:9/elsewhere"}),
    "post.502": lambda _: gateway(502, "Bad Gateway"),
    "post.reset": lambda _: Reset(),
}

ANSWERED: dict[str, Callable[[Data], Response]] = {
    "post.accept_then_reset": lambda _: Reset(),
    "post.accept_then_502": lambda _: gateway(502, "Bad Gateway"),
    "post.accept_then_504": lambda _: gateway(504, "Gateway Time-out"),
    "post.accept_then_garbage": lambda _: Response(b"\xff\x00ok?{{", media_type="application/json"),
    "post.accept_then_cut": lambda data: Cut(envelope(data).body, media_type="application/json"),
    "post.accept_then_empty": lambda _: Response(b"", media_type="application/json"),
    "post.accept_then_no_id": lambda data: envelope({"status": "queued", "model": data["model"]}),
    "post.accept_then_hang": lambda _: Hang(),
    "post.string_code": lambda data: envelope(data, code=str(OK)),
    "post.zero_code": lambda data: envelope(data, code=0),
    "post.bare": as_json,
    "poll.429": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after="1"),
    "poll.too_frequent": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG),
    "poll.server_error": lambda _: refusal(SERVER_ERROR, "server error"),
    "poll.500": lambda _: refusal(SERVER_ERROR, "internal error", status=500),
    "poll.502": lambda _: gateway(502, "Bad Gateway"),
    "poll.garbage": lambda data: Response(_half(bytes(envelope(data).body)), media_type="application/json"),
    "poll.reset": lambda _: Reset(),
    "poll.hang": lambda _: Hang(),
    "poll.not_found": lambda _: refusal(SERVER_ERROR, NOT_FOUND_MSG),
    "poll.unauthorized": lambda _: refusal(BAD_KEY, ""),
    "poll.unknown_status": lambda data: envelope(
        {**data, "status": "prompt_checking", "progress": 1, "result": None, "error_message": None}
    ),
    "poll.bare": as_json,
    "poll.string_code": lambda data: envelope(data, code=str(OK)),
    "result.stale_url": envelope,
    "result.no_url": lambda data: envelope(_with_url(data, "")),
    "result.relative_url": lambda data: envelope(_with_url(data, f"out/{data['task_id']}.png")),
    "result.backwards": lambda data: envelope({**data, "status": "processing", "progress": 50, "result": None}),
    "result.success_word": lambda data: envelope({**data, "status": "success", "result": None, "mediaUrl": _first_url(data)}),
}

SERVED: dict[str, Callable[[bytes], Response]] = {
    "download.truncated": lambda png: Cut(png, media_type="image/png"),
    "download.short": lambda png: image(_half(png)),
    "download.empty": lambda _: image(b""),
    "download.html": lambda _: Response(_HTML_PAGE, media_type="text/html"),
    "download.wrong_type": lambda _: image(_SVG),
    "download.zeroed_tail": lambda png: image(_zeroed(png)),
    "download.expired": lambda _: storage_error(403, "AccessDenied", "Request has expired"),
    "download.not_found": lambda _: storage_error(404, "NoSuchKey", "The specified key does not exist."),
    "download.500": lambda _: storage_error(500, "InternalError", "We encountered an internal error."),
    "download.502": lambda _: gateway(502, "Bad Gateway"),
    "download.reset": lambda _: Reset(),
    "download.drip": lambda png: Drip(png, media_type="image/png"),
    "download.redirect_inside": lambda _: Response(status_code=302, headers={"Location": _METADATA_URL}),
    "download.bomb": lambda _: image(bomb()),
}
