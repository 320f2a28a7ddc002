"""Serve the vendor over HTTP: the documented endpoints, the result files and two out-of-band views for tests.

Handlers stay thin: authorize, draw a fault, ask the vendor, shape the answer. Blocking work (fsync, drawing) runs on two
small thread pools, one for each, so that a slow disk never delays a poll.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from time import time
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchgen.sim import catalogue, picture
from batchgen.sim.billing import Ledger
from batchgen.sim.codes import BAD_KEY, NOT_FOUND_MSG, SERVER_ERROR
from batchgen.sim.faults import FaultPlan
from batchgen.sim.misbehaviour import (
    ANSWERED,
    REFUSED,
    SERVED,
    as_json,
    envelope,
    image,
    refusal,
    storage_error,
    throttled,
)
from batchgen.sim.options import SimOptions
from batchgen.sim.task import Task
from batchgen.sim.vendor import Refusal, Vendor

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Answer requests on behalf of a vendor."""

    options: SimOptions
    ledger: Ledger
    plan: FaultPlan
    vendor: Vendor
    seen: Counter[str] = field(default_factory=Counter)
    clerk: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "sim-ledger"))
    studio: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 2, "sim-picture"))

    async def create(self, request: Request) -> Response:
        """Accept, bill and queue a task; the charge is on disk before the answer leaves."""
        self.seen["posts"] += 1
        key = _key(request)
        if not self.vendor.authorize(key):
            return refusal(BAD_KEY, "")
        fault = self.plan.draw("post")
        if fault in REFUSED:
            return REFUSED[fault](self.plan.met[fault])
        if not self.vendor.admits():
            self.seen["throttled"] += 1
            return throttled(self.seen["throttled"])
        task = self.vendor.create(key, await request.body())
        if isinstance(task, Refusal):
            return refusal(task.code, task.msg)
        self.seen["accepted"] += 1
        await self._on(self.clerk, partial(self.ledger.sync, len(self.ledger.lines)))
        return ANSWERED.get(fault or "", envelope)(_receipt(task))

    async def query(self, request: Request) -> Response:
        """Tell the state of a task, with freshly signed URLs once it is completed."""
        self.seen["polls"] += 1
        if not self.vendor.authorize(_key(request)):
            return refusal(BAD_KEY, "")
        self.vendor.settle()
        fault = self.plan.draw("poll")
        task = self.vendor.task(request.path_params["task_id"])
        if task is None:
            return refusal(SERVER_ERROR, NOT_FOUND_MSG)
        now = time()
        told = task.at(now)
        if task.is_completed(now):
            fault = fault or self.plan.draw("result")
            told["result"] = self._result(request, task, is_stale=fault == "result.stale_url")
        return ANSWERED.get(fault or "", envelope)(told)

    async def user_balance(self, request: Request) -> Response:
        """Tell the balance of the account."""
        return self._account(request, self.vendor.user_balance)

    async def key_balance(self, request: Request) -> Response:
        """Tell the quota of the key."""
        return self._account(request, self.vendor.key_balance)

    async def catalog(self, request: Request) -> Response:
        """Tell the public prices; no key is asked for."""
        search = request.query_params.get("search", "")
        return envelope({"list": catalogue.listing(search, self.options.price_scale)})

    async def download(self, request: Request) -> Response:
        """Serve a result picture to whoever holds a valid signature; a key sent here is noted as a leak."""
        self.seen["downloads"] += 1
        self.seen["authorization_on_files"] += "authorization" in request.headers
        name, query = request.path_params["name"], request.query_params
        task = self.vendor.task(name.rpartition("-")[0])
        if task is None or not task.is_completed(time()):
            return storage_error(404, "NoSuchKey", "The specified key does not exist.")
        if not self.vendor.is_signed(name, query.get("Expires", ""), query.get("Signature", "")):
            return storage_error(403, "AccessDenied", "Request has expired")
        fault = self.plan.draw("download")
        png = await self._on(self.studio, partial(picture.draw, self._spec(task, name)))
        return SERVED.get(fault or "", image)(png)

    async def bill(self, _request: Request) -> Response:
        """Show the billing ledger; out of band, no key."""
        self.vendor.settle()
        return as_json([line.as_json() for line in self.ledger.lines])

    async def stats(self, _request: Request) -> Response:
        """Show what this process has seen; out of band, no key."""
        self.vendor.settle()
        seen = {name: self.seen[name] for name in _COUNTED}
        return as_json({"pid": os.getpid(), **seen, "drawn": self.plan.occurrences, "faults": dict(self.plan.met)} | self.vendor.stats())

    def _account(self, request: Request, told: Callable[[], dict[str, object]]) -> Response:
        if not self.vendor.authorize(_key(request)):
            return refusal(BAD_KEY, "")
        self.vendor.settle()
        return envelope(told())

    def _result(self, request: Request, task: Task, *, is_stale: bool) -> dict[str, object]:
        base = f"{request.url.scheme}://{request.url.netloc}"
        names = [f"{task.task_id}-{index}" for index in range(task.request.n)]
        urls = [base + self.vendor.signed(name, is_stale=is_stale) for name in names]
        return {"image_url": urls[0]} | ({"image_urls": urls} if len(urls) > 1 else {})

    def _spec(self, task: Task, name: str) -> picture.PictureSpec:
        wanted = task.request
        return picture.PictureSpec(
            name=name,
            prompt=wanted.prompt,
            model=wanted.model,
            ratio=catalogue.ratio(wanted),
            resolution=catalogue.resolution(wanted),
            quality=catalogue.quality(wanted),
            sample=task.copy,
            scale=self.options.image_scale,
            at_least_bytes=self.options.image_bytes,
        )

    @asynccontextmanager
    async def open_hours(self, _app: Starlette) -> AsyncIterator[None]:
        """Close the pools and the ledger when the server stops."""
        yield
        self.clerk.shutdown()
        self.studio.shutdown(cancel_futures=True)
        self.ledger.close()

    async def _on(self, pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, call)


_COUNTED = ("posts", "accepted", "throttled", "polls", "downloads", "authorization_on_files")


def build(options: SimOptions) -> Starlette:
    """Return the application; an existing ledger is replayed before this returns."""
    ledger, plan = Ledger(options.ledger, fsync=options.fsync), options.plan()
    front = Front(options=options, ledger=ledger, plan=plan, vendor=Vendor(options, ledger, plan, time))
    return Starlette(
        routes=[
            Route("/api/open-api/v1/images", front.create, methods=["POST"]),
            Route("/api/open-api/v1/images/{task_id}", front.query),
            Route("/api/open-api/v1/user/balance", front.user_balance),
            Route("/api/open-api/v1/key/balance", front.key_balance),
            Route("/api/openapi/model/catalog", front.catalog),
            Route("/files/{name}.png", front.download),
            Route("/_sim/ledger", front.bill),
            Route("/_sim/stats", front.stats),
        ],
        lifespan=front.open_hours,
    )


def _key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _receipt(task: Task) -> dict[str, object]:
    return {
        "task_id": task.task_id,
        "status": "queued",
        "model": task.request.model,
        "created_at": int(task.created_at),
        "cost": float(task.cost),
    }
