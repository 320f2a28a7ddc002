"""The vendor of docs/dialects.md on loopback: it paints each picture while it is first asked after."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.pictures import picture
from tests.support.webhost import Answer, Arrived, serving

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
    acme = AcmeServer(url="")

    def answer(request: Arrived) -> Answer:
        status, content = acme.answer(request.method, request.path, request.headers.get("x-acme-key"), request.body)
        return status, {"Content-Type": "image/png" if content is _PNG else "application/json"}, content

    with serving(answer) as acme.url:
        yield acme
