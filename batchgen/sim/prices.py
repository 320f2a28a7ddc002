"""List what the vendor charges: one public table, from which every bill is computed.

Real prices are known for seedream, upscale, remove-bg and two video models; the others are invented, as nobody
publishes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Mode = Literal["per_task", "per_second"]


@dataclass(frozen=True, slots=True)
class Price:
    """State one line of the catalogue; a count, a reference or a second is a unit, as the mode says."""

    unit: Decimal
    mode: Mode = "per_task"
    kind: Literal["image", "video"] = "image"


def _images(**units: str) -> dict[str, Price]:
    return {name: Price(Decimal(unit)) for name, unit in units.items()}


def _videos(mode: Mode, **units: str) -> dict[str, Price]:
    return {name: Price(Decimal(unit), mode, "video") for name, unit in units.items()}


PRICES: dict[str, Price] = (
    _images(
        **{
            "gpt-image-2": "0.06",
            "gpt-image-2-low": "0.03",
            "gpt-image-2-medium": "0.06",
            "gpt-image-2-high": "0.12",
            "gpt-image-2-sync": "0.07",
            "gpt-image-2-sync-low": "0.035",
            "gpt-image-2-sync-medium": "0.07",
            "gpt-image-2-sync-high": "0.14",
            "gpt-image-1.5": "0.04",
            "gpt-image-1.5-low": "0.02",
            "gpt-image-1.5-medium": "0.04",
            "gpt-image-1.5-high": "0.08",
            "gpt-image-2.5-flare": "0.05",
            "gpt-image-2.5-sunburst": "0.1",
            "nano-banana": "0.03",
            "nano-banana-2": "0.05",
            "nano-banana-pro": "0.12",
            "doubao-seedream-5-0-pro-1k": "0.36",
            "doubao-seedream-5-0-pro-2k": "0.72",
            "doubao-seedream-5-0-pro-ref": "0.024",
            "grok-imagine-image": "0.04",
            "grok-imagine-image-2-1k": "0.05",
            "grok-imagine-image-2-2k": "0.08",
            "grok-imagine-image-2": "0.01",
            "upscale": "0.02",
            "remove-bg": "0.01",
            "openai/gpt-image-2": "0.042",
            "openai/gpt-image-2-low": "0.011",
            "openai/gpt-image-2-medium": "0.042",
            "openai/gpt-image-2-high": "0.167",
            "openai/gpt-image-1": "0.042",
            "openai/gpt-image-1-low": "0.011",
            "openai/gpt-image-1-medium": "0.042",
            "openai/gpt-image-1-high": "0.167",
            "openai/gpt-image-1-mini": "0.011",
            "openai/gpt-image-1-mini-low": "0.005",
            "openai/gpt-image-1-mini-medium": "0.011",
            "openai/gpt-image-1-mini-high": "0.036",
            "openai/gpt-image-1.5": "0.034",
            "openai/gpt-image-1.5-low": "0.009",
            "openai/gpt-image-1.5-medium": "0.034",
            "openai/gpt-image-1.5-high": "0.133",
            "openai/dall-e-3": "0.04",
            "openai/dall-e-3-hd": "0.08",
            "openai/dall-e-2": "0.02",
        }
    )
    | _videos("per_task", **{"sora2-12s": "0.6", "omni-10s": "0.5"})
    | _videos(
        "per_second",
        **{
            "sora2-gz-stable": "0.06",
            "sora2-gz-sp": "0.08",
            "openai-sora-2": "0.1",
            "veo_3_1_fast": "0.05",
            "veo_3_1_fast-4k": "0.12",
            "veo_3_1_lite": "0.03",
            "seedance2.0-fast": "0.04",
            "seedance2.0-pro": "0.09",
            "sd2_mx_720p": "0.05",
            "sd2_mx_1080p": "0.08",
            "sd2-933-720p": "0.0479",
            "seedance-2.5": "0.4",
            "seedance-2.5-sp": "0.5",
            "seedance2.5-gz": "0.3",
            "Gemini-Omini": "0.1",
            "minimax-h3": "0.07",
            "minimax-h3-gz": "0.05",
            "kling-o3": "0.09",
            "grok-imagine-video-1.5": "0.05",
            "wan3.0": "0.06",
            "wan3.0-gz": "0.04",
            "flux-3-draft": "0.02",
            "flux-3-draft-fast": "0.01",
            "flux-3-fast": "0.05",
            "flux-3": "0.08",
            "flux-3-pro": "0.12",
            "flux-3-max": "0.2",
        },
    )
)


def total(bill: Iterable[tuple[str, int]], scale: Decimal) -> Decimal:
    """Return what so many units of each name cost together, in JimiCoin to four decimals."""
    cost = sum((PRICES[name].unit * units for name, units in bill), Decimal())
    return (cost * scale).quantize(Decimal("0.0001")).normalize() + 0


def listing(search: str, scale: Decimal) -> list[dict[str, object]]:
    """Return the public catalogue, narrowed to lines with the search text in name, display name or type."""
    lines = [_line(name, price, scale) for name, price in PRICES.items()]
    told = ("model_name", "display_name", "model_type", "remark")
    return [line for line in lines if any(search.lower() in str(line[field]).lower() for field in told)]


def _line(name: str, price: Price, scale: Decimal) -> dict[str, object]:
    return {
        "model_name": name,
        "display_name": name.replace("-", " ").title(),
        "model_type": price.kind,
        "price_mode": price.mode,
        "unit_price": float(price.unit * scale),
        "remark": "",
        "group": name.split("-", maxsplit=1)[0],
    }
