"""Check a sweep's grid, zip, exclude, include and overrides, and build its cells."""

from collections.abc import Mapping, Sequence

from batchgen.planning.cells import Axis, Cells, Rule, fits, listed_values, shown
from batchgen.planning.findings import Findings
from batchgen.planning.manifest import Grid
from batchgen.planning.names import Names
from batchgen.planning.orders import Change
from batchgen.planning.reader import Path
from batchgen.planning.scalars import Value


def build_axes(grid: Grid, at: Path, names: Names, findings: Findings) -> tuple[Axis, ...]:
    """Build the axes of the grid in the order written, and the zip as one more, the fastest."""
    axes = [
        Axis(section="grid", names=(name,), points=tuple((value,) for value in values))
        for name, values in grid.grid.items()
        if names.is_known(name, (*at, "grid", name)) and _are_usable(name, values, (*at, "grid", name), names, findings)
    ]
    columns = {
        name: values
        for name, values in grid.zip.items()
        if names.is_known(name, (*at, "zip", name))
        and _is_only_here(name, grid, at, findings)
        and _are_usable(name, values, (*at, "zip", name), names, findings, may_repeat=True)
    }
    if columns and _are_equal_length(columns, at, findings):
        points = tuple(zip(*columns.values(), strict=True))
        if len(set(points)) < len(points):
            findings.error("E301", "the zip lists a combination twice", (*at, "zip"))
        axes.append(Axis(section="zip", names=tuple(columns), points=points))
    return tuple(axes)


def _are_usable(name: str, values: Sequence[Value], at: Path, names: Names, findings: Findings, *, may_repeat: bool = False) -> bool:
    if not values:
        findings.error("E301", f"the axis {name!r} has no values", at)
    for number, value in enumerate(values):
        if not may_repeat and value in values[:number]:
            findings.error("E301", f"the axis {name!r} lists {shown(value)!r} twice", (*at, number), hint="remove one")
    usable = [names.is_usable(name, value, (*at, number)) for number, value in enumerate(values)]
    return bool(values) and all(usable)


def _is_only_here(name: str, grid: Grid, at: Path, findings: Findings) -> bool:
    if name in grid.grid:
        findings.error("E303", f"{name!r} is an axis of the grid already", (*at, "zip", name), on_key=True)
    return name not in grid.grid


def _are_equal_length(columns: Mapping[str, Sequence[Value]], at: Path, findings: Findings) -> bool:
    first, *others = columns
    wrong = [name for name in others if len(columns[name]) != len(columns[first])]
    for name in wrong:
        message = f"{name!r} has {len(columns[name])} values, {first!r} has {len(columns[first])}"
        findings.error("E302", message, (*at, "zip", name), hint="zip needs columns of equal length")
    return not wrong


def build_cells(  # noqa: PLR0913 - the parts of a grid
    grid: Grid,
    at: Path,
    axes: tuple[Axis, ...],
    base: Mapping[str, Value],
    names: Names,
    findings: Findings,
    *,
    is_whole: bool,
) -> Cells:
    """Build the cells; where the grid is not whole, what seems absent from it is not told."""
    exclude = []
    for number, written in enumerate(grid.exclude):
        place = (*at, "exclude", number)
        rule = names.rule(written, place)
        exclude.append(rule)
        if not written:
            findings.error("E304", "an exclude rule must name a parameter", place)
        elif len(rule) == len(written):
            _tell_unmatched(rule, place, Cells(axes=axes, base=base), findings, is_whole=is_whole)
    cells = Cells(axes=axes, base=base, exclude=tuple(rule for rule in exclude if rule))
    include: list[Mapping[str, Value]] = []
    for number, written_cell in enumerate(grid.include):
        place = (*at, "include", number)
        cell = names.layer(written_cell, place)
        if not written_cell:
            findings.error("E305", "an include must name the parameters of its cell", place)
        elif is_whole and (_is_in_product(cell, cells) or any({**base, **cell} == {**base, **one} for one in include)):
            findings.error("E305", "this cell exists already", place, hint="remove it, or exclude the other")
        include.append(cell)
    return Cells(axes=axes, base=base, exclude=cells.exclude, include=tuple(include))


def _tell_unmatched(rule: Rule, at: Path, cells: Cells, findings: Findings, *, is_whole: bool) -> None:
    """Tell that a rule matches nothing, by arithmetic: axes are independent of each other."""
    for axis in cells.axes:
        own = {name: rule[name] for name in axis.names if name in rule}
        if not any(fits(own, dict(zip(axis.names, point, strict=True))) for point in axis.points):
            _tell_absent(own, at, listed_values(axis), findings)
            return
    on_axes = {name for axis in cells.axes for name in axis.names}
    for name, wanted in rule.items() if is_whole else ():
        if name not in on_axes and cells.base.get(name) not in wanted:
            value = f"{name}={shown(cells.base[name])}" if name in cells.base else f"{name} is not set"
            _tell_absent({name: wanted}, at, f"in this sweep {value}", findings)
            return


def _tell_absent(rule: Rule, at: Path, what_there_is: str, findings: Findings) -> None:
    what = " and ".join(f"{name}={'|'.join(map(shown, values))}" for name, values in rule.items())
    place = (*at, *rule) if len(rule) == 1 else at
    findings.error("E304", f"no cell has {what}: this rule removes nothing", place, hint=what_there_is)


def _is_in_product(cell: Mapping[str, Value], cells: Cells) -> bool:
    """Say whether the product holds a cell with the same parameters."""
    values = {**cells.base, **cell}
    on_axes = {name for axis in cells.axes for name in axis.names}
    if any(value != cells.base.get(name) for name, value in cell.items() if name not in on_axes):
        return False
    found = all(tuple(values.get(name) for name in axis.names) in axis.points for axis in cells.axes)
    return found and not any(fits(rule, values) for rule in cells.exclude)


def build_changes(grid: Grid, at: Path, names: Names) -> list[Change]:
    """Build the overrides in their order."""
    changes = []
    for number, override in enumerate(grid.overrides):
        place = (*at, "overrides", number)
        unset = [name for index, name in enumerate(override.unset) if names.is_known(name, (*place, "unset", index))]
        when = names.rule(override.when, (*place, "when"))
        changes.append(Change(when=when, set=names.layer(override.set, (*place, "set")), unset=unset))
    return changes


def conflicts(params: Mapping[str, object], axes: Sequence[Axis]) -> list[str]:
    """Name the parameters of a prompt that would flatten an axis: those of the grid, and a zip's when it sets all of them."""
    flat = [axis for axis in axes if all(name in params for name in axis.names)]
    return [name for axis in flat for name in axis.names]
