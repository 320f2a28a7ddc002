"""What a batch and its latest run come to: put together in one place for the end of a run, for ``status`` and for notices."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from batchgen.app.clock import SystemClock
from batchgen.app.standing import limits_under
from batchgen.app.vendor import unit_of
from batchgen.app.wording import at_least, counted, duration, money
from batchgen.core.durations import Latency
from batchgen.core.money import Micros, from_micros, shown
from batchgen.core.states import LIVE, State
from batchgen.planning.settings import RunSettings
from batchgen.store import commands, queries, runs
from batchgen.store.engine import Database
from batchgen.store.harvest import Harvest, harvest

REFUSALS: Final = frozenset({"moderated", "refused"})
"""Reasons of failed jobs that say something about the order, and nothing about the vendor's health."""
_CAUSES_SHOWN: Final = 5
_KEY_SHOWN: Final = 8
_MOST_ORDERS: Final = 50_000
"""In a batch of more orders than these, estimates are not added up: it would take longer than whoever asks wants to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why some jobs failed: how many, and the beginning of the key of one of them."""

    reason: str
    jobs: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What the latest run did: for how long it has worked, and what it brought home; None where that takes too long to count.

    ``throttled_s`` is told by the process alone: how long rows waited because the vendor was asked too often.
    """

    ran_s: float
    harvest: Harvest | None
    throttled_s: float | None = None

    @property
    def per_minute(self) -> float | None:
        """Give the images a minute over the whole run."""
        return 60 * self.harvest.saved / self.ran_s if self.harvest is not None and self.ran_s > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One batch in figures. ``command`` is what a person types to call this program; ``deeds`` is None before the first run."""

    batch: str
    unit: str
    command: str
    is_at_work: bool
    totals: queries.Totals
    doubts: queries.Doubts
    failures: Sequence[Mapping[str, Any]]
    ambiguous: Sequence[Mapping[str, Any]]
    deeds: Deeds | None
    cap: Micros | None
    """The limit of cost that the latest run works or worked under, or that the first one will."""
    estimate: tuple[int, int] | None
    """What orders that told their cost had been estimated at, and that cost, in micros; None where nobody knows."""

    @property
    def left(self) -> int:
        """Count the jobs that are still to be worked on."""
        return sum(self.totals.states.get(state, 0) for state in (State.PLANNED, *LIVE))

    @property
    def money(self) -> str:
        """Say what the batch has spent."""
        return money(self.totals, self.doubts, self.unit)

    @property
    def next(self) -> str | None:
        """Give what to type next; None where nothing was ever planned."""
        if self.is_at_work:
            return f"{self.command} status {self.batch} --watch"
        if self.left:
            return f"{self.command} resume {self.batch}"
        if self.ambiguous:
            return f"{self.command} show {self.ambiguous[0]['key'][:_KEY_SHOWN]}"
        if self.failures:
            return f"{self.command} jobs {self.batch} --state failed"
        return f"{self.command} verify {self.batch}" if self.totals.jobs else None

    def causes(self, *, refused: bool) -> list[Cause]:
        """Give the causes of refusals, or of all other failures, the most frequent first."""
        jobs: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for row in self.failures:
            if (row["reason"] in REFUSALS) == refused:
                jobs[row["reason"]] += row["jobs"]
                examples.setdefault(row["reason"], row["example_key"][:_KEY_SHOWN])
        return [Cause(reason=reason, jobs=count, example=examples[reason]) for reason, count in jobs.most_common()]

    def latencies(self) -> dict[str, Latency]:
        """Rank the durations of the latest run's tasks by model."""
        durations = {} if self.deeds is None or self.deeds.harvest is None else self.deeds.harvest.durations
        return {model: latency for model, seconds in sorted(durations.items()) if (latency := Latency.of(seconds)) is not None}

    def as_object(self) -> dict[str, Any]:
        """Give the figures as JSON: money as decimal text, null for what is not known."""
        deeds, durations = self.deeds, {} if self.deeds is None or self.deeds.harvest is None else self.deeds.harvest.durations
        done_in_run = None if deeds is None or deeds.harvest is None else deeds.harvest.saved
        overall = Latency.of(seconds for each in durations.values() for seconds in each)
        known, unpriced = self._at_risk
        estimate, its_cost = self.estimate or (None, None)
        return {
            "done_before": self._done_before,
            "done_in_run": done_in_run,
            "refused": sum(cause.jobs for cause in self.causes(refused=True)),
            "failed": {cause.reason: cause.jobs for cause in self.causes(refused=False)},
            "at_risk": None if unpriced else _text(known),
            "cost": None if self.doubts.unpriced and not self.totals.spent else _text(self.totals.spent),
            "cap": _text(self.cap),
            "estimate": _text(estimate),
            "estimate_cost": _text(its_cost),
            "unit": self.unit,
            "ran_s": None if deeds is None else round(deeds.ran_s, 1),
            "per_minute": None if deeds is None or deeds.per_minute is None else round(deeds.per_minute, 2),
            "p50_s": None if overall is None else round(overall.p50_s, 3),
            "p95_s": None if overall is None else round(overall.p95_s, 3),
            "latency_by_model": {model: latency.as_object() for model, latency in self.latencies().items()},
            "throttled_s": None if deeds is None or deeds.throttled_s is None else round(deeds.throttled_s, 1),
            "next": self.next,
        }

    def decision(self, *, is_loud: bool = False) -> Iterator[str]:
        """Say what needs a decision and the money at risk, if anything does; ``is_loud`` where it stands among other lines."""
        count = len(self.ambiguous)
        if count:
            words = f"{'needs' if count == 1 else 'need'} a decision"
            yield f"  {count} {words.upper() if is_loud else words}: answers were lost; money at risk: {self.at_risk}"
            yield f"    {self.command} jobs {self.batch} --state ambiguous, then resolve KEY"

    @property
    def at_risk(self) -> str:
        """Say what the orders that need a decision may have cost."""
        known, unpriced = self._at_risk
        if not unpriced:
            return shown(known, self.unit)
        return at_least(known, self.unit, unpriced=f"{counted(unpriced, 'order')} without a price")

    def lines(self) -> Iterator[str]:
        """Say what was done and what went wrong, what it cost and how fast it went; what is not known has no line."""
        yield from self._done()
        yield from _told("refused", self.causes(refused=True))
        yield from _told("failed", self.causes(refused=False))
        if self.cap is not None:
            taken = self.totals.spent + self.totals.reserved + self.totals.held
            share = f", {100 * taken // self.cap} % of it taken" if self.cap else ""
            yield f"  budget {shown(self.cap, self.unit)}{share}"
        if self.estimate is not None:
            estimate, cost = self.estimate
            off = round(100 * (cost - estimate) / estimate)
            yield f"  estimated {shown(estimate, self.unit)} for what told its cost, and cost {shown(cost, self.unit)} ({off:+d} %)"
        latencies = self.latencies()
        for model, latency in latencies.items():
            yield f"  tasks{f' of {model}' if len(latencies) > 1 else ''}: {latency}"
        if self.deeds is not None and self.deeds.throttled_s is not None and self.deeds.throttled_s >= 1:
            yield f"  no orders for {duration(self.deeds.throttled_s)}: the vendor was asked too often"

    def _done(self) -> Iterator[str]:
        if self.deeds is None or self.deeds.harvest is None:
            return
        is_rated = self.deeds.per_minute and self.deeds.ran_s >= 1
        rate = "" if not is_rated else f"; {self.deeds.per_minute:.1f} images/min over {duration(self.deeds.ran_s)}"
        yield f"  {self.deeds.harvest.saved} saved in the latest run, {self._done_before} before it{rate}"

    @property
    def _done_before(self) -> int | None:
        """Count the jobs that were saved before the latest run."""
        saved = self.totals.states.get(State.SAVED, 0)
        if self.deeds is None:
            return saved
        return None if self.deeds.harvest is None else max(0, saved - self.deeds.harvest.saved)

    @property
    def _at_risk(self) -> tuple[int, int]:
        """Give the micros that lost answers may have cost, and of how many orders no price is known."""
        known = [row["at_risk_micros"] for row in self.ambiguous if row["at_risk_micros"] is not None]
        return sum(known), len(self.ambiguous) - len(known)


def figures_of(
    engine: Database,
    batch: queries.Batch,
    *,
    command: str,
    is_at_work: bool,
    until: datetime | None = None,
    throttled_s: float | None = None,
) -> Figures:
    """Read a batch's figures; the latest run has worked ``until`` then, or as long as it gave signs of life."""
    totals, settings = queries.totals(engine, batch.id), RunSettings.from_json(queries.latest_plan(engine, batch.id).settings)
    run = queries.look(engine, lambda c: runs.latest(c, batch.id))
    estimate = queries.estimated(engine, batch.id) if totals.orders <= _MOST_ORDERS else (0, 0)
    return Figures(
        batch=batch.name,
        unit=unit_of(settings.provider),
        command=command,
        is_at_work=is_at_work,
        totals=totals,
        doubts=queries.doubts(engine, batch.id),
        failures=queries.rows_of(engine, "v_failures", batch=batch.name) if totals.states[State.FAILED] else [],
        ambiguous=queries.rows_of(engine, "v_ambiguous", batch=batch.name) if totals.states[State.AMBIGUOUS] else [],
        deeds=None if run is None else _deeds(engine, run, until or run["heartbeat_at"], throttled_s),
        cap=_cap(engine, batch.id, settings, run),
        estimate=estimate if estimate[0] else None,
    )


def _deeds(engine: Database, run: Mapping[Any, Any], until: datetime, throttled_s: float | None) -> Deeds:
    ran_s = max(0.0, (until - run["started_at"]).total_seconds())
    return Deeds(ran_s=ran_s, harvest=harvest(engine, run["id"]), throttled_s=throttled_s)


def _cap(engine: Database, batch_id: int, settings: RunSettings, run: Mapping[Any, Any] | None) -> Micros | None:
    """Give the batch's limit of cost as the latest run was told last, or as the plan says."""
    begun = SystemClock().now() if run is None else run["started_at"]
    told = [] if run is None else queries.look(engine, lambda c: commands.followed(c, batch_id, since=begun))
    return limits_under(settings, told, now=begun).budget_cost


def _told(word: str, causes: Sequence[Cause]) -> Iterator[str]:
    """Give a line for each of the most frequent causes, the number of all before the first."""
    head = f"  {sum(cause.jobs for cause in causes)} {word}: "
    for cause in causes[:_CAUSES_SHOWN]:
        yield f"{head}{cause.jobs} {cause.reason}, such as {cause.example}"
        head = " " * len(head)
    if len(causes) > _CAUSES_SHOWN:
        yield f"{head}{sum(cause.jobs for cause in causes[_CAUSES_SHOWN:])} for {counted(len(causes) - _CAUSES_SHOWN, 'other reason')}"


def _text(micros: int | None) -> str | None:
    return None if micros is None else str(from_micros(micros))
