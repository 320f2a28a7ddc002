"""A web host on loopback whose answers a function gives: what every small vendor of the tests is made of."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One request as it arrived; header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Read the body as a JSON object."""
        return json.loads(self.body)


Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body; the length is added, unless the headers tell another one, at which the connection is closed."""


@contextmanager
def serving(answer: Callable[[Arrived], Answer]) -> Iterator[str]:
    """Serve until the block ends, and give the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.answer = answer  # type: ignore[attr-defined] # http.server hands a handler nothing but its server
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serve a connection; a customer that dies is no error of the host's."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """Answer a question or a download."""
        self._answer()

    def do_POST(self) -> None:
        """Answer an order or an upload."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter's name in http.server
        """Keep silent."""

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        arrived = Arrived(method=self.command, path=self.path, headers=headers, body=body)
        status, told, content = self.server.answer(arrived)  # type: ignore[attr-defined] # see serving
        with suppress(ConnectionError):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **told}.items():
                self.send_header(name, value)
            self.close_connection = self.close_connection or "Content-Length" in told
            self.end_headers()
            self.wfile.write(content)
