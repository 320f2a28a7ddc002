"""Two vendors on loopback with honest shapes: fal's queue and Replicate's predictions. Each keeps a bill of the orders that it took."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.webhost import Answer, serving

Fault = Literal["throttled", "html_after", "strange_word", "moderated", "result_error", "locked", "bad_key"]

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGM8IRfFwMDAxMDAwMDAAAAPmAFE4knAJgAAAABJRU5ErkJggg==")
_KEY = "fal-or-replicate-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order that was taken, and is billed."""

    task_id: str
    model: str
    body: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class FakeQueue(ABC):
    """What both vendors share; ``faults`` come over every call while they are set. A task is done at the third question."""

    url: str = ""
    key: str = _KEY
    scheme: str
    bill: list[Order] = field(default_factory=list)
    faults: set[Fault] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Give the answer to a call."""
        if method == "GET" and path.startswith("/files/"):
            return 200, {"Content-Type": "image/png"}, _PNG
        if headers.get("authorization") != f"{self.scheme} {self.key}" or "bad_key" in self.faults:
            return self.refusal(401, "Authentication is required to access this application.")
        if method == "POST":
            return self._order(path, body)
        return self.question(path)

    @abstractmethod
    def question(self, path: str) -> Answer:
        """Answer a question about a task."""

    def refusal(self, status: int, detail: str) -> Answer:
        """Refuse a call as this vendor does."""
        return _json(status, {"detail": detail})

    @abstractmethod
    def model_of(self, path: str) -> str | None:
        """Give the model that an order's path names."""

    @abstractmethod
    def accepted(self, order: Order) -> Answer:
        """Say that an order was taken."""

    def turn(self, task_id: str) -> int:
        """Count the questions about a task."""
        self.asked[task_id] = self.asked.get(task_id, 0) + 1
        return self.asked[task_id]

    def order_of(self, task_id: str) -> Order | None:
        """Find an order by its task."""
        return next((order for order in self.bill if order.task_id == task_id), None)

    def _order(self, path: str, body: bytes) -> Answer:
        if "throttled" in self.faults:
            status, headers, content = self.refusal(429, "Request was throttled. Your rate limit resets in ~30s.")
            return status, {**headers, "Retry-After": "30"}, content
        if "locked" in self.faults:
            return self.locked()
        model, fields = self.model_of(path), json.loads(body)
        if model is None or not isinstance(fields, dict):
            return self.refusal(404, "Not found")
        order = Order(task_id=f"task-{len(self.bill) + 1}", model=model, body=fields)
        self.bill.append(order)
        return (502, {"Content-Type": "text/html"}, _HTML) if "html_after" in self.faults else self.accepted(order)

    def locked(self) -> Answer:
        """Say that there is no money left."""
        return self.refusal(402, "You have insufficient credit to run this model.")


class FakeFal(FakeQueue):
    """fal's queue: status and result live under owner/app, and a failure shows at the result only."""

    def model_of(self, path: str) -> str | None:
        """Give the model: the whole path."""
        return path[1:] if path.count("/") > 1 and "/requests/" not in path else None

    def accepted(self, order: Order) -> Answer:
        """Name the request and its addresses."""
        place = f"{self.url}/{self._app(order)}/requests/{order.task_id}"
        return _json(
            200,
            {
                "status": "IN_QUEUE",
                "request_id": order.task_id,
                "queue_position": 0,
                "response_url": place,
                "status_url": f"{place}/status",
                "cancel_url": f"{place}/cancel",
            },
        )

    def question(self, path: str) -> Answer:
        """Tell a request's status, or give its result."""
        app, _, rest = path[1:].partition("/requests/")
        task_id = rest.removesuffix("/status")
        order = self.order_of(task_id)
        if order is None or self._app(order) != app:
            return self.refusal(404, "Request not found")
        return self._status(order) if rest.endswith("/status") else self._result(order)

    def locked(self) -> Answer:
        """Say that the balance is exhausted, which fal calls forbidden."""
        return self.refusal(403, "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.")

    def _status(self, order: Order) -> Answer:
        turn = self.turn(order.task_id)
        word = "IN_QUEUE" if turn == 1 else "IN_PROGRESS" if turn == 2 else "COMPLETED"
        if "strange_word" in self.faults:
            word = "DREAMING"
        return _json(200 if word == "COMPLETED" else 202, {"status": word, "request_id": order.task_id, "logs": None})

    def _result(self, order: Order) -> Answer:
        if self.asked.get(order.task_id, 0) < 3:
            return self.refusal(400, "Request is still in progress")
        if "moderated" in self.faults:
            flagged = {
                "loc": ["body", "prompt"],
                "msg": "The content was flagged by a content checker.",
                "type": "content_policy_violation",
            }
            return _json(422, {"detail": [flagged]})
        if "result_error" in self.faults:
            return _json(504, {"detail": "Request timed out", "error_type": "request_timeout"})
        image = {"url": f"{self.url}/files/{order.task_id}.png", "width": 1024, "height": 768, "content_type": "image/png"}
        return _json(200, {"images": [image], "seed": 7, "has_nsfw_concepts": [False], "prompt": order.body.get("prompt")})

    @staticmethod
    def _app(order: Order) -> str:
        return "/".join(order.model.split("/")[:2])


class FakeReplicate(FakeQueue):
    """Replicate's predictions of official models: the result stands in the prediction."""

    def model_of(self, path: str) -> str | None:
        """Give the model between the fixed steps."""
        steps = path.split("/")
        return "/".join(steps[3:5]) if path.startswith("/v1/models/") and path.endswith("/predictions") and len(steps) == 6 else None

    def accepted(self, order: Order) -> Answer:
        """Give the prediction as it starts."""
        return _json(201, self._prediction(order, "starting", None, None))

    def question(self, path: str) -> Answer:
        """Give the prediction as it stands."""
        order = self.order_of(path.removeprefix("/v1/predictions/"))
        if order is None:
            return _json(404, {"title": "Not found", "detail": "The requested resource could not be found.", "status": 404})
        turn = self.turn(order.task_id)
        if "strange_word" in self.faults:
            return _json(200, self._prediction(order, "dreaming", None, None))
        if turn < 3:
            return _json(200, self._prediction(order, "starting" if turn == 1 else "processing", None, None))
        if "moderated" in self.faults:
            return _json(
                200, self._prediction(order, "failed", None, "NSFW content detected. Try running it again, or a different prompt.")
            )
        if "result_error" in self.faults:
            return _json(200, self._prediction(order, "aborted", None, None))
        one = f"{self.url}/files/{order.task_id}.png"
        return _json(200, self._prediction(order, "succeeded", one if "pro" in order.model else [one], None))

    def _prediction(self, order: Order, status: str, output: object, error: str | None) -> dict[str, object]:
        place = f"{self.url}/v1/predictions/{order.task_id}"
        return {
            "id": order.task_id,
            "model": order.model,
            "version": "hidden",
            "input": order.body.get("input"),
            "logs": "",
            "output": output,
            "data_removed": False,
            "error": error,
            "status": status,
            "created_at": "2026-11-25T12:00:00.000Z",
            "urls": {"get": place, "cancel": f"{place}/cancel"},
        }


@contextmanager
def open_fal() -> Iterator[FakeFal]:
    """Serve fal's queue on loopback until the block ends."""
    queue = FakeFal(scheme="Key")
    with _served(queue):
        yield queue


@contextmanager
def open_replicate() -> Iterator[FakeReplicate]:
    """Serve Replicate's predictions on loopback until the block ends."""
    queue = FakeReplicate(scheme="Bearer")
    with _served(queue):
        yield queue


@contextmanager
def _served(queue: FakeQueue) -> Iterator[None]:
    with serving(lambda request: queue.answer(request.method, request.path, request.headers, request.body)) as queue.url:
        yield


def _json(status: int, fields: dict[str, object]) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(fields).encode()
