"""A vendor without a network, and its language: replies carry their meaning, so that a test speaks in readings."""

import asyncio
import json
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import quote, unquote

from batchgen.core import readings as r
from batchgen.core.dialects import Account, Attachment, Call, Complaint, Model, Prices, Question, Reference, Reply, Way
from batchgen.core.jobs import Job, Params
from batchgen.core.money import Micros
from batchgen.core.ports import Answer, Fetched, Sink
from tests.support.fake_clock import FakeClock

T = TypeVar("T")

USUAL_COST: Final = Micros(60_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken(Reply):
    """A reply that carries what it means."""

    reading: r.SubmitReading | r.PollReading | r.UploadReading | Question
    oddities: tuple[str, ...] = ()


ANSWERS: Final[dict[str, r.SubmitReading]] = {
    "inline": r.Delivered(parts=(0,), cost=USUAL_COST),
    "url": r.Delivered(urls=("https://cdn.example/sync.png",), cost=USUAL_COST),
    "data": r.Delivered(urls=("data:image/png;base64,aW1hZ2U=",)),
    "no_base64": r.Delivered(urls=("data:image/png;base64,???",)),
    "throttled": r.Throttled(message="slow"),
    "refused": r.Rejected(reason="refused", message="no"),
    "unreadable": r.Unreadable(message="what?"),
}
"""What the word in the body of a kept answer means."""


def kept_body(word: str) -> bytes:
    """Give the body of a synchronous answer: a word of ``ANSWERS`` and a base64 text that is too long to be held."""
    return json.dumps({"is": word, "image": b64encode(IMAGE).decode()}).encode()


IMAGE: Final = b"image " * 4096
"""The bytes that a synchronous answer holds."""


class FakeDialect:
    """A ``core.dialects.Dialect`` for ``FakeClient``: orders name the job, replies are taken at their word."""

    name = "fake"
    params = ("model",)
    roles = ("images",)
    operations = ("image", "generate")
    synchronous = frozenset({"generate"})
    unit = "coin"
    result_ttl_s = 86_400.0
    key_env = "FAKE_KEY"
    base_url = "https://api.example"
    api_path = ""
    sync_hosts: Mapping[str, str] = MappingProxyType({})
    authorization = ("Authorization", "Bearer {key}")
    upload_ttl_s = 3 * 86_400.0
    taken: frozenset[Way] = frozenset({"url", "base64", "upload"})
    """How references may travel with an image."""

    def ways(self, operation: str) -> frozenset[Way]:
        """Take references with one operation only."""
        return self.taken if operation == "image" else frozenset()

    def complaints(self, params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:  # noqa: ARG002 - the port's signature
        """Take everything."""
        return ()

    def estimate(self, prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:  # noqa: ARG002 - the port's signature
        """Give the listed price of the model."""
        listed = prices.get(params.get("model", ""))
        return None if listed is None else listed.micros

    def models(self) -> Sequence[Model]:
        """Know no model."""
        return ()

    def submit(self, job: Job, attachments: Sequence[Attachment] = ()) -> Call:
        """Order the job by its key."""
        order = {"key": job.key, "model": job.model, "images": [attachment.address for attachment in attachments]}
        is_synchronous = job.operation in self.synchronous
        return Call(method="POST", path="/orders", body=json.dumps(order).encode(), is_synchronous=is_synchronous)

    def read_submit(self, job: Job, reply: Reply) -> r.SubmitReading:  # noqa: ARG002 - the port's signature
        """Give the reading of an order; an answer that was kept on disk carries it as a word."""
        return reply.reading if isinstance(reply, Spoken) else ANSWERS[json.loads(reply.body)["is"]]

    def poll(self, job: Job) -> Call:
        """Ask after a task."""
        return Call(method="GET", path=f"/tasks/{quote(job.task_id or '', safe='')}")

    def read_poll(self, job: Job, reply: Reply) -> r.PollReading | Question:  # noqa: ARG002 - as above
        """Give the reading of a question."""
        return reply.reading

    def unfamiliar(self, job: Job, reply: Reply) -> Sequence[str]:  # noqa: ARG002 - as above
        """Name what the reply says is unheard of."""
        return reply.oddities if isinstance(reply, Spoken) else ()

    def upload(self, attachment: Attachment) -> Call:
        """Upload a reference by its name."""
        return Call(method="POST", path=f"/uploads/{attachment.filename}", body=attachment.content)

    def read_upload(self, reply: Reply) -> r.UploadReading:
        """Give the reading of an upload."""
        return reply.reading


@dataclass(slots=True, kw_only=True)
class Order:
    """A paid call as the vendor saw it; ``ended_at`` is when the vendor was through with it, in seconds."""

    key: str
    model: str
    at: float
    images: tuple[str, ...] = ()
    answered_at: float = float("inf")
    ended_at: float = float("inf")


@dataclass(slots=True, kw_only=True)
class FakeClient:
    """A ``core.ports.Client`` with its vendor: tasks take ``render_s`` and end in an image, unless a hook says otherwise.

    A hook gets the job's key, the task's id, the URL or the file's name and gives a reading, bytes, an exception to raise, or None for the
    usual; ``on_answer`` gives the word of a synchronous answer, or the exception that cuts it short. ``oddities`` stand in every reply.
    """

    clock: FakeClock
    trace: list[str] = field(default_factory=list)
    on_order: Callable[[str], r.SubmitReading | BaseException | None] = lambda _: None
    on_ask: Callable[[str], r.PollReading | BaseException | None] = lambda _: None
    on_fetch: Callable[[str], bytes | BaseException | None] = lambda _: None
    on_answer: Callable[[str], str | BaseException | None] = lambda _: None
    on_upload: Callable[[str], r.UploadReading | BaseException | None] = lambda _: None
    oddities: tuple[str, ...] = ()
    order_s: float = 0.5
    render_s: float = 10.0
    ask_s: float = 0.1
    fetch_s: float = 0.2
    cost: Micros | None = USUAL_COST
    orders: list[Order] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    fetched: list[tuple[float, str]] = field(default_factory=list)
    uploaded: list[tuple[float, str]] = field(default_factory=list)
    ready_at: dict[str, float] = field(default_factory=dict)
    is_closed: bool = False
    accounts: list[Account | None] = field(default_factory=list)
    """What the account tells each time it is asked; the last answer stays."""

    async def account(self) -> Account | None:
        """Tell the account's money."""
        return self.accounts.pop(0) if len(self.accounts) > 1 else (self.accounts or [None])[0]

    async def order(self, call: Call, answer: Answer | None = None) -> Reply:
        """Take a paid order; one with a place for its answer is answered by its result."""
        body = json.loads(b"".join(call.pieces))
        order = Order(key=body["key"], model=body["model"], at=self.clock.monotonic(), images=tuple(body["images"]))
        self.orders.append(order)
        self.trace.append("ordered")
        return await self._answered(order, answer) if answer is not None else await self._accepted(order)

    async def _answered(self, order: Order, answer: Answer) -> Reply:
        word = self.on_answer(order.key) or "inline"
        answer.begin(200, {"content-type": "application/json"})
        body = kept_body(word if isinstance(word, str) else "inline")
        answer.write(body[: len(body) // 2])
        await asyncio.sleep(self.order_s)
        order.answered_at = order.ended_at = self.clock.monotonic()
        if isinstance(word, BaseException):
            raise word
        answer.write(body[len(body) // 2 :])
        return answer.finish()

    async def _accepted(self, order: Order) -> Reply:
        usual = r.Accepted(task_id=f"task-{len(self.orders)}", cost=self.cost)
        answer = self.on_order(order.key) or usual
        await asyncio.sleep(self.order_s)
        order.answered_at = order.ended_at = self.clock.monotonic()
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, r.Accepted):
            order.ended_at = self.ready_at[answer.task_id] = order.answered_at + self.render_s
        return Spoken(status=200, reading=answer, oddities=self.oddities)

    async def ask(self, call: Call) -> Reply:
        """Answer a free question about a task, or take an upload."""
        if call.method == "POST":
            return await self._upload(call.path.removeprefix("/uploads/"))
        task_id = unquote(call.path.removeprefix("/tasks/"))
        self.asked.append((self.clock.monotonic(), task_id))
        self.trace.append("asked")
        answer = self.on_ask(task_id) or self._usual(task_id)
        await asyncio.sleep(self.ask_s)
        if isinstance(answer, BaseException):
            raise answer
        return Spoken(status=200, reading=answer, oddities=self.oddities)

    async def _upload(self, name: str) -> Reply:
        self.uploaded.append((self.clock.monotonic(), name))
        self.trace.append("uploaded")
        answer = self.on_upload(name) or r.Uploaded(url=f"https://cdn.example/uploads/{len(self.uploaded)}/{name}")
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
