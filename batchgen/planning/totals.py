"""Count: refuse what is too big before it is expanded, sum up what was counted, and place every row in the run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from batchgen.core.pricing import RowKind
from batchgen.planning.coverage import Coverage, turns_of
from batchgen.planning.findings import Findings
from batchgen.planning.orders import SweepPlan
from batchgen.planning.plan import BAND, Linear, PlanSummary, Stream, SweepSummary
from batchgen.planning.survey import Counts, Survey, count_repeats
from batchgen.planning.sweeps import BuiltSweep

_MOST_CELLS: Final = 1_000_000
"""A grid bigger than this is not expanded, whatever its exclude rules may leave."""
_HINT: Final = "make it smaller, or raise --max-jobs"


class Totals:
    """The numbers of one plan, with its bound."""

    def __init__(self, findings: Findings, *, max_jobs: int, is_filtered: bool, merges: bool) -> None:
        self._findings = findings
        self._max_jobs = max_jobs
        self._is_filtered = is_filtered
        self._merges = merges

    def count(self, sweep: BuiltSweep, survey: Survey) -> Counts:
        """Count one sweep; one that is too big by arithmetic is not expanded."""
        plan = sweep.plan
        cells = plan.cells
        least = max(1, sum(1 if source.known is None else source.known for source in plan.sources))
        rows = least * cells.bound * plan.samples
        may_shrink = bool(cells.exclude) or sweep.skips_invalid or self._is_filtered
        if cells.bound > max(_MOST_CELLS, self._max_jobs) or (rows > self._max_jobs and not may_shrink):
            self._tell_too_many(sweep, least, rows)
            return Counts()
        if plan.is_whole and cells.count == 0:
            self._findings.error("E308", "the exclude rules leave no cell", (*sweep.at, "exclude"))
        return survey.count(plan, skips_invalid=sweep.skips_invalid)

    def _tell_too_many(self, sweep: BuiltSweep, prompts: int, rows: int) -> None:
        plan = sweep.plan
        sizes = " x ".join([f"prompts {prompts:,}", *_axes(plan), f"samples {plan.samples:,}"])
        sections = [axis.section for axis in plan.cells.axes]
        key = sections[0] if sections else "samples" if plan.samples > 1 else "prompts"
        message = f"{rows:,} rows or more ({sizes}); {self._max_jobs:,} are allowed"
        self._findings.error("E307", message, (*sweep.at, key), on_key=True, hint=_HINT)

    def summary(self, sweeps: Sequence[SweepPlan], counts: Sequence[Counts], repeated: frozenset[int]) -> PlanSummary:
        """Sum up, and check the sum against the bound."""
        has_twins = any(variant.twins for count in counts for variant in count.variants.values())
        again = count_repeats(sweeps, repeated) if repeated or has_twins else Counter()
        self._tell_repeats(again.total())
        kinds: Counter[RowKind] = Counter()
        found = []
        for sweep, count in zip(sweeps, counts, strict=True):
            own = Counter(count.kinds)
            if self._merges:
                own.subtract({kind: number for (name, kind), number in again.items() if name == sweep.name})
            kinds.update(own)
            found.append(
                SweepSummary(
                    name=sweep.name,
                    prompts=count.prompts,
                    cells=sweep.cells.count,
                    samples=sweep.samples,
                    rows=own.total(),
                    dropped=count.dropped,
                    dropped_rows=count.dropped_rows,
                )
            )
        self._check(kinds.total(), sweeps)
        rows = {kind: number for kind, number in kinds.items() if number}
        return PlanSummary(sweeps=tuple(found), models=_by_model(rows), kinds=rows, repeats=again.total())

    def _tell_repeats(self, repeats: int) -> None:
        if repeats:
            fate = "merged into one row each" if self._merges else "kept; `duplicates: merge` drops them"
            self._findings.warn("W302", f"{repeats} rows order the same thing as an earlier row: {fate}")

    def _check(self, total: int, sweeps: Sequence[SweepPlan]) -> None:
        if total > self._max_jobs:
            axes = ", ".join(axis for sweep in sweeps for axis in _axes(sweep))
            message = f"{total:,} rows{axes and f' (axes: {axes})'}; {self._max_jobs:,} are allowed"
            self._findings.error("E307", message, hint=_HINT)
        elif total == 0:
            self._findings.error("E308", "--only matches no row" if self._is_filtered else "no row is left")


def _by_model(kinds: Mapping[RowKind, int]) -> Mapping[str, int]:
    models: Counter[str] = Counter()
    for kind, number in kinds.items():
        models[kind.model] += number
    return dict(models)


def _axes(sweep: SweepPlan) -> list[str]:
    return [f"{' + '.join(axis.names)} {len(axis):,}" for axis in sweep.cells.axes]


def streams(sweeps: Sequence[SweepPlan], counts: Sequence[Counts], order: str) -> tuple[Stream, ...]:
    """Give each sweep its share of the positions, so that no row must be held to be placed; a higher priority lies before a lower one."""
    found: dict[str, Stream] = {}
    first = 0
    for priority in sorted({sweep.priority for sweep in sweeps}, reverse=True):
        alike = [(sweep, count) for sweep, count in zip(sweeps, counts, strict=True) if sweep.priority == priority]
        placed, first = _placed(alike, order, first)
        found |= {stream.sweep.name: stream for stream in placed}
    return tuple(found[sweep.name] for sweep in sweeps)


def _placed(alike: Sequence[tuple[SweepPlan, Counts]], order: str, first: int) -> tuple[list[Stream], int]:
    """Place sweeps of the same priority from a position on, linear in prompt, cell and sample; give the first position behind them."""
    sizes = [count.prompts * sweep.cells.count for sweep, count in alike]
    found: list[Stream] = []
    for (sweep, count), size in zip(alike, sizes, strict=True):
        cells, samples = sweep.cells.count, sweep.samples
        match order:
            case "by_prompt":
                linear, width = Linear(first, per_sample=1, per_prompt=cells * samples, per_cell=samples), size * samples
            case "by_cell":
                linear, width = Linear(first, per_sample=1, per_prompt=samples, per_cell=count.prompts * samples), size * samples
            case "coverage" | "shuffle":
                linear, width = Linear(first), 0
            case _:
                linear, width = Linear(first, per_sample=sum(sizes), per_prompt=cells, per_cell=1), size
        coverage = None
        if order == "coverage" and size:
            turns = turns_of(sweep.cells)
            coverage = Coverage(turns=turns, prompts=count.prompts, samples=samples, sweep=len(found), sweeps=len(alike), first=first)
        found.append(Stream(sweep=sweep, linear=linear, coverage=coverage))
        first += width
    behind = max((first + (sweep.samples - 1) * sum(sizes) for sweep, _ in alike), default=first)
    return found, behind + (BAND if order in {"coverage", "shuffle"} else 0)
