"""Which rows to try before the rest, and what their results say. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from batchgen.core.money import Micros, shown

MOST_FAILURES: Final = 0.1
"""The share of tried rows without an image up to which a run that nobody watches goes on."""
MOST_COST: Final = 1.2
"""How many times its estimate a trial may have cost for that."""

Axis = tuple[str, str]
"""One value of one axis: ``("model", "gpt-image-2")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Rows that have the same value on every axis, and how many there are of them."""

    values: Sequence[Axis]
    rows: int


def spread(strata: Sequence[Stratum], wanted: int) -> list[int]:
    """Say how many rows of each stratum to try, so that every value of every axis is tried as evenly as possible.

    Each next row is the one whose values were tried least so far: a value's worth falls with each time that it is tried. Among equals it is
    one of the stratum tried least, then of the first. In a full grid the values of an axis differ by one row at most.
    """
    tried: Counter[Axis] = Counter()
    taken = [0] * len(strata)
    for _ in range(min(wanted, sum(stratum.rows for stratum in strata))):
        free = (number for number, stratum in enumerate(strata) if taken[number] < stratum.rows)
        best = max(free, key=lambda number: (sum(1 / (1 + tried[value]) for value in strata[number].values), -taken[number], -number))
        taken[best] += 1
        tried.update(strata[best].values)
    return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of one row: money of all its orders that count as bought, seconds from order to result; None where nobody knows."""

    cell: str
    is_saved: bool
    cost: Micros | None
    estimate: Micros | None
    latency_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The rows of a trial, of one cell or of all."""

    rows: Sequence[Tried]

    @property
    def saved(self) -> int:
        """Count the rows that have their image."""
        return sum(row.is_saved for row in self.rows)

    @property
    def failed(self) -> int:
        """Count the rows that came to nothing, for whatever reason."""
        return len(self.rows) - self.saved

    @property
    def cost(self) -> Micros | None:
        """Add up what the rows cost; None when the vendor told of none, so that a sum may lack some."""
        return _sum(row.cost for row in self.rows)

    @property
    def estimate(self) -> Micros | None:
        """Add up what they were estimated at."""
        return _sum(row.estimate for row in self.rows)

    @property
    def latency_s(self) -> float | None:
        """Give the median of the durations."""
        known = [row.latency_s for row in self.rows if row.latency_s is not None]
        return median(known) if known else None

    def by_cell(self) -> Iterator[tuple[str, "Trial"]]:
        """Part the rows by their cells, in the order of the first of each."""
        for cell in dict.fromkeys(row.cell for row in self.rows):
            yield cell, Trial(rows=[row for row in self.rows if row.cell == cell])

    def objections(self, unit: str) -> Iterator[str]:
        """Say what speaks against ordering the rest."""
        if self.failed > MOST_FAILURES * len(self.rows):
            yield f"{self.failed} of {len(self.rows)} rows have no image (up to {MOST_FAILURES:.0%} may be so)"
        both = [(row.cost, row.estimate) for row in self.rows if row.cost is not None and row.estimate is not None]
        cost, estimate = sum(cost for cost, _ in both), sum(estimate for _, estimate in both)
        if cost > MOST_COST * estimate:
            yield f"they cost {shown(cost, unit)}, and the estimate was {shown(estimate, unit)} (up to {MOST_COST:g} times that may be)"


def _sum(amounts: Iterator[Micros | None]) -> Micros | None:
    known = [amount for amount in amounts if amount is not None]
    return Micros(sum(known)) if known else None
