"""JimmyAI on a bare socket: honest, but for the orders and questions that a test scripts, down to single bytes on the wire.

It keeps its own bill. What it answers beside orders and questions (account, catalogue, pictures) is always honest.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.pictures import picture
from tests.support.rawserver import Arrived, RawServer, Visit, answer, listening

COST = 0.03
"""What every order costs, in coin."""

_API = "/api/open-api/v1"
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a request meets in the place of the honest answer, whose bytes are handed in; the connection ends where ``ends`` says so."""

    send: Callable[[Visit, bytes], Awaitable[None]]
    bills: bool = False
    ends: bool = False


def says(status: int, body: object = b"", *, bills: bool = False, **headers: str) -> Fault:
    """Answer with a status, a body (bytes, or a value for JSON) and headers, written with underscores."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(send=lambda visit, _: visit.reply(status, raw, named), bills=bills)


def code(number: object, msg: str = "", *, status: int = 200, **headers: str) -> Fault:
    """Answer with a refusal in the vendor's envelope."""
    return says(status, {"code": number, "msg": msg, "data": None}, **headers)


def tells(**data: object) -> Fault:
    """Answer with a success in the vendor's envelope; an order so answered is billed."""
    return says(200, {"code": 20000, "msg": "ok", "data": data}, bills=True)


async def _reset(visit: Visit, _honest: bytes) -> None:
    visit.reset()


async def _hang(visit: Visit, _honest: bytes) -> None:
    await visit.reader.read()


async def _hang_up(_visit: Visit, _honest: bytes) -> None:
    """Close without a word."""


async def _half(visit: Visit, honest: bytes) -> None:
    await visit.send(honest[: len(honest) - 20])


async def _honestly(visit: Visit, honest: bytes) -> None:
    await visit.send(honest)


def gives(count: int) -> Fault:
    """Tell that a task is completed, with so many images in the place of one."""

    async def send(visit: Visit, honest: bytes) -> None:
        told = json.loads(honest.partition(b"\r\n\r\n")[2])
        url = told["data"]["result"]["image_url"]
        told["data"]["result"] = {"image_urls": [f"{url}?{number}" for number in range(count)]}
        await visit.reply(200, json.dumps(told).encode())

    return Fault(send=send)


HONEST = Fault(send=_honestly, bills=True)
RESET = Fault(send=_reset, bills=True, ends=True)
HANG = Fault(send=_hang, bills=True, ends=True)
HANG_UP = Fault(send=_hang_up, bills=True, ends=True)
CUT = Fault(send=_half, bills=True, ends=True)


@dataclass(slots=True, kw_only=True)
class RudeVendor:
    """What arrived and what was billed, by prompt. The last of the scripted questions is asked for ever where ``for_ever`` says so."""

    on_order: Sequence[Fault] = ()
    on_poll: Sequence[Fault] = ()
    for_ever: bool = False
    url: str = ""
    orders: list[Arrived] = field(default_factory=list)
    polls: list[Arrived] = field(default_factory=list)
    fetched: list[Arrived] = field(default_factory=list)
    charges: list[str] = field(default_factory=list)

    @property
    def posts(self) -> int:
        """Count the orders that arrived whole."""
        return len(self.orders)

    async def meet(self, visit: Visit) -> None:
        """Serve one connection until somebody ends it."""
        while (arrived := await visit.request()) is not None:
            if arrived.line.startswith("POST"):
                fault, honest = self._order(arrived)
            elif arrived.target.startswith(f"{_API}/images/"):
                fault, honest = self._poll(arrived)
            else:
                fault, honest = HONEST, self._other(arrived)
            await fault.send(visit, honest)
            if fault.ends:
                return

    def _order(self, arrived: Arrived) -> tuple[Fault, bytes]:
        self.orders.append(arrived)
        fault = self._scripted(self.on_order, self.posts)
        if fault.bills:
            self.charges.append(json.loads(arrived.body)["prompt"])
        return fault, _told({"task_id": f"img_{self.posts}", "status": "queued", "cost": COST})

    def _poll(self, arrived: Arrived) -> tuple[Fault, bytes]:
        self.polls.append(arrived)
        task_id = arrived.target.rpartition("/")[2]
        result = {"image_url": f"{self.url}/files/{task_id}.png"}
        honest = _told({"task_id": task_id, "status": "completed", "cost": COST, "result": result})
        return self._scripted(self.on_poll, len(self.polls)), honest

    def _scripted(self, faults: Sequence[Fault], ordinal: int) -> Fault:
        if ordinal <= len(faults):
            return faults[ordinal - 1]
        return faults[-1] if faults and self.for_ever else HONEST

    def _other(self, arrived: Arrived) -> bytes:
        if arrived.target.startswith("/files/"):
            self.fetched.append(arrived)
            return answer(200, picture(), {"Content-Type": "image/png"})
        return _told({"list": [], "balance": 100, "used_coin": 0, "available": 100, "unlimited": True})


def _told(data: Mapping[str, object]) -> bytes:
    return answer(200, json.dumps({"code": 20000, "msg": "ok", "data": data}).encode(), _JSON)


@contextmanager
def open_rude_vendor(vendor: RudeVendor, *, tls: ssl.SSLContext | None = None) -> Iterator[RudeVendor]:
    """Serve on loopback, in a thread with a loop of its own, until the block ends."""
    with serving_raw(vendor.meet, tls=tls) as server:
        vendor.url = server.url
        yield vendor


@contextmanager
def serving_raw(script: Callable[[Visit], Awaitable[None]], *, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Run a server of ``rawserver`` beside a test that has no loop, until the block ends."""
    ready, over, found = threading.Event(), asyncio.Event(), list[tuple[RawServer, asyncio.AbstractEventLoop]]()

    async def serve() -> None:
        async with listening(script, tls=tls) as server:
            found.append((server, asyncio.get_running_loop()))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    server, loop = found[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
