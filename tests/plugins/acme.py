"""The vendor of docs/dialects.md on loopback: it paints each picture while it is first asked after."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.pictures import picture

KEY = "acme-secret"

_PNG = picture()


@dataclass(slots=True, kw_only=True)
class AcmeServer:
    """What Acme has seen: orders, and how often each picture was asked after."""

    url: str
    orders: list[dict[str, str]] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, key: str | None, body: bytes) -> tuple[int, bytes]:
        """Give status and body of an answer."""
        if path.startswith("/files/"):
            return 200, _PNG
        if key != KEY:
            return 401, b'{"error": "who are you?"}'
        if method == "POST":
            self.orders.append(json.loads(body))
            return 202, json.dumps({"picture": f"p-{len(self.orders)}", "state": "waiting", "price": 0.02}).encode()
        task = path.rpartition("/")[2]
        self.asked[task] = self.asked.get(task, 0) + 1
        if self.asked[task] == 1:
            return 200, json.dumps({"picture": task, "state": "painting"}).encode()
        return 200, json.dumps({"picture": task, "state": "ready", "url": f"{self.url}/files/{task}.png"}).encode()


@contextmanager
def open_acme() -> Iterator[AcmeServer]:
    """Serve on loopback until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        acme = AcmeServer(url=f"http://127.0.0.1:{server.server_port}")
        server.acme = acme  # type: ignore[attr-defined] # http.server hands a handler nothing but its server
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield acme
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
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, content = self.server.acme.answer(  # type: ignore[attr-defined] # see open_acme
            self.command, self.path, self.headers.get("X-Acme-Key"), body
        )
        self.send_response(status)
        self.send_header("Content-Type", "image/png" if content is _PNG else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
