"""A vendor without a network, and its language: replies carry their meaning, so that a test speaks in readings."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import quote, unquote

from batchgen.core import readings as r
from batchgen.core.jobs import Job, Params
from batchgen.core.money import Micros
from batchgen.core.ports import Call, Complaint, Fetched, Model, Reply, Sink
from tests.support.fake_clock import FakeClock

T = TypeVar("T")

USUAL_COST: Final = Micros(60_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken(Reply):
    """A reply that carries what it means."""

    reading: r.SubmitReading | r.PollReading


class FakeDialect:
    """A ``core.ports.Dialect`` for ``FakeClient``: orders name the job, replies are taken at their word."""

    name = "fake"
    params = ("model",)
    unit = "coin"
    result_ttl_s = 86_400.0

    def complaints(self, params: Params, *, prompt_chars: int, references: int) -> Sequence[Complaint]:  # noqa: ARG002 - the port's signature
        """Take everything."""
        return ()

    def models(self) -> Sequence[Model]:
        """Know no model."""
        return ()

    def submit(self, job: Job) -> Call:
        """Order the job by its key."""
        return Call(method="POST", path="/orders", body=json.dumps({"key": job.key, "model": job.model}).encode())

    def read_submit(self, reply: Reply) -> r.SubmitReading:
        """Give the reading of an order."""
        return reply.reading

    def poll(self, task_id: str) -> Call:
        """Ask after a task."""
        return Call(method="GET", path=f"/tasks/{quote(task_id, safe='')}")

    def read_poll(self, reply: Reply) -> r.PollReading:
        """Give the reading of a question."""
        return reply.reading


@dataclass(slots=True, kw_only=True)
class Order:
    """A paid call as the vendor saw it; ``ended_at`` is when the vendor was through with it, in seconds."""

    key: str
    model: str
    at: float
    answered_at: float = float("inf")
    ended_at: float = float("inf")


@dataclass(slots=True, kw_only=True)
class FakeClient:
    """A ``core.ports.Client`` with its vendor: tasks take ``render_s`` and end in an image, unless a hook says otherwise.

    A hook gets the job's key, the task's id or the URL and gives a reading, bytes, an exception to raise, or None for the usual.
    """

    clock: FakeClock
    trace: list[str] = field(default_factory=list)
    on_order: Callable[[str], r.SubmitReading | BaseException | None] = lambda _: None
    on_ask: Callable[[str], r.PollReading | BaseException | None] = lambda _: None
    on_fetch: Callable[[str], bytes | BaseException | None] = lambda _: None
    order_s: float = 0.5
    render_s: float = 10.0
    ask_s: float = 0.1
    fetch_s: float = 0.2
    cost: Micros | None = USUAL_COST
    orders: list[Order] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    fetched: list[tuple[float, str]] = field(default_factory=list)
    ready_at: dict[str, float] = field(default_factory=dict)
    is_closed: bool = False

    async def order(self, call: Call) -> Reply:
        """Take a paid order."""
        body = json.loads(call.body or b"")
        order = Order(key=body["key"], model=body["model"], at=self.clock.monotonic())
        self.orders.append(order)
        self.trace.append("ordered")
        usual = r.Accepted(task_id=f"task-{len(self.orders)}", cost=self.cost)
        answer = self.on_order(order.key) or usual
        await asyncio.sleep(self.order_s)
        order.answered_at = order.ended_at = self.clock.monotonic()
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, r.Accepted):
            order.ended_at = self.ready_at[answer.task_id] = order.answered_at + self.render_s
        return Spoken(status=200, reading=answer)

    async def ask(self, call: Call) -> Reply:
        """Answer a free question about a task."""
        task_id = unquote(call.path.removeprefix("/tasks/"))
        self.asked.append((self.clock.monotonic(), task_id))
        self.trace.append("asked")
        answer = self.on_ask(task_id) or self._usual(task_id)
        await asyncio.sleep(self.ask_s)
        if isinstance(answer, BaseException):
            raise answer
        return Spoken(status=200, reading=answer)

    async def fetch(self, url: str, sink: Sink) -> Fetched:
        """Give the bytes behind a URL."""
        self.fetched.append((self.clock.monotonic(), url))
        self.trace.append("fetched")
        answer = self.on_fetch(url) or f"image of {url}".encode()
        await asyncio.sleep(self.fetch_s)
        if isinstance(answer, BaseException):
            raise answer
        sink.write(answer)
        return Fetched(received_bytes=len(answer), length=len(answer), content_type="image/png")

    async def close(self) -> None:
        """Note the end."""
        self.is_closed = True

    def peak_alive(self, model: str | None = None) -> int:
        """Say how many orders (of a model) were with the vendor at once."""
        orders = [order for order in self.orders if model in {None, order.model}]
        steps = sorted([(order.at, 1) for order in orders] + [(order.ended_at, -1) for order in orders])
        alive = peak = 0
        for _, step in steps:
            alive += step
            peak = max(peak, alive)
        return peak

    def _usual(self, task_id: str) -> r.PollReading:
        if self.ready_at.get(task_id, 0.0) > self.clock.monotonic():
            return r.Running(status="processing")
        return r.Done(urls=(f"https://cdn.example/{task_id}.png",), cost=self.cost)


def script(*answers: T | None) -> Callable[[str], T | None]:
    """Give a hook that answers in this order, then as usual."""
    left = deque(answers)
    return lambda _: left.popleft() if left else None


def always(answer: T) -> Callable[[str], T | None]:
    """Give a hook that always answers the same."""
    return lambda _: answer
