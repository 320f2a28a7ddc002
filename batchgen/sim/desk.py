"""Keep what every front of the vendor shares: the terms, the till, the fault plan, the counts and two small thread pools.

Blocking work (fsync, drawing) runs on the pools, one for each, so that a slow disk never delays a poll.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import time
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from batchgen.sim.billing import Ledger
from batchgen.sim.codes import BAD_KEY, MODERATED_MSG, SERVER_ERROR
from batchgen.sim.faults import FaultPlan
from batchgen.sim.options import SimOptions
from batchgen.sim.order import Order, Refusal
from batchgen.sim.task import Task
from batchgen.sim.vendor import MODERATED_MARK, Vendor

MODERATED = "sync.moderated"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Say in which words a surface refuses: by itself, when it throttles, and under a fault of the point `post`."""

    refuse: Callable[[Refusal], Response]
    throttle: Callable[[int], Response]
    refused: Mapping[str, Callable[[int], Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Let calls in, take the money and see it on disk before an answer leaves."""

    options: SimOptions
    ledger: Ledger
    plan: FaultPlan
    vendor: Vendor
    seen: Counter[str] = field(default_factory=Counter)
    clerk: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "sim-ledger"))
    studio: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 2, "sim-picture"))

    def admit(self, request: Request, manners: Manners) -> Response | str:
        """Return the answer that turns a paid call away, or the name of the fault its answer will meet, '' for none."""
        self.seen["posts"] += 1
        if not self.vendor.authorize(key_of(request)):
            return manners.refuse(Refusal(code=BAD_KEY, msg=""))
        fault = self.plan.draw("post") or ""
        if fault in manners.refused:
            return manners.refused[fault](self.plan.met[fault])
        if not self.vendor.admits():
            self.seen["throttled"] += 1
            return manners.throttle(self.seen["throttled"])
        return fault

    async def queue(self, key: str, wanted: Order | Refusal) -> Task | Refusal:
        """Accept a task; its charge is on disk when this returns."""
        task = self.vendor.accept(key, wanted)
        if isinstance(task, Task):
            await self._on_disk()
        return task

    async def serve(self, key: str, wanted: Order | Refusal, fault: Callable[[], str] = str) -> tuple[Task, str] | Refusal:
        """Wait as long as a synchronous call takes, charge it and return it with the fault its images meet.

        The fault is drawn once the call is let in; moderation refuses after the wait, unbilled. A client that leaves
        meanwhile is charged all the same.
        """
        sale = self.vendor.begin(key, wanted)
        if isinstance(sale, Refusal):
            return sale
        drawn = fault()
        await asyncio.sleep(max(0.0, sale.ends_at - time()))
        if drawn == MODERATED:
            self.vendor.release(sale)
            return Refusal(code=SERVER_ERROR, msg=MODERATED_MSG)
        task = self.vendor.finish(sale)
        await self._on_disk()
        return task, drawn

    async def draw(self, call: Callable[[], T]) -> T:
        """Return what the call makes, on the threads for pictures."""
        return await asyncio.get_running_loop().run_in_executor(self.studio, call)

    def close(self) -> None:
        """Close the pools and the ledger."""
        self.clerk.shutdown()
        self.studio.shutdown(cancel_futures=True)
        self.ledger.close()

    async def _on_disk(self) -> None:
        self.seen["accepted"] += 1
        position = len(self.ledger.lines)
        await asyncio.get_running_loop().run_in_executor(self.clerk, partial(self.ledger.sync, position))


def sync_fault(plan: FaultPlan, wanted: Order | Refusal, fault: str) -> str:
    """Return the fault that the pictures of a synchronous call meet, '' for none; a marked prompt is always moderated.

    A call meets one fault: none is drawn when its answer already meets one of the point `post`.
    """
    drawn = "" if fault else plan.draw("sync") or ""
    return MODERATED if isinstance(wanted, Order) and MODERATED_MARK in wanted.prompt else drawn


def key_of(request: Request) -> str:
    """Return the key in the Authorization header, or ''."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def base_of(request: Request) -> str:
    """Return the origin under which the client reaches this server."""
    return f"{request.url.scheme}://{request.url.netloc}"
