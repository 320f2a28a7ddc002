"""Serve the asynchronous image calls of JimmyAI cheaply enough not to be the limit of a benchmark.

One asyncio process with a hand-written HTTP/1.1 protocol (keep-alive, pipelined requests answered in order). It prints
`listening on http://127.0.0.1:PORT`, runs on core 1 where there is one, and ends when its standard input closes:

    python bench/vendor.py --port 8080 --latency 1.0 --image-bytes 65536

- `POST /api/open-api/v1/images` answers with a queued task at once and remembers only when it will be ready.
- `GET /api/open-api/v1/images/{id}` says queued, processing and, after the latency, completed with a URL on this host.
- `GET /files/{id}.png` sends one prebuilt PNG of exactly `--image-bytes` bytes. Its pixels are noise, so it has few of
  them for its size (147 x 147 in 64 KB) and decoding costs the client less than a photograph of 1024 x 1024 would.
- `GET /stats` counts the requests answered and the CPU seconds spent, which shows how busy this process was.

It has no faults, no limits and no memory of anything after it ends: the simulator of the package is for that.
"""

import argparse
import asyncio
import contextlib
import json
import math
import random
import struct
import sys
import threading
import time
import zlib

from common import pin

API = b"/api/open-api/v1/images"
FILES = b"/files/"
PRICE = 0.06
FUNDS = 1_000_000
UNKNOWN_TASK = b'{"code":-1,"msg":"task does not exist","data":null}'
PNG_OVERHEAD = 128  # signature, IHDR, IDAT and IEND frames, zlib header, and the padding chunk's own frame


def png_of_size(total_bytes: int) -> bytes:
    """Build a square noise PNG of exactly `total_bytes` bytes that every decoder reads to the end."""
    stored_blocks = 5 * (total_bytes // 8_192 + 1)
    side = (math.isqrt(12 * (total_bytes - PNG_OVERHEAD - stored_blocks) + 1) - 1) // 6  # side * (3 * side + 1) bytes
    noise = random.Random(0)
    rows = b"".join(b"\0" + noise.randbytes(3 * side) for _ in range(side))
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    tail = _chunk(b"IDAT", zlib.compress(rows, 0)) + _chunk(b"IEND", b"")
    padding = total_bytes - len(head) - len(tail) - 12
    return head + _chunk(b"fiLl", bytes(padding)) + tail


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def response(body: bytes, kind: bytes = b"application/json", status: bytes = b"200 OK") -> bytes:
    """Frame a body as one complete keep-alive HTTP/1.1 response."""
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)


class Shop:
    """Keep the tasks and answer each request with the bytes to send."""

    def __init__(self, *, latency_s: float, image_bytes: int) -> None:
        self.base_url = ""  # known once the socket is bound
        self._latency_s = latency_s
        self._file = response(png_of_size(image_bytes), b"image/png")
        self._tasks: dict[bytes, tuple[float, int, str]] = {}  # id -> (due, created_at, model as JSON)
        self._polls = 0
        self._files = 0

    def answer(self, method: bytes, path: bytes, body: bytes) -> bytes:
        """Return the whole response to one request."""
        if method == b"POST" and path == API:
            return response(self._create(body))
        if path.startswith(API + b"/"):
            return response(self._query(path[len(API) + 1 :]))
        if path.startswith(FILES):
            self._files += 1
            return self._file
        return self._side_call(path)

    def _create(self, body: bytes) -> bytes:
        model = json.dumps(json.loads(body)["model"])
        task_id = b"img_%08x" % (len(self._tasks) + 1)
        created_at = int(time.time())
        self._tasks[task_id] = (time.monotonic() + self._latency_s, created_at, model)
        return self._task(task_id, "queued")

    def _query(self, task_id: bytes) -> bytes:
        self._polls += 1
        if task_id not in self._tasks:
            return UNKNOWN_TASK
        wait_s = self._tasks[task_id][0] - time.monotonic()
        if wait_s > 0:
            return self._task(task_id, "queued" if wait_s > self._latency_s / 2 else "processing")
        url = f"{self.base_url}/files/{task_id.decode()}.png"
        more = f',"progress":100,"completed_at":{int(time.time())},"result":{{"image_url":"{url}"}}'
        return self._task(task_id, "completed", more)

    def _task(self, task_id: bytes, status: str, more: str = "") -> bytes:
        _, created_at, model = self._tasks[task_id]
        return (
            f'{{"code":20000,"msg":"ok","data":{{"task_id":"{task_id.decode()}","status":"{status}",'
            f'"model":{model},"created_at":{created_at},"cost":{PRICE}{more}}}}}'
        ).encode()

    def _side_call(self, path: bytes) -> bytes:
        if path == b"/stats":
            counts = {"posts": len(self._tasks), "polls": self._polls, "files": self._files}
            return response(json.dumps(counts | {"busy_s": time.process_time()}).encode())
        if path == b"/api/open-api/v1/user/balance":
            funds = {"balance": FUNDS, "used_coin": 0, "available": FUNDS}
            return response(json.dumps({"code": 20000, "msg": "ok", "data": funds}).encode())
        return response(b'{"code":20002,"msg":"no such call","data":null}', status=b"404 Not Found")


class Connection(asyncio.Protocol):
    """Cut one client's bytes into requests and answer them in the order they came."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio has set TCP_NODELAY."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what a TCP server always hands over
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every complete request in the buffer and keep the rest."""
        buffer, start = self._rest + data, 0
        while (head_end := buffer.find(b"\r\n\r\n", start)) >= 0:
            head = buffer[start:head_end]
            body_end = head_end + 4 + content_length(head)
            if len(buffer) < body_end:
                break
            method, target, _ = head.partition(b"\r\n")[0].split(b" ", 2)
            self._transport.write(self._shop.answer(method, target.partition(b"?")[0], buffer[head_end + 4 : body_end]))
            start = body_end
        self._rest = buffer[start:]


def content_length(head: bytes) -> int:
    """Read the length a request head announces; 0 without one. Chunked bodies are not read."""
    _, found, value = head.lower().partition(b"\r\ncontent-length:")
    return int(value.partition(b"\r\n")[0]) if found else 0


async def serve(port: int, shop: Shop) -> None:
    """Listen on loopback until standard input closes."""
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    server = await loop.create_server(lambda: Connection(shop), "127.0.0.1", port, backlog=1_024)
    shop.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(f"listening on {shop.base_url}", flush=True)
    threading.Thread(target=_await_end_of_input, args=(loop, closed), daemon=True).start()
    await closed.wait()
    server.close()


def _await_end_of_input(loop: asyncio.AbstractEventLoop, closed: asyncio.Event) -> None:
    sys.stdin.buffer.read()
    loop.call_soon_threadsafe(closed.set)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds until a task is completed")
    parser.add_argument("--image-bytes", type=int, default=65_536, help="size of every file, at least 1024")
    parser.add_argument("--core", type=int, default=1, help="run on this core if it exists")
    options = parser.parse_args()
    pin(options.core)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, Shop(latency_s=options.latency, image_bytes=options.image_bytes)))


if __name__ == "__main__":
    main()
