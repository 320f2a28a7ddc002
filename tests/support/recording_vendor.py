"""A vendor that writes down every request as it stood on the wire, and finishes each task at once with one small picture."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.webhost import Answer, Arrived, serving

_API = "/api/open-api/v1/images"
_PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGM8IRfFwMDAxMDAwMDAAAAPmAFE4knAJgAAAABJRU5ErkJggg==")


@dataclass(slots=True, kw_only=True)
class RecordingVendor:
    """What arrived."""

    url: str
    seen: list[Arrived] = field(default_factory=list)

    @property
    def orders(self) -> list[Arrived]:
        """Give the paid requests."""
        return [request for request in self.seen if request.method == "POST"]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Give the parsed bodies of the paid requests."""
        return [json.loads(request.body) for request in self.orders]

    @property
    def downloads(self) -> list[Arrived]:
        """Give the requests for pictures."""
        return [request for request in self.seen if request.path.startswith("/files/")]

    def answer(self, request: Arrived) -> tuple[str, bytes]:
        """Give the content type and the body of the answer."""
        self.seen.append(request)
        if request.path.startswith("/files/"):
            return "image/png", _PNG
        return "application/json", json.dumps({"code": 20000, "msg": "ok", "data": self._data(request)}).encode()

    def _data(self, request: Arrived) -> dict[str, object]:
        if request.method == "POST":
            return {"task_id": f"img_{len(self.orders)}", "status": "queued", "cost": 0.03}
        if request.path.startswith(_API):
            task_id = request.path.rpartition("/")[2]
            return {"task_id": task_id, "status": "completed", "result": {"image_url": f"{self.url}/files/{task_id}.png?Signature=s"}}
        return {"list": [], "balance": 100, "used_coin": 0, "available": 100, "unlimited": True}


@contextmanager
def open_recording_vendor() -> Iterator[RecordingVendor]:
    """Serve on loopback until the block ends; every answer sets a cookie, which nobody may send back."""
    vendor = RecordingVendor(url="")

    def answer(request: Arrived) -> Answer:
        kind, content = vendor.answer(request)
        return 200, {"Content-Type": kind, "Set-Cookie": "session=of-the-api; Path=/"}, content

    with serving(answer) as vendor.url:
        yield vendor
