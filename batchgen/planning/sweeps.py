"""Build the sweeps of a manifest: parameters, cells, overrides and prompts, each checked where it stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from batchgen.core.dialects import Rules
from batchgen.planning.cells import Cells
from batchgen.planning.checked import Checked
from batchgen.planning.entries import Entries
from batchgen.planning.findings import Findings
from batchgen.planning.grids import GridBuilder
from batchgen.planning.manifest import Grid, Sweep
from batchgen.planning.names import Names
from batchgen.planning.options import forced_params, row_filter
from batchgen.planning.orders import SweepPlan
from batchgen.planning.reader import Path
from batchgen.planning.scalars import Value
from batchgen.planning.settings import ReferenceSettings

_SHAPING: Final = frozenset({"grid", "zip", "params", "operation", "include", "exclude"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltSweep:
    """A sweep with its place in the manifest (empty for the short form) and what becomes of impossible cells."""

    plan: SweepPlan
    at: Path
    skips_invalid: bool


class SweepBuilder:
    """Builds every sweep from the same defaults, names and references."""

    def __init__(self, findings: Findings, checked: Checked, names: Names, entries: Entries, rules: Rules) -> None:
        self._findings = findings
        self._checked = checked
        self._manifest = checked.manifest
        self._names = names
        self._entries = entries
        self._rules = rules

    def build(self, references: Mapping[str, ReferenceSettings], *, sets: Sequence[str], only: Sequence[str]) -> list[BuiltSweep]:
        """Build the sweeps in their order; what cannot be used is told and left out."""
        before = self._findings.errors
        defaults = self._layer(self._manifest.defaults, self._manifest.operation, (), "defaults")
        is_given = self._checked.is_whole((), {"defaults", "operation"})
        is_whole = self._names.knows_references and self._findings.errors == before and is_given
        written = list(self._written())
        empty = SweepPlan(
            name="",
            samples=1,
            cells=Cells(axes=(), base={"operation": self._rules.operations[0], **defaults}),
            changes=(),
            forced=forced_params(sets, self._names, self._findings),
            references=references,
            rules=self._rules,
            sources=(),
            only=row_filter(only, [name for name, _, _ in written], self._names, self._findings),
            is_whole=is_whole,
        )
        return [self._sweep(name, at, grid, empty) for name, at, grid in written]

    def _sweep(self, name: str, at: Path, grid: Grid, empty: SweepPlan) -> BuiltSweep:
        """Fill in a sweep; ``empty`` holds what all have in common."""
        before = self._findings.errors
        own = self._layer(grid.params, grid.operation, at, "params") if isinstance(grid, Sweep) else {}
        builder = GridBuilder(grid, at, self._names, self._findings)
        axes = builder.axes()
        is_whole = empty.is_whole and self._findings.errors == before and self._checked.is_whole(at, _SHAPING)
        plan = replace(
            empty,
            name=name,
            samples=grid.samples,
            priority=grid.priority if isinstance(grid, Sweep) else 0,
            cells=builder.cells(axes, {**empty.cells.base, **own}, is_whole=is_whole),
            changes=builder.changes(),
            sources=self._entries.build(grid.prompts or (), (*at, "prompts"), axes),
            is_whole=is_whole,
        )
        if grid.prompts is None and self._checked.is_whole(at, {"prompts"}):
            self._findings.error("E105", "the key 'prompts' is missing", at)
        return BuiltSweep(plan=plan, at=at, skips_invalid=self._skips_invalid(grid))

    def _layer(self, params: Mapping[str, Value], operation: str | None, at: Path, key: str) -> dict[str, Value]:
        """Give what a manifest or a sweep sets for all its rows: the parameters under ``key``, and the operation beside them."""
        layer = self._names.layer(params, (*at, key))
        if operation is None or not self._names.is_usable("operation", operation, (*at, "operation")):
            return layer
        other = layer.setdefault("operation", operation)
        if other != operation:
            message = f"'operation' is {operation!r} here and {other!r} under {key!r}"
            self._findings.error("E111", message, (*at, "operation"), on_key=True, hint="keep one of them")
        return layer

    def _written(self) -> Iterator[tuple[str, Path, Grid]]:
        """Give the sweeps with names and places; the short form is one sweep named after the batch."""
        manifest = self._manifest
        if manifest.sweeps is None:
            if self._checked.is_whole((), {"sweeps"}):
                yield manifest.name, (), manifest
            return
        taken: set[str] = set()
        for number, sweep in enumerate(manifest.sweeps):
            name = sweep.name or f"sweep{number + 1}"
            if name in taken:
                self._findings.error("E310", f"another sweep is called {name!r} too", ("sweeps", number, "name"))
            else:
                taken.add(name)
                yield name, ("sweeps", number), sweep

    def _skips_invalid(self, grid: Grid) -> bool:
        own = grid.invalid_cells if isinstance(grid, Sweep) else None
        return (own or self._manifest.invalid_cells) == "skip"
