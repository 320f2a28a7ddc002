"""What can be ordered: every known model of every dialect, where the dialect comes from, and what an order costs."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from batchgen.api.dialects import BUILT_IN, plugins
from batchgen.app.pricing import look_up
from batchgen.app.vendor import dialect_named
from batchgen.core.dialects import Dialect, Model, Prices
from batchgen.core.money import Micros, from_micros
from batchgen.core.pricing import PriceList
from batchgen.planning.provider import provider_of
from batchgen.settings import Settings

_OURS: Final = "built in"
_WIDTH: Final = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One model of one dialect. ``low`` and ``high`` bound its price over all resolutions and qualities, None is unknown.

    ``mode`` says of what: ``per_order``, or ``per_second`` where the price is unknown only because the duration is open.
    """

    use: str
    origin: str
    unit: str
    model: Model
    low: Micros | None
    high: Micros | None
    mode: str = "per_order"

    def as_object(self) -> dict[str, object]:
        """Give the offer as JSON: the model's fields, and money as decimal text."""
        fields = {name: getattr(self.model, name) for name in Model.__slots__}
        known = None if self.high is None or self.low is None else {"low": _text(self.low), "high": _text(self.high)}
        price = None if known is None else {**known, "unit": self.unit, "mode": self.mode}
        return {**fields, "use": self.use, "origin": self.origin, "price": price}

    def lines(self) -> Iterator[str]:
        """Give the offer for people, in lines of at most 80 columns."""
        yield f"{self.model.name}  {self._priced()}"
        model = self.model
        facts = (
            ("orders", model.operations),
            ("ratio", model.ratios),
            ("size", model.sizes),
            ("resolution", model.resolutions),
            ("quality", model.qualities),
            ("duration", model.durations),
            ("background", model.backgrounds),
            ("format", model.output_formats),
            ("references", (f"up to {model.max_references}{' and a mask' if model.takes_mask else ''}",) if model.max_references else ()),
            ("prompt", (f"up to {model.max_prompt_chars} characters",) if model.max_prompt_chars else ()),
            ("", (model.remarks,) if model.remarks else ()),
        )
        for word, values in facts:
            yield from _wrapped(word, values)

    def _priced(self) -> str:
        if self.low is None or self.high is None:
            return "price unknown"
        amount = _text(self.low) if self.low == self.high else f"{_text(self.low)} to {_text(self.high)}"
        return f"{amount} {self.unit}" + ("" if self.mode == "per_order" else f" {self.mode.replace('_', ' ')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """All offers, the price lists they were priced by, and the plugins that cannot be used."""

    offers: tuple[Offer, ...]
    listed: tuple[PriceList, ...]
    troubles: tuple[str, ...]


def offers(settings: Settings, *, use: str | None, offline: bool) -> Offers:
    """List the models of one dialect or of all; unless ``offline``, the vendors' public catalogues are asked for prices.

    Raises InputError when the dialect that is asked for is unknown or cannot be used.
    """
    found: list[Offer] = []
    listed: list[PriceList] = []
    troubles: list[str] = []
    for word, dialect, origin in _dialects(troubles) if use is None else [_dialect(use)]:
        prices = None if offline else look_up(provider_of(word, dialect, settings.env), settings).listed
        listed += [prices] if prices is not None else []
        found += [_offer(word, origin, dialect, model, prices.prices if prices else {}) for model in dialect.models()]
    return Offers(offers=tuple(found), listed=tuple(listed), troubles=tuple(troubles))


def _dialect(use: str) -> tuple[str, Dialect, str]:
    dialect = dialect_named(use)
    plugin = None if use in BUILT_IN else plugins.load(use)
    return use, dialect, _OURS if plugin is None else plugin.origin


def _dialects(troubles: list[str]) -> Iterator[tuple[str, Dialect, str]]:
    for use, dialect in BUILT_IN.items():
        if use != "sim":
            yield use, dialect, _OURS
    for plugin in plugins.load_all():
        if plugin.use in BUILT_IN:
            troubles.append(f"plugin {plugin.use!r} ({plugin.origin}) stands aside: batchgen has a dialect of that name")
        elif plugin.dialect is None:
            troubles.append(f"plugin {plugin.use!r} ({plugin.origin}) cannot be used: {plugin.trouble}")
        else:
            yield plugin.use, plugin.dialect, plugin.origin


def _offer(use: str, origin: str, dialect: Dialect, model: Model, prices: Prices) -> Offer:
    mode, known = "per_order", _known_prices(dialect, model, prices)
    if not known and not model.durations and "duration" in dialect.params:
        mode, known = "per_second", _known_prices(dialect, model, prices, duration="1")
    low, high = min(known, default=None), max(known, default=None)
    return Offer(use=use, origin=origin, unit=dialect.unit, model=model, low=low, high=high, mode=mode)


def _known_prices(dialect: Dialect, model: Model, prices: Prices, **more: str) -> tuple[Micros, ...]:
    """Price one order of every combination that prices may depend on, with ``more`` parameters in each."""
    axes = {"resolution": model.resolutions, "quality": model.qualities, "duration": model.durations}
    given = {name: values for name, values in axes.items() if values}
    found: list[Micros | None] = []
    for operation, *chosen in itertools.product(model.operations, *given.values()):
        params = {"model": model.name, **dict(zip(given, chosen, strict=True)), **more}
        found.append(dialect.estimate(prices, params, operation=operation, references=int(operation in {"edit", "upscale", "remove-bg"})))
    return tuple(price for price in found if price is not None)


def _wrapped(word: str, values: tuple[str, ...]) -> Iterator[str]:
    """Write values behind their word, broken between words where 80 columns end."""
    return iter(wrap(" ".join(values), _WIDTH, initial_indent=f"    {word:<11}", subsequent_indent=" " * 15, break_on_hyphens=False))


def _text(micros: Micros) -> str:
    return str(from_micros(micros))
