"""Try some rows before the rest: choose them, look at what became of them, and say whether the rest should follow."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from batchgen.app.pricing import price_of, prices_of
from batchgen.app.vendor import dialect_of
from batchgen.app.wording import counted
from batchgen.core.canary import Trial, spread
from batchgen.core.money import shown
from batchgen.core.pricing import PriceList
from batchgen.planning.settings import RunSettings
from batchgen.store import prospects, queries, trials
from batchgen.store.engine import Database

HEAD: Final = ("ROWS", "SAVED", "FAILED", "COST", "ESTIMATE", "SECONDS", "SWEEP AND CELL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a trial showed: real cost, latency and failures by cell, and what the rest comes to at the prices seen."""

    trial: Trial
    unit: str
    rest: int
    rest_micros: int | None

    def table(self) -> list[tuple[str, ...]]:
        """Give a line for each cell, and one for all where there are several."""
        cells = [_line(cell, trial, self.unit) for cell, trial in self.trial.by_cell()]
        return cells if len(cells) == 1 else [*cells, _line("all", self.trial, self.unit)]

    def objections(self) -> list[str]:
        """Say what speaks against ordering the rest."""
        return list(self.trial.objections(self.unit))

    def question(self) -> str:
        """Ask for the rest, with the figures."""
        return f"order the other {counted(self.rest, 'image')}? cost: {shown(self.rest_micros, self.unit)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """How many rows to try before the rest, and who shows the outcome and says whether the rest should follow."""

    rows: int
    agree: Callable[[Outcome], bool]


def chosen(engine: Database, batch_id: int, wanted: int) -> frozenset[int]:
    """Choose so many rows that every value of every axis is among them as evenly as possible; none when that would be all rows."""
    choices = queries.look(engine, lambda c: trials.choices(c, batch_id))
    if wanted >= sum(choice.stratum.rows for choice in choices):
        return frozenset()
    shares = spread([choice.stratum for choice in choices], wanted)

    wanted_of = [(choice, share) for choice, share in zip(choices, shares, strict=True) if share]
    questions = [partial(trials.rows_alike, batch_id=batch_id, choice=choice, limit=share) for choice, share in wanted_of]
    return frozenset(row for question in questions for row in queries.look(engine, question))


def outcome(engine: Database, batch: queries.Batch, rows: frozenset[int]) -> Outcome:
    """See what became of the rows that were tried."""
    plan = queries.latest_plan(engine, batch.id)
    provider = RunSettings.from_json(plan.settings).provider
    dialect = dialect_of(provider)
    listed, learned = PriceList.from_json(plan.prices), queries.learned_costs(engine)
    seen = prices_of(provider.model_copy(update={"prices": {}}), dialect, listed, learned)
    typed = prices_of(provider, dialect, listed, learned)
    planned = prospects.outlook(engine, batch.name).planned
    costs = [(price_of(seen, asked) or price_of(typed, asked), count) for asked, count in planned.items()]
    return Outcome(
        trial=Trial(rows=queries.look(engine, lambda c: trials.results(c, sorted(rows)))),
        unit=dialect.unit,
        rest=sum(planned.values()),
        rest_micros=None if any(price is None for price, _ in costs) else sum((price or 0) * count for price, count in costs),
    )


def _line(name: str, trial: Trial, unit: str) -> tuple[str, ...]:
    counts = (str(len(trial.rows)), str(trial.saved), str(trial.failed))
    latency = "unknown" if trial.latency_s is None else f"{trial.latency_s:.1f}"
    return (*counts, shown(trial.cost, unit), shown(trial.estimate, unit), latency, name)
