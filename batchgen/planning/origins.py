"""Say who set a parameter: which layer, and where in the manifest or in a prompt file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from batchgen.planning.cells import Cell, fits, shown
from batchgen.planning.filesource import FileSource
from batchgen.planning.orders import SweepPlan
from batchgen.planning.reader import Node, Null, Path
from batchgen.planning.scalars import Value
from batchgen.planning.sources import Prompt, Source

Layer = Literal["defaults", "params", "grid", "zip", "include", "prompt", "overrides", "--set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One parameter of one job: its value (None when it was unset), which layer decided it, and where (``file:line:col``)."""

    param: str
    value: str | None
    layer: Layer
    place: str


class Origin(NamedTuple):
    """Where a value comes from: a path of the manifest, or a line of a prompt file."""

    value: Value | None
    layer: Layer
    at: Path | None
    file: str = ""
    line: int = 0


class Origins:
    """The layers of a manifest with their places. ``at`` leads from a sweep's name to its mapping."""

    def __init__(self, tree: Node, shown_path: str, at: Mapping[str, Path]) -> None:
        self.at: Final = at
        self._tree: Final = tree
        self._shown_path: Final = shown_path

    def explain(self, sweep: SweepPlan, cell: Cell, source: Source, prompt: Prompt) -> Sequence[Explained]:
        """Explain every parameter of one row, sorted by name."""
        return [
            Explained(
                param=name,
                value=None if origin.value is None else shown(origin.value),
                layer=origin.layer,
                place=self._place(origin),
            )
            for name, origin in sorted(self.of(sweep, cell, source, prompt).items())
        ]

    def of(self, sweep: SweepPlan, cell: Cell, source: Source, prompt: Prompt) -> dict[str, Origin]:
        """Give the origin of every parameter that any layer names."""
        found = self.below_prompt(sweep, cell)
        for name, value in prompt.params:
            found[name] = self._in_prompt(name, value, source, prompt)
        self._change(sweep, found)
        for name, value in sweep.forced.items():
            found[name] = Origin(value, "--set", None)
        return found

    def below_prompt(self, sweep: SweepPlan, cell: Cell) -> dict[str, Origin]:
        """Give the origins of what a cell and the layers under it set."""
        found = {}
        for name, value in sweep.cells.base.items():
            places = [(layer, place) for layer, place in _bases(self.at[sweep.name], name) if self._is_set(place)]
            for layer, place in places[:1]:  # none for an operation that nobody wrote
                found[name] = Origin(value, layer, place)
        for name, value in cell.values.items():
            found[name] = self._in_cell(sweep, cell, name, value)
        return found

    def _is_set(self, place: Path) -> bool:
        node = self._tree.find(place)
        return node is not None and not isinstance(node.value, Null)

    def _in_cell(self, sweep: SweepPlan, cell: Cell, name: str, value: Value) -> Origin:
        at = self.at[sweep.name]
        if cell.include is not None:
            return Origin(value, "include", (*at, "include", cell.include, name))
        axis, pick = next((axis, pick) for axis, pick in zip(sweep.cells.axes, cell.picks, strict=True) if name in axis.names)
        return Origin(value, axis.section, (*at, axis.section, name, pick))

    def _in_prompt(self, name: str, value: Value, source: Source, prompt: Prompt) -> Origin:
        if isinstance(source, FileSource):
            return Origin(value, "prompt", None, prompt.path, prompt.line)
        return Origin(value, "prompt", (*source.at[:-1], "params", name))

    def _change(self, sweep: SweepPlan, found: dict[str, Origin]) -> None:
        at = self.at[sweep.name]
        for number, change in enumerate(sweep.changes):
            written = {name: origin.value for name, origin in found.items() if origin.value is not None}
            values = {"operation": sweep.rules.operations[0], **written}
            if not fits(change.when, values):
                continue
            for name, value in change.set.items():
                found[name] = Origin(value, "overrides", (*at, "overrides", number, "set", name))
            for name in change.unset:
                found[name] = Origin(None, "overrides", (*at, "overrides", number, "unset"))

    def _place(self, origin: Origin) -> str:
        if origin.at is None:
            return f"{origin.file}:{origin.line}:1" if origin.file else "the command line"
        line, column = self._tree.place(origin.at)
        return f"{self._shown_path}:{line}:{column}"


def _bases(at: Path, name: str) -> Iterator[tuple[Layer, Path]]:
    """Give the places of a manifest and its sweep that may set a parameter for all rows, the strongest first."""
    sections: tuple[tuple[Layer, Path], ...] = (("params", at), ("defaults", ()))
    for layer, above in sections if at else sections[1:]:
        yield layer, (*above, layer, name)
        if name == "operation":
            yield layer, (*above, name)
