"""The upper price of an order: the user's own figure, what the same kind last cost, the catalogue's, or unknown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchgen.core.dialects import Prices as Catalogue
from batchgen.core.dialects import Rules
from batchgen.core.jobs import Job, Params
from batchgen.core.money import Micros
from batchgen.core.pricing import PriceKind, kind, kind_of


@dataclass(slots=True, kw_only=True)
class Prices:
    """Prices of one run. Nothing is guessed: a kind that nobody has priced has none.

    ``own`` are the user's figures by model; ``known`` what answers named, kind by kind; ``catalogue`` the vendor's list.
    """

    rules: Rules
    own: Mapping[str, Micros] = field(default_factory=dict)
    catalogue: Catalogue = field(default_factory=dict)
    known: dict[PriceKind, Micros] = field(default_factory=dict)

    def learn_all(self, known: Mapping[PriceKind, int]) -> None:
        """Start from what earlier runs recorded."""
        self.known.update({kind: Micros(price) for kind, price in known.items()})

    def learn(self, job: Job, cost: Micros | None) -> None:
        """Keep the price an answer named; the newest wins, because a vendor may change it overnight."""
        if cost is not None:
            self.known[kind_of(job)] = cost

    def of(self, job: Job) -> Micros | None:
        """Give the price to reserve for this job, or None when nobody has priced its kind."""
        return self.of_order(job.operation, job.params, references=len(job.references))

    def of_order(self, operation: str, params: Params, *, references: int) -> Micros | None:
        """Give the upper price of an order with these parameters, or None."""
        found = self.own.get(params.get("model", ""), self.known.get(kind(operation, params, references=references)))
        return self.rules.estimate(self.catalogue, params, operation=operation, references=references) if found is None else found
