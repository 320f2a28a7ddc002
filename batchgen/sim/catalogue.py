"""Know the models of asynchronous images: what each accepts, how long it takes and which prices make up its bill.

Pure tables and functions. The limits are the documented ones; the speeds are invented, as nobody publishes them.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from batchgen.sim import prices
from batchgen.sim.codes import BAD_MODEL_MSG, BAD_PARAMETERS, BAD_PARAMETERS_MSG
from batchgen.sim.order import Order, Refusal
from batchgen.sim.request import ImageRequest, parse_body

_GENERAL = frozenset(("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2", "3:1", "1:3", "21:9", "9:21"))
_SEEDREAM = frozenset(("auto", "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"))
_GROK = frozenset(("auto", "2:1", "20:9", "19.5:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:19.5", "9:20", "1:2"))
_4K_RATIOS = frozenset(("16:9", "9:16", "2:1", "1:2", "21:9", "9:21"))
_ASPECT = re.compile(r"([1-9]\d*(?:\.\d+)?):([1-9]\d*(?:\.\d+)?)")
_PIXELS = re.compile(r"[1-9]\d{1,3}x[1-9]\d{1,3}")
_TIERS = frozenset({"low", "medium", "high", "auto"})
_ANY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """State what one model accepts; an empty set means that the field is ignored."""

    ratios: frozenset[str] = _GENERAL
    resolutions: frozenset[str] = frozenset({"1k", "2k", "4k"})
    qualities: frozenset[str] = _ANY
    max_references: int
    max_n: int = 1
    max_prompt: int | None = None
    default_resolution: str = "1k"
    default_quality: str = "low"
    takes_pixels: bool = False
    auto_needs_references: bool = False
    pace: float = 1.0


_GPT_15 = Model(ratios=_ANY, resolutions=_ANY, qualities=_TIERS, default_quality="auto", max_references=15, max_n=4, pace=0.8)
_GROK_1 = Model(
    ratios=_GROK, resolutions=frozenset({"1k", "2k"}), max_references=3, max_n=4, max_prompt=5000, auto_needs_references=True, pace=0.6
)
_GROK_2 = Model(
    ratios=_GROK,
    resolutions=frozenset({"1k", "2k"}),
    qualities=frozenset({"low", "medium"}),
    default_quality="medium",
    max_references=3,
    max_n=4,
    max_prompt=5000,
    auto_needs_references=True,
    pace=0.8,
)
_SEEDREAM_5 = Model(
    ratios=_SEEDREAM,
    resolutions=frozenset({"1k", "2k"}),
    default_resolution="2k",
    max_references=10,
    pace=1.5,
)


def _gpt_25(pace: float) -> Model:
    return Model(qualities=_TIERS | {"xhigh", "max"}, max_references=16, max_n=4, takes_pixels=True, pace=pace)


MODELS: dict[str, Model] = {
    "gpt-image-2": Model(qualities=_TIERS, max_references=16),
    "gpt-image-1.5": _GPT_15,
    "gpt-image-1.5-low": _GPT_15,
    "gpt-image-1.5-medium": _GPT_15,
    "gpt-image-1.5-high": _GPT_15,
    "gpt-image-2.5-flare": _gpt_25(0.7),
    "gpt-image-2.5-sunburst": _gpt_25(1.4),
    "nano-banana": Model(max_references=6, pace=0.5),
    "nano-banana-2": Model(max_references=6, pace=0.6),
    "nano-banana-pro": Model(max_references=6, pace=1.1),
    "doubao-seedream-5-0-pro": _SEEDREAM_5,
    "seedream-5-0-pro": _SEEDREAM_5,
    "grok-imagine-image": _GROK_1,
    "grok-imagine-image-2": _GROK_2,
    "grok-imagine-image-2.0": _GROK_2,
    "grok-imagine-image-quality": _GROK_2,
}

_RESOLUTION_PACE = {"1k": 1.0, "2k": 1.5, "4k": 2.2}


def order(raw: bytes, scale: Decimal, preview: str = "") -> Order | Refusal:
    """Return the order in the body of a create call, or the refusal of a body that is none."""
    body = parse_body(raw)
    request = ImageRequest.of(body) if body is not None else None
    if body is None or request is None:
        return Refusal(code=BAD_PARAMETERS, msg=BAD_PARAMETERS_MSG)
    if wrong := objection(request):
        return Refusal(code=BAD_PARAMETERS, msg=wrong)
    return Order(
        call="image",
        model=request.model,
        prompt=request.prompt,
        cost=price(request, scale),
        pace=pace(request),
        fields=body,
        raw=raw,
        preview=preview,
    )


def references(body: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the reference images of a valid body by field, the images before the mask."""
    request = ImageRequest.of(dict(body))
    if request is None:
        return {}
    return {"images": list(request.images), "mask_url": [request.mask_url] if request.mask_url else []}


def objection(request: ImageRequest) -> str | None:
    """Return the vendor's message when the request is impossible for its model, None when it is fine."""
    model = MODELS.get(request.model)
    if model is None:
        return BAD_MODEL_MSG
    return next((f"{BAD_PARAMETERS_MSG}: {field}" for field in _misfits(model, request)), None)


def _misfits(model: Model, request: ImageRequest) -> Iterator[str]:
    if not (request.prompt or (model is _GPT_15 and request.references)) or (
        model.max_prompt is not None and len(request.prompt) > model.max_prompt
    ):
        yield "prompt"
    if request.ratio is not None and not _accepts_ratio(model, request):
        yield "ratio"
    if model.resolutions and request.resolution is not None and request.resolution not in model.resolutions:
        yield "resolution"
    if request.model == "gpt-image-2" and request.resolution == "4k" and request.ratio not in _4K_RATIOS:
        yield "ratio"
    if model.qualities and request.quality is not None and request.quality not in model.qualities:
        yield "quality"
    if request.references > model.max_references:
        yield "images"
    if request.mask_url and not (model is _GPT_15 and request.references):
        yield "mask_url"
    if not 1 <= request.n <= model.max_n:
        yield "n"


def _accepts_ratio(model: Model, request: ImageRequest) -> bool:
    ratio = request.ratio or ""
    if ratio == "auto" and model.auto_needs_references:
        return request.references > 0
    return not model.ratios or ratio in model.ratios or (model.takes_pixels and bool(_PIXELS.fullmatch(ratio)))


def resolution(request: ImageRequest) -> str:
    """Return the resolution the picture will have, the model's own default when none was asked."""
    model = MODELS[request.model]
    return request.resolution or model.default_resolution if model.resolutions else "1k"


def quality(request: ImageRequest) -> str:
    """Return the quality that counts, or '' for a model that has none."""
    model = MODELS[request.model]
    return request.quality or model.default_quality if model.qualities else ""


def ratio(request: ImageRequest) -> str:
    """Return the aspect the picture will have; gpt-image-1.5 has three and takes the nearest."""
    asked = request.ratio or "auto"
    if MODELS[request.model] is not _GPT_15:
        return asked
    return min(("1:1", "2:3", "3:2"), key=lambda offered: abs(math.log(_aspect(offered) / _aspect(asked))))


def _aspect(text: str) -> float:
    match = _ASPECT.fullmatch(text)
    return float(match[1]) / float(match[2]) if match else 1.0


def pace(request: ImageRequest) -> float:
    """Return how many times the median latency of a gpt-image-2 picture at 1k this request takes."""
    return MODELS[request.model].pace * _RESOLUTION_PACE[resolution(request)]


def price(request: ImageRequest, scale: Decimal) -> Decimal:
    """Return what the request costs in JimiCoin, to four decimals."""
    return prices.total(_bill(request), scale)


def _bill(request: ImageRequest) -> list[tuple[str, int]]:
    match request.model:
        case "gpt-image-2":
            tier = quality(request)
            return [("gpt-image-2" if tier == "auto" else f"gpt-image-2-{tier}", 1)]
        case "gpt-image-1.5":
            tier = quality(request)
            return [("gpt-image-1.5" if tier == "auto" else f"gpt-image-1.5-{tier}", request.n)]
        case "doubao-seedream-5-0-pro" | "seedream-5-0-pro":
            base = f"doubao-seedream-5-0-pro-{resolution(request)}"
            return [(base, 1), ("doubao-seedream-5-0-pro-ref", max(0, request.references - 1))]
        case "grok-imagine-image-2" | "grok-imagine-image-2.0" | "grok-imagine-image-quality":
            base = f"grok-imagine-image-2-{resolution(request)}"
            return [(base, request.n), ("grok-imagine-image-2", request.references)]
        case name:
            return [(name, request.n)]
