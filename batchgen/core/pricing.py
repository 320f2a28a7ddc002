"""What a price depends on, and price lists as they are stored with a plan. Pure; amounts stay exact from text to text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Self

from batchgen.core.dialects import Price, Prices
from batchgen.core.jobs import Job, Params
from batchgen.core.money import from_micros, to_micros


class PriceKind(NamedTuple):
    """The part of an order that its price depends on; an unset parameter is empty, ``references`` counts images."""

    operation: str
    model: str
    resolution: str
    quality: str
    size: str
    duration: str
    references: int


class RowKind(NamedTuple):
    """What many rows of a plan order alike, but for the prompt: ``params`` is canonical JSON, ``references`` counts images."""

    operation: str
    model: str
    params: str
    references: int


def kind_of(job: Job) -> PriceKind:
    """Give the kind of a job."""
    return kind(job.operation, job.params, references=len(job.references))


def kind(operation: str, params: Params, *, references: int) -> PriceKind:
    """Give the kind of an order with these parameters."""
    model, resolution, quality, size, duration = (params.get(name, "") for name in ("model", "resolution", "quality", "size", "duration"))
    return PriceKind(operation, model, resolution, quality, size, duration, references)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """A catalogue with where and when it was read: ``source`` is a host and path, without a query."""

    source: str
    at: datetime
    prices: Prices = field(default_factory=dict)

    def to_json(self) -> str:
        """Write the list as JSON; amounts are decimal text in the vendor's unit."""
        prices = {name: [str(from_micros(price.micros)), price.mode] for name, price in sorted(self.prices.items())}
        return json.dumps({"source": self.source, "at": self.at.isoformat(), "prices": prices}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Read what ``to_json`` wrote; None for an empty text."""
        if not text:
            return None
        read: Mapping[str, Mapping[str, tuple[str, str]]] = json.loads(text)
        prices = {name: Price(micros=to_micros(Decimal(amount)), mode=mode) for name, (amount, mode) in read["prices"].items()}
        return cls(source=str(read["source"]), at=datetime.fromisoformat(str(read["at"])), prices=prices)
