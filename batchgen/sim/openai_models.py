"""Know the OpenAI-compatible image calls: models, limits and prices, and what the surface says when it refuses.

Pure tables and functions. gpt-image models always answer with b64_json and refuse `response_format`; only dall-e takes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from batchgen.sim import prices
from batchgen.sim.codes import BAD_KEY, BAD_MODEL_MSG, BAD_PARAMETERS, BAD_PARAMETERS_MSG, MODERATED_MSG, NO_BALANCE_MSG, NO_QUOTA_MSG
from batchgen.sim.order import Form, Order, Refusal, misfit
from batchgen.sim.synchronous import Kind, SyncModel, SyncRequest, misfits

_GPT_SIZES = frozenset({"auto", "1024x1024", "1536x1024", "1024x1536"})
_GPT_FIELDS = frozenset(("background", "moderation", "output_compression", "output_format", "partial_images", "stream", "input_fidelity"))
_DALLE_FIELDS = frozenset({"response_format", "style"})
_COMMON_FIELDS = frozenset(("model", "prompt", "n", "size", "quality", "user", "image", "mask"))
_EDITORS = ("gpt-image-2", "gpt-image-1.5", "gpt-image-1", "gpt-image-1-mini", "dall-e-2")
_DEFAULT_MODEL = "dall-e-2"


def _gpt(pace: float) -> SyncModel:
    return SyncModel(sizes=_GPT_SIZES, max_n=10, pace=pace)


MODELS = {
    "gpt-image-2": _gpt(1.0),
    "gpt-image-1.5": _gpt(0.8),
    "gpt-image-1": _gpt(1.0),
    "gpt-image-1-mini": _gpt(0.6),
    "dall-e-3": SyncModel(
        qualities=frozenset({"auto", "standard", "hd"}),
        sizes=frozenset({"1024x1024", "1792x1024", "1024x1792"}),
        max_prompt=4000,
        pace=0.7,
    ),
    "dall-e-2": SyncModel(
        qualities=frozenset({"auto", "standard"}), sizes=frozenset({"256x256", "512x512", "1024x1024"}), max_n=10, max_prompt=1000, pace=0.4
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiError:
    """Hold an error as this surface words it."""

    status: int
    message: str
    kind: str
    code: str | None
    param: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the body of the answer."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


BAD_KEY_ERROR = ApiError(status=401, message="Incorrect API key provided.", kind="invalid_request_error", code="invalid_api_key")
RATE_ERROR = ApiError(status=429, message="Rate limit reached for images.", kind="requests", code="rate_limit_exceeded")
QUOTA_ERROR = ApiError(
    status=429,
    message="You exceeded your current quota, please check your plan and billing details.",
    kind="insufficient_quota",
    code="insufficient_quota",
)
MODEL_ERROR = ApiError(status=404, message="The model does not exist.", kind="invalid_request_error", code="model_not_found", param="model")
MODERATED_ERROR = ApiError(
    status=400,
    message="Your request was rejected by the safety system.",
    kind="image_generation_user_error",
    code="moderation_blocked",
)
SERVER_FAULT = ApiError(
    status=500, message="The server had an error while processing your request.", kind="server_error", code="server_error"
)
INVALID_ERROR = ApiError(status=400, message="Invalid request.", kind="invalid_request_error", code="invalid_request_error")


def error_of(refusal: Refusal) -> ApiError:
    """Return the vendor's refusal in the words of this surface."""
    if refusal.code == BAD_KEY:
        return BAD_KEY_ERROR
    by_message = {
        NO_BALANCE_MSG: QUOTA_ERROR,
        NO_QUOTA_MSG: QUOTA_ERROR,
        MODERATED_MSG: MODERATED_ERROR,
        BAD_MODEL_MSG: MODEL_ERROR,
        BAD_PARAMETERS_MSG: INVALID_ERROR,
    }
    if error := by_message.get(refusal.msg):
        return error
    field = refusal.msg.removeprefix(f"{BAD_PARAMETERS_MSG}: ")
    message = f"Invalid value or unknown parameter: '{field}'."
    return ApiError(status=400, message=message, kind="invalid_request_error", code="invalid_value", param=field)


def order(scale: Decimal, kind: Kind, form: Form) -> Order | Refusal:
    """Return the order in the form of a call, or its refusal."""
    request = SyncRequest.of(form.fields)
    if isinstance(request, str):
        return misfit(request)
    name = request.model or _DEFAULT_MODEL
    if name not in MODELS or (kind == "edit" and name not in _EDITORS):
        return Refusal(code=BAD_PARAMETERS, msg=BAD_MODEL_MSG)
    if wrong := next(_misfits(name, form.fields, request), None):
        return misfit(wrong)
    return Order(
        call="openai.edit" if kind == "edit" else "openai.generation",
        model=name,
        prompt=request.prompt,
        cost=prices.total([(_billing_name(name, request.quality), request.n)], scale),
        pace=MODELS[name].pace,
        fields=form.fields,
        raw=form.raw,
        preview=form.preview,
    )


def response_form(model: str, request: SyncRequest) -> str:
    """Return the form in which the pictures of a valid call are told: `url` is a thing of dall-e."""
    return request.response_format or "url" if is_dalle(model) else "b64_json"


def is_dalle(model: str) -> bool:
    """Return whether the model belongs to the older line."""
    return model.startswith("dall-e")


def _misfits(name: str, fields: Mapping[str, object], request: SyncRequest) -> Iterator[str]:
    sent = {field for field, value in fields.items() if value is not None}
    yield from sorted(sent - _COMMON_FIELDS - (_DALLE_FIELDS if is_dalle(name) else _GPT_FIELDS))
    if str(fields.get("stream") or "false").lower() != "false":
        yield "stream"
    yield from misfits(MODELS[name], request)


def _billing_name(model: str, quality: str | None) -> str:
    tiers = ("hd",) if is_dalle(model) else ("low", "medium", "high")
    return f"openai/{model}-{quality}" if quality in tiers else f"openai/{model}"
