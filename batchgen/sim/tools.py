"""Know the two tools, upscale and remove-bg: their fields and prices, and what they make of a source image."""

import io
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

from PIL import Image, ImageDraw, ImageFilter

from batchgen.sim import prices
from batchgen.sim.codes import BAD_PARAMETERS, BAD_PARAMETERS_MSG
from batchgen.sim.order import Order, Refusal, misfit
from batchgen.sim.request import parse_body

Tool = Literal["upscale", "remove-bg"]
_WORDS: dict[Tool, dict[str, tuple[str, ...]]] = {
    "upscale": {
        "upscale_mode": ("factor", "target"),
        "target_resolution": ("720p", "1080p", "1440p", "2160p"),
        "output_format": ("jpg", "png", "webp"),
        "response_format": ("url", "b64_json"),
    },
    "remove-bg": {
        "model": ("general_light", "general_light_2k", "general_heavy", "matting", "portrait", "general_dynamic"),
        "operating_resolution": ("1024x1024", "2048x2048", "2304x2304"),
        "output_format": ("png", "webp", "gif"),
        "response_format": ("url", "b64_json"),
    },
}
_NUMBERS: dict[Tool, dict[str, tuple[float, float]]] = {
    "upscale": {"upscale_factor": (1, 20), "noise_scale": (0, 1)},
    "remove-bg": {},
}
_DEFAULT_FORMS: dict[Tool, str] = {"upscale": "jpg", "remove-bg": "png"}
_LARGE_TARGETS = ("1440p", "2160p")
_FACTOR_OF_ONE_PASS = 4
_LONGEST_SIDE = 4096
_PACE = 0.2


def order(tool: Tool, raw: bytes, scale: Decimal) -> Order | Refusal:
    """Return the order in the body of a tool call, or the refusal of one that the vendor does not take."""
    body = parse_body(raw)
    if body is None:
        return Refusal(code=BAD_PARAMETERS, msg=BAD_PARAMETERS_MSG)
    url = body.get("image_url")
    if not isinstance(url, str) or not url:
        return misfit("image_url")
    if wrong := next(_misfits(tool, body), None):
        return misfit(wrong)
    units = passes(body) if tool == "upscale" else 1
    cost = prices.total([(tool, units)], scale)
    return Order(call=tool, model=tool, prompt="", cost=cost, pace=_PACE, fields=body, raw=raw)


def form(tool: Tool, body: Mapping[str, object]) -> str:
    """Return the form in which a valid call wants its result."""
    return str(body.get("output_format") or _DEFAULT_FORMS[tool])


def passes(body: Mapping[str, object]) -> int:
    """Return how often a valid upscale call runs the image through the model, once for each factor of four."""
    if body.get("upscale_mode") == "target":
        return 2 if body.get("target_resolution") in _LARGE_TARGETS else 1
    return max(1, math.ceil(math.log(_factor(body), _FACTOR_OF_ONE_PASS) - 1e-9))


def applied(tool: Tool, body: Mapping[str, object], source: Image.Image) -> Image.Image:
    """Return what the tool makes of the source."""
    return _upscaled(body, source) if tool == "upscale" else _cut_out(source)


def opened(raw: bytes) -> Image.Image:
    """Return the decoded source."""
    with Image.open(io.BytesIO(raw)) as image:
        return image.convert("RGB")


def _misfits(tool: Tool, body: Mapping[str, object]) -> Iterator[str]:
    for name, words in _WORDS[tool].items():
        if body.get(name) is not None and body[name] not in words:
            yield name
    for name, (least, most) in _NUMBERS[tool].items():
        value = body.get(name)
        if value is not None and not (type(value) in {int, float} and least <= value <= most):  # type: ignore[operator] # a number by then
            yield name
    if body.get("seed") is not None and type(body["seed"]) is not int:
        yield "seed"
    if body.get("refine_foreground") is not None and type(body["refine_foreground"]) is not bool:
        yield "refine_foreground"


def _factor(body: Mapping[str, object]) -> float:
    value = body.get("upscale_factor")
    return float(value) if isinstance(value, int | float) else 2.0


def _upscaled(body: Mapping[str, object], source: Image.Image) -> Image.Image:
    factor = _factor(body)
    if body.get("upscale_mode") == "target":
        factor = int(str(body.get("target_resolution") or "1080p")[:-1]) / min(source.size)
    factor = min(factor, _LONGEST_SIDE / max(source.size))
    wide, high = (max(1, round(side * factor)) for side in source.size)
    return source.resize((wide, high), Image.Resampling.LANCZOS)


def _cut_out(source: Image.Image) -> Image.Image:
    """Keep an oval in the middle: the simulator has no eye for what the subject is."""
    mask = Image.new("L", source.size)
    inset_x, inset_y = source.width // 10, source.height // 10
    ImageDraw.Draw(mask).ellipse((inset_x, inset_y, source.width - inset_x, source.height - inset_y), fill=255)
    cut = source.convert("RGB")
    cut.putalpha(mask.filter(ImageFilter.GaussianBlur(min(source.size) / 80)))
    return cut
