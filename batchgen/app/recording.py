"""Keep the exchanges with a vendor for whoever writes or mends a dialect: redacted, one JSON object a line.

A recording holds no key, no signature and no picture: authorization is never written, query strings of addresses and long base64 texts are
cut, and of a download only its size and type are kept.
"""

import json
import os
import re
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from batchgen.core.dialects import Call, Reply
from batchgen.core.errors import ExchangeError, InputError
from batchgen.core.ports import Answer, Client, Fetched, Sink
from batchgen.logs.redact import Redactor

NAME: Final = "exchanges.jsonl"
_MARK: Final = '"\\u0000part:'
_MARK_ESCAPED: Final = '"\\\\x00part:'
"""The mark of a part that was cut out (``core.dialects.Reply``), as JSON writes it, and as it looks once its NUL was made visible."""
_PICTURE: Final = re.compile(r"(data:[\w.+/-]*;base64,)?[A-Za-z0-9+/\s]{200,}={0,2}")
_APPENDING: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MAX_BODY_BYTES: Final = 1 << 20


Wrap = Callable[[Client, str], Client]
"""Puts something around a client; told the key, so that it can keep it out of what it writes."""


@contextmanager
def recorded(folder: Path | None) -> Iterator[Wrap]:
    """Give what puts a recorder around a client for the length of the block; without a folder, nothing.

    Exchanges are appended to ``exchanges.jsonl`` there (mode 0600). Raises InputError when it cannot be opened.
    """
    if folder is None:
        yield lambda client, _key: client
        return
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / NAME, _APPENDING, 0o600)
    except OSError as error:
        raise InputError(f"--record {folder}: {NAME} cannot be written there: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"--record {folder}: {NAME} there is no regular file")
        yield lambda client, key: RecordingClient(client, file, Redactor([key]))


@dataclass(frozen=True, slots=True)
class RecordingClient:
    """A ``core.ports.Client`` that writes down what passes."""

    client: Client
    file: IO[str]
    redactor: Redactor

    async def order(self, call: Call, answer: Answer | None = None) -> Reply:
        """Send a paid request once, and keep the exchange."""
        return await self._exchange("order", call, lambda: self.client.order(call, answer))

    async def ask(self, call: Call) -> Reply:
        """Send a free request once, and keep the exchange."""
        return await self._exchange("ask", call, lambda: self.client.ask(call))

    async def fetch(self, url: str, sink: Sink) -> Fetched:
        """Download a result, and keep its size and type."""
        try:
            fetched = await self.client.fetch(url, sink)
        except ExchangeError as error:
            self._write({"kind": "fetch", "url": url, "error": str(error)})
            raise
        self._write({"kind": "fetch", "url": url, "content_type": fetched.content_type, "bytes": fetched.received_bytes})
        return fetched

    async def close(self) -> None:
        """Close every connection."""
        await self.client.close()

    async def _exchange(self, kind: str, call: Call, send: Callable[[], Awaitable[Reply]]) -> Reply:
        asked = {"kind": kind, "method": call.method, "path": call.path, "request": self._readable(b"".join(call.pieces))}
        try:
            reply = await send()
        except ExchangeError as error:
            self._write(asked | {"error": str(error), "sent": error.sent})
            raise
        headers = {name: value for name, value in reply.headers.items() if name != "set-cookie"}
        pictures = [""] * len(reply.parts)
        body = _without_pictures(self._readable(reply.body), pictures)
        self._write(asked | {"status": reply.status, "headers": headers, "body": body, "parts": len(pictures)})
        return reply

    def _write(self, exchange: Mapping[str, object]) -> None:
        """Append one line; a recording that finds no room is given up silently, because the work matters more."""
        try:
            line = json.dumps(self.redactor.value(exchange), ensure_ascii=False)
            self.file.write(line.replace(_MARK_ESCAPED, _MARK) + "\n")
            self.file.flush()
        except OSError:
            return

    def _readable(self, body: bytes) -> object:
        """Give a body as the JSON it holds, so that it is redacted value by value; other bytes by their number."""
        if len(body) > _MAX_BODY_BYTES:
            return f"[{len(body)} bytes]"
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return body[:2000].decode("utf-8", "replace") if body[:1] == b"<" else f"[{len(body)} bytes]"


def _without_pictures(value: object, pictures: list[str]) -> object:
    """Put a mark in the place of every text that is a picture, as the shelf does with longer ones: the recording reads alike."""
    match value:
        case dict():
            return {name: _without_pictures(inner, pictures) for name, inner in value.items()}
        case list():
            return [_without_pictures(inner, pictures) for inner in value]
        case str() if _PICTURE.fullmatch(value):
            pictures.append(value)
            return f"\x00part:{len(pictures) - 1}"
        case _:
            return value
