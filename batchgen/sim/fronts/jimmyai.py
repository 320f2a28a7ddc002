"""Speak the vendor's own tongue: `{code, msg, data}`, failures under HTTP 200, and `data` within `data` for pictures."""

from decimal import Decimal
from functools import partial

from starlette.responses import Response

from batchgen.sim import delivery, synchronous
from batchgen.sim.delivery import Entry
from batchgen.sim.desk import Manners
from batchgen.sim.fronts.images import Surface
from batchgen.sim.misbehaviour import IMAGES_ANSWERED, REFUSED, Data, envelope, refusal, throttled
from batchgen.sim.order import Refusal
from batchgen.sim.synchronous import SyncRequest
from batchgen.sim.task import Task


def refuse(refused: Refusal) -> Response:
    """Return a refusal in the usual envelope."""
    return refusal(refused.code, refused.msg)


MANNERS = Manners(refuse=refuse, throttle=throttled, refused=REFUSED)


def surface(price_scale: Decimal) -> Surface:
    """Return how the vendor itself reads and answers synchronous image calls."""
    return Surface(
        manners=MANNERS,
        parts={"image": "image", "mask": "mask"},
        order=partial(synchronous.order, price_scale),
        form=lambda _, request: request.response_format or "url",
        told=_told,
        honest=envelope,
        answered=IMAGES_ANSWERED,
    )


def _told(task: Task, request: SyncRequest, entries: list[Entry]) -> Data:
    return {
        "created": int(task.created_at),
        "model": task.line.model,
        "data": [entry | {"revised_prompt": request.prompt} for entry in entries],
        "usage": delivery.usage(request, references=synchronous.sources(task.line)),
    }
