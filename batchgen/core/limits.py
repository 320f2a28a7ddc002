"""What a run may do and how far: plain values, already checked, as the worker wants them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from batchgen.core.money import Micros
from batchgen.core.retry import Backoff

AmbiguousPolicy = Literal["hold", "reconcile", "resubmit"]
"""What happens to an order whose answer was lost; ``hold`` buys nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many at once and how often: ``in_flight`` None means as many as the vendor bears, ``submits_per_s`` None no limit of ours."""

    in_flight: int | None = None
    submits_per_s: float | None = None


class Cap(NamedTuple):
    """How much may be bought in all; None means no limit. ``orders`` counts what is or may be bought."""

    cost: Micros | None = None
    orders: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How much a vendor was found to bear. ``submits_per_s`` None means that no limit was met."""

    in_flight: float
    submits_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one run. Times in seconds; ``deadline`` is an instant after which nothing is submitted."""

    pace: Pace = field(default_factory=lambda: Pace(in_flight=4))
    per_model: Mapping[str, Pace] = field(default_factory=dict)
    submit_timeout_s: float = 180.0
    task_timeout_s: float = 1800.0
    download_timeout_s: float = 600.0
    budget_cost: Micros | None = None
    budget_jobs: int | None = None
    model_caps: Mapping[str, Cap] = field(default_factory=dict)
    day_cap: Cap | None = None
    """What may be bought on one UTC day."""
    key_cap: Cap | None = None
    """What may be bought with the API key that this run orders with, where there are several."""
    allow_unpriced: bool = False
    """Whether rows without a known price may be ordered under a cost limit, each taking all that is left of it until its cost is told."""
    deadline: datetime | None = None
    halt_after_failures: int | None = None
    attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    on_ambiguous: AmbiguousPolicy = "hold"
    ambiguous_cost: Micros | None = None
    """What ``resubmit`` may spend on orders that may have been bought already, in all runs of the batch together."""

    def has_cost_cap(self, model: str) -> bool:
        """Say whether an order of the model must fit under a limit of cost."""
        caps = (self.model_caps.get(model), self.day_cap, self.key_cap)
        return self.budget_cost is not None or any(cap is not None and cap.cost is not None for cap in caps)
