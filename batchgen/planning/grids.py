"""Check a sweep's grid, zip, exclude, include and overrides, and build its cells."""

from collections.abc import Mapping, Sequence
from typing import Final

from batchgen.planning.cells import Axis, Cells, Rule, fits, listed_values, shown
from batchgen.planning.findings import Findings
from batchgen.planning.manifest import Grid
from batchgen.planning.names import Names
from batchgen.planning.orders import Change
from batchgen.planning.reader import Path
from batchgen.planning.scalars import Value


class GridBuilder:
    """Builds the cells of one sweep, whose mapping stands at ``at`` in the manifest."""

    def __init__(self, grid: Grid, at: Path, names: Names, findings: Findings) -> None:
        self._grid: Final = grid
        self._at: Final = at
        self._names: Final = names
        self._findings: Final = findings

    def axes(self) -> tuple[Axis, ...]:
        """Build the axes of the grid in the order written, and the zip as one more, the fastest."""
        axes = [
            Axis(section="grid", names=(name,), points=tuple((value,) for value in values))
            for name, values in self._grid.grid.items()
            if self._is_axis("grid", name, values)
        ]
        columns = {name: values for name, values in self._grid.zip.items() if self._is_axis("zip", name, values)}
        if columns and self._are_equal_length(columns):
            points = tuple(zip(*columns.values(), strict=True))
            if len(set(points)) < len(points):
                self._findings.error("E301", "the zip lists a combination twice", (*self._at, "zip"))
            axes.append(Axis(section="zip", names=tuple(columns), points=points))
        return tuple(axes)

    def _is_axis(self, section: str, name: str, values: Sequence[Value]) -> bool:
        at = (*self._at, section, name)
        if not self._names.is_known(name, at):
            return False
        if section == "zip" and name in self._grid.grid:
            self._findings.error("E303", f"{name!r} is an axis of the grid already", at, on_key=True)
            return False
        if not values:
            self._findings.error("E301", f"the axis {name!r} has no values", at)
            return False
        for number, value in enumerate(values if section == "grid" else ()):
            if value in values[:number]:
                message = f"the axis {name!r} lists {shown(value)!r} twice"
                self._findings.error("E301", message, (*at, number), hint="remove one")
        usable = [self._names.is_usable(name, value, (*at, number)) for number, value in enumerate(values)]
        return all(usable)

    def _are_equal_length(self, columns: Mapping[str, Sequence[Value]]) -> bool:
        first, *others = columns
        wrong = [name for name in others if len(columns[name]) != len(columns[first])]
        for name in wrong:
            message = f"{name!r} has {len(columns[name])} values, {first!r} has {len(columns[first])}"
            self._findings.error("E302", message, (*self._at, "zip", name), hint="zip needs columns of equal length")
        return not wrong

    def cells(self, axes: tuple[Axis, ...], base: Mapping[str, Value], *, is_whole: bool) -> Cells:
        """Build the cells; where something of the grid was left out, what seems absent from it is not told."""
        product = Cells(axes=axes, base=base, exclude=self._exclude(axes, base, is_whole=is_whole))
        return Cells(axes=axes, base=base, exclude=product.exclude, include=self._include(product, is_whole=is_whole))

    def _exclude(self, axes: tuple[Axis, ...], base: Mapping[str, Value], *, is_whole: bool) -> tuple[Rule, ...]:
        rules = []
        for number, written in enumerate(self._grid.exclude):
            at = (*self._at, "exclude", number)
            rule = self._names.rule(written, at)
            if not written:
                self._findings.error("E304", "an exclude rule must name a parameter", at)
            elif len(rule) == len(written):
                self._tell_unmatched(rule, at, axes, base if is_whole else None)
                rules.append(rule)
        return tuple(rules)

    def _tell_unmatched(self, rule: Rule, at: Path, axes: tuple[Axis, ...], base: Mapping[str, Value] | None) -> None:
        """Tell that a rule matches nothing, by arithmetic: axes are independent of each other."""
        for axis in axes:
            own = {name: rule[name] for name in axis.names if name in rule}
            if not any(fits(own, dict(zip(axis.names, point, strict=True))) for point in axis.points):
                self._tell_absent(own, at, listed_values(axis))
                return
        on_axes = _names_of(axes)
        for name, wanted in rule.items():
            if base is not None and name not in on_axes and base.get(name) not in wanted:
                value = f"{name}={shown(base[name])}" if name in base else f"{name} is not set"
                self._tell_absent({name: wanted}, at, f"in this sweep {value}")
                return

    def _tell_absent(self, rule: Rule, at: Path, what_there_is: str) -> None:
        what = " and ".join(f"{name}={'|'.join(map(shown, values))}" for name, values in rule.items())
        place = (*at, *rule) if len(rule) == 1 else at
        self._findings.error("E304", f"no cell has {what}: this rule removes nothing", place, hint=what_there_is)

    def _include(self, product: Cells, *, is_whole: bool) -> tuple[Mapping[str, Value], ...]:
        cells: list[Mapping[str, Value]] = []
        for number, written in enumerate(self._grid.include):
            at = (*self._at, "include", number)
            cell = self._names.layer(written, at)
            if not written:
                self._findings.error("E305", "an include must name the parameters of its cell", at)
            elif is_whole and len(cell) == len(written) and (_is_in_product(cell, product) or _is_among(cell, cells, product.base)):
                self._findings.error("E305", "this cell exists already", at, hint="remove it, or exclude the other")
            cells.append(cell)
        return tuple(cells)

    def changes(self) -> list[Change]:
        """Build the overrides in their order."""
        changes = []
        for number, override in enumerate(self._grid.overrides):
            at = (*self._at, "overrides", number)
            unset = [name for index, name in enumerate(override.unset) if self._names.is_known(name, (*at, "unset", index))]
            when = self._names.rule(override.when, (*at, "when"))
            new = self._names.layer(override.set, (*at, "set"))
            is_meant = len(when) == len(override.when)  # with a condition lost, it would change rows that it was not written for
            changes.append(Change(when=when, set=new if is_meant else {}, unset=unset if is_meant else []))
        return changes


def _is_in_product(cell: Mapping[str, Value], cells: Cells) -> bool:
    """Say whether the product holds a cell with the same parameters."""
    values = {**cells.base, **cell}
    on_axes = _names_of(cells.axes)
    if any(value != cells.base.get(name) for name, value in cell.items() if name not in on_axes):
        return False
    found = all(tuple(values.get(name) for name in axis.names) in axis.points for axis in cells.axes)
    return found and not any(fits(rule, values) for rule in cells.exclude)


def _is_among(cell: Mapping[str, Value], others: Sequence[Mapping[str, Value]], base: Mapping[str, Value]) -> bool:
    return any({**base, **cell} == {**base, **other} for other in others)


def _names_of(axes: Sequence[Axis]) -> set[str]:
    return {name for axis in axes for name in axis.names}


def conflicts(params: Mapping[str, object], axes: Sequence[Axis]) -> list[str]:
    """Name the parameters of a prompt that would flatten an axis: those of the grid, and a zip's when it sets all of them."""
    flat = [axis for axis in axes if all(name in params for name in axis.names)]
    return [name for axis in flat for name in axis.names]
