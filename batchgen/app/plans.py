"""From a manifest to stored rows: check it, show what it would order and cost, save it."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from batchgen import __version__
from batchgen.app import database
from batchgen.app.clock import SystemClock
from batchgen.app.loading import load_plan
from batchgen.app.pricing import Asked, look_up, price_of, prices_of
from batchgen.app.vendor import dialect_of
from batchgen.app.wording import at_least, between, counted
from batchgen.core.errors import ManifestError
from batchgen.core.money import from_micros
from batchgen.core.places import is_address
from batchgen.core.pricing import PriceKind, PriceList, RowKind, kind
from batchgen.core.problems import Problem
from batchgen.planning.plan import Plan
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import archived, plans, prospects, queries
from batchgen.store.engine import Database, open_engine
from batchgen.store.plans import NewPlan, PlanChange
from batchgen.store.writer import DatabaseThread
from batchgen.worker.prices import Prices

_TYPICAL_BYTES: Final = 2_000_000
"""Bytes of an image where none has been saved yet: about what a 1k PNG takes."""
_SAY_EVERY: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result of checking one manifest; ``jobs`` is None when it cannot be planned."""

    path: Path
    problems: Sequence[Problem]
    jobs: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCosts:
    """What the rows of one model may cost, in micros: ``high`` is what is reserved, ``low`` what such orders have cost at least."""

    model: str
    rows: int
    low: int
    high: int
    unpriced_rows: int

    def said(self, unit: str) -> str:
        """Write the cost with what is unknown of it."""
        if not self.unpriced_rows:
            return between(self.low, self.high, unit)
        return at_least(self.high, unit, unpriced=f"{counted(self.unpriced_rows, 'row')} without a known price")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the rows still to be ordered may cost, in micros, as far as prices are known; ``asked`` tells of the vendor's catalogue."""

    unit: str
    models: Sequence[ModelCosts]
    asked: Asked

    @property
    def known_micros(self) -> int:
        """Give the sum of the upper prices that are known."""
        return sum(model.high for model in self.models)

    @property
    def low_micros(self) -> int:
        """Give what the same rows would cost at the lowest costs seen."""
        return sum(model.low for model in self.models)

    @property
    def unpriced_rows(self) -> int:
        """Count the rows that nobody has priced."""
        return sum(model.unpriced_rows for model in self.models)

    @property
    def listed(self) -> PriceList | None:
        """Give the catalogue, if there is one."""
        return self.asked.listed

    @property
    def total_micros(self) -> int | None:
        """Give the sum, or None when some row has no known price."""
        return None if self.unpriced_rows else self.known_micros

    def __str__(self) -> str:
        if not self.unpriced_rows:
            return between(self.low_micros, self.known_micros, self.unit)
        if not self.known_micros:
            return "unknown (no price is known yet)"
        return at_least(self.known_micros, self.unit, unpriced=f"{counted(self.unpriced_rows, 'row')} without a known price")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A plan held against the database: what saving and running it would do.

    ``former`` is the provider of the batch's latest stored plan where that is another; empty where it is the same. ``away`` names the
    archived batches, with which nothing was compared.
    """

    plan: Plan
    change: PlanChange
    costs: Costs
    waiting: int
    image_bytes: int
    free_bytes: int
    is_partial: bool
    has_cost_budget: bool
    former: str = ""
    away: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Give the name of the batch."""
        return self.plan.settings.name

    @property
    def has_work(self) -> bool:
        """Say whether a run would have anything to do."""
        return self.waiting > 0

    def may_cost_more_than(self, limit: Decimal) -> bool:
        """Say whether a person should agree first: the cost is above the limit, or unknown with rows to order."""
        total = self.costs.total_micros
        return self.has_work and (total is None or from_micros(total) > limit)

    def question(self) -> str:
        """Ask for agreement, with the figures."""
        return f"order {counted(self.waiting, 'image')}? cost: {self.costs}"

    def lines(self) -> Iterator[str]:
        """Give the plan for people, one line each."""
        change = self.change
        yield f"{self.name}: {counted(self.plan.total, 'row')} from {self.plan.path}"
        for sweep in self.plan.summary.sweeps:
            dropped = f", {counted(sweep.dropped, 'cell')} dropped" if sweep.dropped else ""
            factors = ((sweep.prompts, "prompt"), (sweep.cells, "cell"), (sweep.samples, "sample"))
            product = " x ".join(counted(number, noun) for number, noun in factors)
            yield f"  {sweep.name}: {product} = {counted(sweep.rows, 'row')}{dropped}"
        kept = f"kept {change.kept} (done {change.done}, renamed {change.changed})"
        yield f"  new {change.new} · {kept} · restored {change.restored} · retired {change.retired}"
        for word, count in sorted(change.reasons.items()):
            if count and word not in {"never_planned", "renamed", "restored"}:
                yield f"    {count} {word.replace('_', ' ')}"
        yield f"  to do {self.waiting} · cost {self.costs}"
        if len(self.costs.models) > 1:
            for cost in self.costs.models:
                yield f"    {cost.model}: {counted(cost.rows, 'row')}, {cost.said(self.costs.unit)}"
        if self.costs.listed is not None:
            yield f"  prices of {self.costs.listed.at:%Y-%m-%d %H:%M} UTC from {self.costs.listed.source}"
        place, free = self.plan.settings.output.dir, f"free {self.free_bytes / 1e9:.2f} GB"
        room = f"{free} for those on their way" if is_address(place) else free
        yield f"  disk about {self.image_bytes / 1e9:.2f} GB, {room}, in {place}"
        for warning in self.warnings():
            yield f"  warning: {warning}"

    def warnings(self) -> Iterator[str]:
        """Say what the figures alone do not show."""
        if self.costs.asked.trouble:
            yield self.costs.asked.trouble
        tells_later = self.plan.settings.provider.use == "sim"  # a run asks the simulator that it starts
        if self.costs.unpriced_rows and self.has_cost_budget and not tells_later:
            yield "rows without a known price are not ordered under a cost limit; name it under provider.prices, or say --allow-unpriced"
        if self.image_bytes > self.free_bytes:
            yield "the images may not fit on the disk"
        if self.change.elsewhere:
            yield f"{self.change.elsewhere} of the new rows are bought already in another batch; a new name buys them again"
        if self.away and self.change.new:
            yield f"what archived batches have bought is not known here, and may be bought again: {', '.join(self.away)}"
        if self.former and self.change.done:
            yield f"{self.change.done} of the done rows came from {self.former}; a new name orders them again"


def check(path: Path, settings: Settings, *, max_jobs: int) -> Checked:
    """Check one manifest without database and network."""
    try:
        plan = load_plan(path, settings.env, max_jobs=max_jobs)
    except ManifestError as error:
        return Checked(path=path, problems=error.problems, jobs=None)
    return Checked(path=path, problems=plan.warnings, jobs=plan.total)


def preview(path: Path, settings: Settings, *, sets: Sequence[str], only: Sequence[str], max_jobs: int, offline: bool = False) -> Preview:
    """Plan a manifest and hold it against the database, if there is one; nothing is written and nothing can be bought.

    Unless ``offline``, the vendor's public price catalogue is asked, without a key and for a few seconds at most; a plan does without it.
    Raises ManifestError with every located problem.
    """
    plan = load_plan(path, settings.env, max_jobs=max_jobs, sets=sets, only=only)
    provider = plan.settings.provider
    asked = Asked() if offline else look_up(provider, settings)
    prices = partial(prices_of, provider, dialect_of(provider), asked.listed)
    seen = partial(
        Preview,
        plan=plan,
        free_bytes=_free_bytes(settings.local_folder(plan.settings.output.dir)),
        is_partial=bool(only),
        has_cost_budget=_has_cost_cap(plan),
    )
    if not database.exists(settings):
        change = _all_new(plan)
        costs = _priced(change.new_by_order, prices({}), {}, asked)
        return seen(change=change, costs=costs, waiting=change.new, image_bytes=change.new * _TYPICAL_BYTES)
    engine = open_engine(database.require(settings), readonly=True)
    try:
        change = plans.compare(engine, plan.settings.name, plan.jobs(), retire=not only)
        outlook = prospects.outlook(engine, plan.settings.name)
        seen_costs = queries.costs_seen(engine)
        former = _former_provider(engine, plan.settings)
        away = [archive.batch for archive in archived.listed(engine).values()]
    finally:
        engine.dispose()
    unfinished = sum(change.reasons[state] for state in ("planned", "submitting", "submitted", "rendered"))
    learned = {ordered: latest for ordered, (latest, *_) in seen_costs.items()}
    lowest = {ordered: min(costs) for ordered, costs in seen_costs.items()}
    costs = _priced(change.new_by_order + Counter(outlook.planned), prices(learned), lowest, asked)
    waiting = change.new + change.restored + unfinished
    image_bytes = waiting * (outlook.mean_bytes or _TYPICAL_BYTES)
    return seen(change=change, costs=costs, waiting=waiting, image_bytes=image_bytes, former=former, away=away)


def _has_cost_cap(plan: Plan) -> bool:
    """Say whether some of the plan's rows must fit under a limit of cost."""
    limits = plan.settings.limits(now=SystemClock().now())
    return any(limits.has_cost_cap(model) for model in {asked.model for asked in plan.summary.kinds})


def save(preview: Preview, thread: DatabaseThread, *, on_progress: Callable[[int], None]) -> None:
    """Store the rows; when this returns they are durable. ``on_progress`` is told every 100,000 rows."""
    operations = tuple(sorted({asked.operation for asked in preview.plan.summary.kinds}))
    run = preview.plan.settings.model_copy(update={"operations": operations})
    plan = NewPlan(
        name=run.name,
        output_dir=run.output.dir,
        source=preview.plan.source,
        source_path=preview.plan.path.name,
        files=json.dumps([{"path": f.path, "sha256": f.sha256, "prompts": f.prompts} for f in preview.plan.files], ensure_ascii=False),
        settings=run.to_json(),
        total=preview.plan.total,
        tool_version=__version__,
        prices=preview.costs.listed.to_json() if preview.costs.listed else "",
    )

    def say(rows: int) -> None:
        if rows % _SAY_EVERY == 0:
            on_progress(rows)

    at = SystemClock().now()
    plans.save(thread.engine, plan, preview.plan.jobs(), at=at, on_progress=say, retire=not preview.is_partial)


def as_document(preview: Preview) -> dict[str, object]:
    """Give a preview as JSON."""
    change = preview.change
    total, listed = preview.costs.total_micros, preview.costs.listed
    return {
        "batch": preview.name,
        "rows": preview.plan.total,
        "new": change.new,
        "done": change.done,
        "kept": change.kept,
        "changed": change.changed,
        "restored": change.restored,
        "retired": change.retired,
        "elsewhere": change.elsewhere,
        "reasons": dict(change.reasons),
        "new_by_model": dict(change.new_by_model),
        "to_do": preview.waiting,
        "cost": None if total is None else {"amount": str(from_micros(total)), "unit": preview.costs.unit},
        "cost_low": None if total is None else {"amount": str(from_micros(preview.costs.low_micros)), "unit": preview.costs.unit},
        "cost_by_model": [
            {
                "model": cost.model,
                "rows": cost.rows,
                "low": str(from_micros(cost.low)),
                "high": str(from_micros(cost.high)),
                "unpriced_rows": cost.unpriced_rows,
            }
            for cost in preview.costs.models
        ],
        "unpriced_rows": preview.costs.unpriced_rows,
        "prices": None if listed is None else {"source": listed.source, "at": listed.at.isoformat(), "names": len(listed.prices)},
        "image_bytes": preview.image_bytes,
        "free_bytes": preview.free_bytes,
        "output_dir": preview.plan.settings.output.dir,
        "sweeps": [
            {"name": s.name, "prompts": s.prompts, "cells": s.cells, "samples": s.samples, "rows": s.rows, "dropped": s.dropped}
            for s in preview.plan.summary.sweeps
        ],
        "warnings": [*map(str, preview.plan.warnings), *preview.warnings()],
    }


def _all_new(plan: Plan) -> PlanChange:
    """Count a plan's rows without going through them: nothing is stored yet that they could be held against."""
    return PlanChange(new=plan.total, reasons=Counter(never_planned=plan.total), new_by_order=Counter(plan.summary.kinds))


def _former_provider(engine: Database, run: RunSettings) -> str:
    """Name whom the batch's latest stored plan orders from, where it is somebody else than now."""
    stored = [batch for batch in queries.batches(engine) if batch.name == run.name]
    if not stored:
        return ""
    former, now = RunSettings.from_json(queries.latest_plan(engine, stored[0].id).settings).provider, run.provider
    if former.use != now.use:
        return former.use
    return "" if former.base_url == now.base_url else urlsplit(former.base_url).netloc


def _priced(rows_by_order: Mapping[RowKind, int], prices: Prices, lowest: Mapping[PriceKind, int], asked: Asked) -> Costs:
    """Add up by model what the rows may cost; those that nobody has priced are counted."""
    found: dict[str, list[tuple[int, int | None, int]]] = {}
    for row, count in sorted(rows_by_order.items()):
        price = price_of(prices, row)
        least = lowest.get(kind(row.operation, json.loads(row.params), references=row.references))
        found.setdefault(row.model, []).append((count, price, min(price or 0, price or 0 if least is None else least)))
    models = [
        ModelCosts(
            model=model,
            rows=sum(count for count, _, _ in rows),
            low=sum(count * low for count, _, low in rows),
            high=sum(count * price for count, price, _ in rows if price is not None),
            unpriced_rows=sum(count for count, price, _ in rows if price is None),
        )
        for model, rows in found.items()
    ]
    return Costs(unit=prices.rules.unit, models=models, asked=asked)


def _free_bytes(folder: Path) -> int:
    """Say how much room the nearest existing folder has."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
