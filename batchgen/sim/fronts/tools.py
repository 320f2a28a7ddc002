"""Answer upscale and remove-bg: one source image in, one picture out, in the same request."""

import base64
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from batchgen.sim import tools
from batchgen.sim.desk import Desk, base_of, key_of
from batchgen.sim.fronts.jimmyai import MANNERS, refuse
from batchgen.sim.misbehaviour import TOOLS_ANSWERED, envelope
from batchgen.sim.order import Order, Refusal
from batchgen.sim.references import looked_at
from batchgen.sim.storage import Storage
from batchgen.sim.task import COMPLETED, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFront:
    """Sell the two tools."""

    desk: Desk
    storage: Storage

    async def upscale(self, request: Request) -> Response:
        """Enlarge a picture."""
        return await self._applied(request, "upscale")

    async def remove_background(self, request: Request) -> Response:
        """Cut a picture out."""
        return await self._applied(request, "remove-bg")

    async def _applied(self, request: Request, tool: tools.Tool) -> Response:
        fault = self.desk.admit(request, MANNERS)
        if isinstance(fault, Response):
            return fault
        wanted = tools.order(tool, await request.body(), self.desk.options.price_scale)
        if isinstance(wanted, Order):
            source = {"image_url": [str(wanted.fields["image_url"])]}
            wanted = await self.desk.draw(partial(looked_at, wanted, source, partial(self.storage.resolve, base_of(request))))
        sold = await self.desk.serve(key_of(request), wanted)
        if isinstance(sold, Refusal):
            return refuse(sold)
        told = await self._told(base_of(request), sold[0], tool)
        return TOOLS_ANSWERED.get(fault, envelope)(told)

    async def _told(self, base: str, task: Task, tool: tools.Tool) -> dict[str, object]:
        body = task.line.request
        told: dict[str, object] = {
            "task_id": task.task_id,
            "output_format": tools.form(tool, body),
            "status": COMPLETED,
            "cost": float(task.line.cost),
        }
        if tool == "upscale":
            told["pass_count"] = tools.passes(body)
        if body.get("response_format") == "url":
            return told | {"image_url": self.storage.urls(base, task)[0]}
        made = await self.desk.draw(partial(self.storage.file, self.storage.names(task)[0]))
        return told | {"b64_json": base64.b64encode(made.body).decode()}
