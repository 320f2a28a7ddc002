"""Answer creates and polls of asynchronous images and videos."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import time

from starlette.requests import Request
from starlette.responses import Response

from batchgen.sim import catalogue, videos
from batchgen.sim.billing import Call
from batchgen.sim.codes import BAD_KEY, NOT_FOUND_MSG, SERVER_ERROR
from batchgen.sim.desk import Desk, base_of, key_of
from batchgen.sim.fronts.jimmyai import MANNERS, refuse
from batchgen.sim.misbehaviour import ANSWERED, envelope, refusal
from batchgen.sim.order import Order, Refusal
from batchgen.sim.references import looked_at
from batchgen.sim.storage import Storage
from batchgen.sim.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFront:
    """Queue tasks and tell what becomes of them."""

    desk: Desk
    storage: Storage

    async def create_image(self, request: Request) -> Response:
        """Accept, bill and queue an image task; the charge is on disk before the answer leaves."""
        fault = self.desk.admit(request, MANNERS)
        if isinstance(fault, Response):
            return fault
        wanted = catalogue.order(await request.body(), self.desk.options.price_scale)
        references = catalogue.references(wanted.fields) if isinstance(wanted, Order) else {}
        return await self._queued(request, wanted, references, fault)

    async def create_video(self, request: Request) -> Response:
        """Accept, bill and queue a video task, if the model belongs to the path."""
        fault = self.desk.admit(request, MANNERS)
        if isinstance(fault, Response):
            return fault
        family = request.url.path.removeprefix("/api/open-api/v1/")
        wanted = videos.order(family, await request.body(), self.desk.options.price_scale)
        references = videos.references(wanted.fields) if isinstance(wanted, Order) else {}
        return await self._queued(request, wanted, references, fault)

    async def query_image(self, request: Request) -> Response:
        """Tell the state of an image task, with freshly signed URLs once it is completed."""
        return self._told(request, "image")

    async def query_video(self, request: Request) -> Response:
        """Tell the state of a video task, with a freshly signed URL once it is completed."""
        return self._told(request, "video")

    async def _queued(self, request: Request, wanted: Order | Refusal, references: Mapping[str, list[str]], fault: str) -> Response:
        if isinstance(wanted, Order) and any(references.values()):
            resolve = partial(self.storage.resolve, base_of(request))
            wanted = await self.desk.draw(partial(looked_at, wanted, references, resolve))
        task = await self.desk.queue(key_of(request), wanted)
        if isinstance(task, Refusal):
            return refuse(task)
        return ANSWERED.get(fault, envelope)(_receipt(task))

    def _told(self, request: Request, call: Call) -> Response:
        self.desk.seen["polls"] += 1
        vendor, plan, now = self.desk.vendor, self.desk.plan, time()
        if not vendor.authorize(key_of(request)):
            return refusal(BAD_KEY, "")
        vendor.settle()
        fault = plan.draw("poll")
        task = vendor.task(request.path_params["task_id"])
        if task is None or task.line.call != call:
            return refusal(SERVER_ERROR, NOT_FOUND_MSG)
        told = task.at(now)
        if task.is_completed(now):
            fault = fault or plan.draw("result")
            told["result"] = self._result(base_of(request), task, is_stale=fault == "result.stale_url")
        return ANSWERED.get(fault or "", envelope)(told)

    def _result(self, base: str, task: Task, *, is_stale: bool) -> dict[str, object]:
        if task.line.call == "video":
            folder = "direct" if videos.is_direct(task.line.model) else "files"
            url = self.storage.urls(base, task, folder=folder, is_stale=is_stale)[0]
            return dict.fromkeys(("video_url", "draft_cache_url") if videos.is_draft(task.line.model) else ("video_url",), url)
        urls = self.storage.urls(base, task, is_stale=is_stale)
        return {"image_url": urls[0]} | ({"image_urls": urls} if len(urls) > 1 else {})


def _receipt(task: Task) -> dict[str, object]:
    return {
        "task_id": task.task_id,
        "status": "queued",
        "model": task.line.model,
        "created_at": int(task.created_at),
        "cost": float(task.line.cost),
    }
