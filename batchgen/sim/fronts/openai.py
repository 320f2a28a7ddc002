"""Speak OpenAI's tongue: bare bodies, errors with real HTTP statuses; the till and the faults are the same."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from starlette.responses import Response

from batchgen.sim import delivery, openai_models, synchronous
from batchgen.sim.delivery import Entry
from batchgen.sim.desk import Manners
from batchgen.sim.fronts.images import Surface
from batchgen.sim.misbehaviour import ANSWERED, ODD_RETRY_AFTERS, REFUSED, Data, as_json
from batchgen.sim.openai_models import (
    BAD_KEY_ERROR,
    INVALID_ERROR,
    QUOTA_ERROR,
    RATE_ERROR,
    SERVER_FAULT,
    ApiError,
    error_of,
)
from batchgen.sim.order import Refusal
from batchgen.sim.synchronous import SyncRequest
from batchgen.sim.task import Task
from batchgen.sim.wire import Cut


def surface(price_scale: Decimal) -> Surface:
    """Return how the OpenAI-compatible calls are read and answered."""
    return Surface(
        manners=Manners(refuse=_refuse, throttle=_throttle, refused=_REFUSED),
        parts={"image": "image", "image[]": "image", "mask": "mask"},
        order=partial(openai_models.order, price_scale),
        form=openai_models.response_form,
        told=_told,
        honest=as_json,
        answered=_ANSWERED,
    )


def _error(error: ApiError, retry_after: str | None = None) -> Response:
    answer = as_json(error.as_json(), status=error.status)
    if retry_after is not None:
        answer.headers["Retry-After"] = retry_after
    return answer


def _refuse(refused: Refusal) -> Response:
    return _error(error_of(refused))


def _throttle(ordinal: int) -> Response:
    return _error(RATE_ERROR, "1" if ordinal % 2 else None)


def _told(task: Task, request: SyncRequest, entries: list[Entry]) -> Data:
    told: dict[str, object] = {"created": int(task.created_at), "data": entries}
    if openai_models.is_dalle(task.line.model):
        return told
    return told | {
        "background": request.background if request.background in {"transparent", "opaque"} else "opaque",
        "output_format": request.form,
        "quality": request.quality if request.quality not in {None, "auto"} else "medium",
        "size": "x".join(map(str, request.pixels)),
        "usage": delivery.usage(request, references=synchronous.sources(task.line)),
    }


_REFUSED: dict[str, Callable[[int], Response]] = REFUSED | {
    "post.429": lambda _: _error(RATE_ERROR),
    "post.429_retry_after": lambda _: _error(RATE_ERROR, "1"),
    "post.429_odd_retry_after": lambda ordinal: _error(RATE_ERROR, ODD_RETRY_AFTERS[ordinal % len(ODD_RETRY_AFTERS)]),
    "post.too_frequent": lambda _: _error(RATE_ERROR),
    "post.server_error": lambda _: _error(SERVER_FAULT),
    "post.500": lambda _: _error(SERVER_FAULT),
    "post.no_balance": lambda _: _error(QUOTA_ERROR),
    "post.quota": lambda _: _error(QUOTA_ERROR),
    "post.unauthorized": lambda _: _error(BAD_KEY_ERROR),
    "post.bad_parameters": lambda _: _error(INVALID_ERROR),
}
_ANSWERED: dict[str, Callable[[Data], Response]] = ANSWERED | {
    "post.accept_then_cut": lambda data: Cut(as_json(data).body, media_type="application/json"),
    "post.accept_then_no_id": lambda data: as_json({**data, "data": []}),
    "post.string_code": as_json,
    "post.zero_code": as_json,
}
