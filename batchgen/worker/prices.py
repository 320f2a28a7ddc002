"""The upper price of an order: what the same kind of order last cost, or unknown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchgen.core.jobs import Job
from batchgen.core.money import Micros

Kind = tuple[str, str, str]
"""Model, resolution and quality: what a price depends on; unset ones are empty."""


@dataclass(slots=True)
class Prices:
    """Prices learned from answers. Nothing is guessed: a kind never seen has no price."""

    known: dict[Kind, Micros] = field(default_factory=dict)

    def learn_all(self, known: Mapping[Kind, int]) -> None:
        """Start from what earlier runs recorded."""
        self.known.update({kind: Micros(price) for kind, price in known.items()})

    def learn(self, job: Job, cost: Micros | None) -> None:
        """Keep the price an answer named; the newest wins, because a vendor may change it overnight."""
        if cost is not None:
            self.known[kind_of(job)] = cost

    def of(self, job: Job) -> Micros | None:
        """Give the price to reserve for this job, or None when no order of its kind has been priced yet."""
        return self.known.get(kind_of(job))


def kind_of(job: Job) -> Kind:
    """Give the part of an order that its price depends on."""
    return job.model, job.params.get("resolution", ""), job.params.get("quality", "")
