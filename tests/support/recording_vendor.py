"""A vendor that writes down every request as it stood on the wire, and finishes each task at once with one small picture."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_API = "/api/open-api/v1/images"
_PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGM8IRfFwMDAxMDAwMDAAAAPmAFE4knAJgAAAABJRU5ErkJggg==")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived; header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class RecordingVendor:
    """What arrived; with ``echoes_key`` every order is refused in a message that quotes the key."""

    url: str
    seen: list[Request] = field(default_factory=list)
    echoes_key: bool = False

    @property
    def orders(self) -> list[Request]:
        """Give the paid requests."""
        return [request for request in self.seen if request.method == "POST"]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Give the parsed bodies of the paid requests."""
        return [json.loads(request.body) for request in self.orders]

    @property
    def downloads(self) -> list[Request]:
        """Give the requests for pictures."""
        return [request for request in self.seen if request.path.startswith("/files/")]

    def answer(self, request: Request) -> tuple[str, bytes]:
        """Give the content type and the body of the answer."""
        self.seen.append(request)
        if request.path.startswith("/files/"):
            return "image/png", _PNG
        if request.method == "POST" and self.echoes_key:
            message = f"unsupported model; your header was {request.headers.get('authorization')}"
            return "application/json", json.dumps({"code": 20002, "msg": message, "data": None}).encode()
        return "application/json", json.dumps({"code": 20000, "msg": "ok", "data": self._data(request)}).encode()

    def _data(self, request: Request) -> dict[str, object]:
        if request.method == "POST":
            return {"task_id": f"img_{len(self.orders)}", "status": "queued", "cost": 0.03}
        if request.path.startswith(_API):
            task_id = request.path.rpartition("/")[2]
            return {"task_id": task_id, "status": "completed", "result": {"image_url": f"{self.url}/files/{task_id}.png?Signature=s"}}
        return {"list": [], "balance": 100, "used_coin": 0, "available": 100, "unlimited": True}


@contextmanager
def open_recording_vendor(*, echoes_key: bool = False) -> Iterator[RecordingVendor]:
    """Serve on loopback until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        vendor = RecordingVendor(url=f"http://127.0.0.1:{server.server_port}", echoes_key=echoes_key)
        server.vendor = vendor  # type: ignore[attr-defined] # http.server hands a handler nothing but its server
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield vendor
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a question or a download."""
        self._answer()

    def do_POST(self) -> None:
        """Answer an order."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter's name in http.server
        """Keep silent."""

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        kind, content = self.server.vendor.answer(  # type: ignore[attr-defined] # see open_recording_vendor
            Request(method=self.command, path=self.path, headers=headers, body=body)
        )
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Set-Cookie", "session=of-the-api; Path=/")
        self.end_headers()
        self.wfile.write(content)
