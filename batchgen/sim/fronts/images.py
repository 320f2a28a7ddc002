"""Answer the synchronous image calls, pictures from text and edits of uploaded pictures, in the words of some surface."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from batchgen.sim import delivery, edits
from batchgen.sim.codes import BAD_PARAMETERS, BAD_PARAMETERS_MSG
from batchgen.sim.delivery import Entry
from batchgen.sim.desk import Desk, Manners, base_of, key_of, sync_fault
from batchgen.sim.misbehaviour import Data
from batchgen.sim.order import Form, Order, Refusal, misfit
from batchgen.sim.request import parse_body
from batchgen.sim.storage import Storage
from batchgen.sim.synchronous import Kind, SyncRequest
from batchgen.sim.task import Task

_NO_FORM = Refusal(code=BAD_PARAMETERS, msg=BAD_PARAMETERS_MSG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Say how one API reads and answers these calls.

    `parts` maps the names of file parts to fields, `form` tells how pictures are handed over, `told` makes the body of a
    success, `honest` its response, and `answered` the response under a fault of the point `post`.
    """

    manners: Manners
    parts: Mapping[str, str]
    order: Callable[[Kind, Form], Order | Refusal]
    form: Callable[[str, SyncRequest], str]
    told: Callable[[Task, SyncRequest, list[Entry]], Data]
    honest: Callable[[Data], Response]
    answered: Mapping[str, Callable[[Data], Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFront:
    """Draw while the client waits; the charge is on disk before the first byte of the answer."""

    desk: Desk
    storage: Storage
    surface: Surface

    async def generate(self, request: Request) -> Response:
        """Draw pictures from a prompt."""
        fault = self.desk.admit(request, self.surface.manners)
        if isinstance(fault, Response):
            return fault
        raw = await request.body()
        fields = parse_body(raw)
        wanted = _NO_FORM if fields is None else self.surface.order("generation", Form(fields=fields, raw=raw))
        return await self._drawn(request, wanted, fault)

    async def edit(self, request: Request) -> Response:
        """Draw a picture that shows what was to be edited."""
        fault = self.desk.admit(request, self.surface.manners)
        if isinstance(fault, Response):
            return fault
        raw, kind = await request.body(), request.headers.get("content-type", "")
        form = await self.desk.draw(partial(edits.read, kind, raw, self.surface.parts))
        wanted = self.surface.order("edit", form) if isinstance(form, Form) else (misfit(form) if form else _NO_FORM)
        return await self._drawn(request, wanted, fault)

    async def _drawn(self, request: Request, wanted: Order | Refusal, fault: str) -> Response:
        sold = await self.desk.serve(key_of(request), wanted, partial(sync_fault, self.desk.plan, wanted, fault))
        if isinstance(sold, Refusal):
            return self.surface.manners.refuse(sold)
        task, shape = sold
        told = await self._told(base_of(request), task, shape)
        return delivery.respelt(self.surface.answered.get(fault, self.surface.honest)(told), shape)

    async def _told(self, base: str, task: Task, shape: str) -> Data:
        wanted = SyncRequest.read_back(task.line.request)
        form = self.surface.form(task.line.model, wanted)
        prints = await delivery.prints(self.desk, self.storage, base, task, with_bytes=delivery.needs_bytes(form, shape))
        return self.surface.told(task, wanted, delivery.entries(prints, form, shape))
