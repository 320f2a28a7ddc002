"""The price catalogue, and what an order may cost by it (api notes 2.8 and 5). An unknown price is None, never 0."""

from collections.abc import Iterable, Mapping
from typing import Final

from batchgen.api.dialects.jimmyai.models import ALIASES
from batchgen.api.pointers import amount, found
from batchgen.core.dialects import Price, Prices
from batchgen.core.jobs import Params
from batchgen.core.money import Micros

_MAX_NAME_CHARS: Final = 200
_QUALITIES: Final = ("low", "medium", "high", "auto")


def listed(catalogue: object) -> Prices | None:
    """Read the catalogue's JSON, or None when it lists nothing usable.

    A name that stands twice has its higher price; under two modes it has none. A price of 0 tells nothing, and is left out.
    """
    prices: dict[str, Price] = {}
    confused: set[str] = set()
    for entry in found(catalogue, "/data/list/*"):
        name, price = _priced(entry)
        if price is None:
            continue
        earlier = prices.get(name, price)
        if earlier.mode != price.mode:
            confused.add(name)
        prices[name] = max(earlier, price, key=lambda priced: priced.micros)
    return {name: price for name, price in prices.items() if name not in confused} or None


def _priced(entry: object) -> tuple[str, Price | None]:
    if not isinstance(entry, dict):
        return "", None
    name, mode, micros = entry.get("model_name"), entry.get("price_mode"), amount(entry.get("unit_price"))
    if not isinstance(name, str) or not isinstance(mode, str) or not 0 < len(name) <= _MAX_NAME_CHARS or not micros:
        return "", None
    return name, Price(micros=micros, mode=mode[:_MAX_NAME_CHARS])


def highest(prices: Prices, names: Iterable[str], *, seconds: int | None = None) -> Micros | None:
    """Give the highest price among the names that are listed per task, or per second where the seconds are known."""
    known = (_of_one(prices.get(name), seconds) for name in names)
    return max((micros for micros in known if micros is not None), default=None)


def _of_one(price: Price | None, seconds: int | None) -> Micros | None:
    if price is None:
        return None
    if price.mode == "per_task":
        return price.micros
    is_timed = price.mode == "per_second" and seconds is not None
    return Micros(price.micros * seconds) if is_timed and seconds else None


def estimate(prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:
    """Give the highest price that an image order may have, or None where the catalogue does not tell."""
    name = params.get("model", "")
    name = ALIASES.get(name, name)
    match operation:
        case "image":
            return _task_price(prices, name, params, references)
        case "generate" | "edit":
            return highest(prices, _synchronous_names(name, params))
        case "upscale":
            return highest(prices, ("upscale",)) if _is_one_pass(params) else None
        case "remove-bg":
            return highest(prices, ("remove-bg",))
        case _:
            return None


def _task_price(prices: Prices, name: str, params: Params, references: int) -> Micros | None:
    match name:
        case "doubao-seedream-5-0-pro":
            base = highest(prices, (f"{name}-{params.get('resolution', '2k')}",))
            return _with_references(base, highest(prices, (f"{name}-ref",)), max(0, references - 1))
        case "grok-imagine-image-2":
            size = f"{name}-{params.get('resolution', '1k')}"
            base = highest(prices, (size, f"{size}-{params.get('quality', 'medium')}"))
            return _with_references(base, highest(prices, (name,)), references)
        case _:
            plain = () if name.startswith("gpt-image-1.5") else (name,)
            return highest(prices, _task_names(name, params)) or highest(prices, plain)


def _with_references(base: Micros | None, each: Micros | None, count: int) -> Micros | None:
    if base is None or (each is None and count):
        return None
    return Micros(base + (each or 0) * count)


def _task_names(name: str, params: Params) -> tuple[str, ...]:
    """Give the billing names that may be meant for a task's quality and resolution; the exact ones are not documented for all models.

    The plain name of the model stands for the quality ``auto``, and for every other only where none of these is listed.
    """
    quality, resolution = params.get("quality"), params.get("resolution", "1k")
    if name == "gpt-image-1.5":
        return (name,) if quality in {None, "auto"} else (f"{name}-{quality}",)
    if name.startswith("gpt-image-1.5-"):
        return (name, f"gpt-image-1.5-{quality}")
    plain = (name,) if quality == "auto" else ()
    return (*plain, f"{name}-{resolution}", *(f"{name}-{tier}" for tier in _tiers(quality)))


def _synchronous_names(name: str, params: Params) -> tuple[str, ...]:
    if name.startswith("gpt-image-2.5-"):
        return (name,)
    quality = params.get("quality", "low")
    return (f"{name}-sync",) if quality == "auto" else (f"{name}-sync-{quality}",)


def _tiers(quality: str | None) -> tuple[str, ...]:
    """Give the tiers that a quality may be billed as: the vendor's default is low, and auto may become any."""
    return _QUALITIES if quality == "auto" else (quality or "low",)


def _is_one_pass(params: Mapping[str, str]) -> bool:
    """Say whether enlarging surely takes one pass, for each of which is paid: only the default, a factor of 2, is documented to."""
    return params.get("upscale_mode", "factor") == "factor" and params.get("upscale_factor", "2") in {"1", "2"}
