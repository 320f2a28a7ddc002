"""Know the vendor's models: what each accepts, how long it takes and what it charges.

Pure tables and functions. The limits are the documented ones; prices and speeds are invented, as nobody publishes them.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from batchgen.sim.codes import BAD_MODEL_MSG, BAD_PARAMETERS_MSG
from batchgen.sim.request import ImageRequest

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

UNIT_PRICES: dict[str, Decimal] = {
    "gpt-image-2": Decimal("0.06"),
    "gpt-image-2-low": Decimal("0.03"),
    "gpt-image-2-medium": Decimal("0.06"),
    "gpt-image-2-high": Decimal("0.12"),
    "gpt-image-1.5": Decimal("0.04"),
    "gpt-image-1.5-low": Decimal("0.02"),
    "gpt-image-1.5-medium": Decimal("0.04"),
    "gpt-image-1.5-high": Decimal("0.08"),
    "gpt-image-2.5-flare": Decimal("0.05"),
    "gpt-image-2.5-sunburst": Decimal("0.1"),
    "nano-banana": Decimal("0.03"),
    "nano-banana-2": Decimal("0.05"),
    "nano-banana-pro": Decimal("0.12"),
    "doubao-seedream-5-0-pro-1k": Decimal("0.36"),
    "doubao-seedream-5-0-pro-2k": Decimal("0.72"),
    "doubao-seedream-5-0-pro-ref": Decimal("0.024"),
    "grok-imagine-image": Decimal("0.04"),
    "grok-imagine-image-2-1k": Decimal("0.05"),
    "grok-imagine-image-2-2k": Decimal("0.08"),
    "grok-imagine-image-2": Decimal("0.01"),
}

_RESOLUTION_PACE = {"1k": 1.0, "2k": 1.5, "4k": 2.2}


def objection(request: ImageRequest) -> str | None:
    """Return the vendor's message when the request is impossible for its model, None when it is fine."""
    model = MODELS.get(request.model)
    if model is None:
        return BAD_MODEL_MSG
    return next((f"{BAD_PARAMETERS_MSG}: {field}" for field in _misfits(model, request)), None)


def _misfits(model: Model, request: ImageRequest) -> Iterator[str]:
    if not request.prompt or (model.max_prompt is not None and len(request.prompt) > model.max_prompt):
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
    total = sum((UNIT_PRICES[name] * units for name, units in _bill(request)), Decimal())
    return (total * scale).quantize(Decimal("0.0001")).normalize() + 0


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


def listing(search: str, scale: Decimal) -> list[dict[str, object]]:
    """Return the public price catalogue, narrowed to names that contain the search text."""
    return [
        {
            "model_name": name,
            "display_name": name.replace("-", " ").title(),
            "model_type": "image",
            "price_mode": "per_task",
            "unit_price": float(unit * scale),
            "remark": "",
            "group": name.split("-")[0],
        }
        for name, unit in UNIT_PRICES.items()
        if search.lower() in name
    ]
