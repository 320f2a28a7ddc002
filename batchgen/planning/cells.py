"""Expand axes into cells: pure arithmetic and iteration, nothing is held that the grid does not hold itself."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from batchgen.planning.findings import listed
from batchgen.planning.naming import slug
from batchgen.planning.scalars import Value

Rule = Mapping[str, Sequence[Value]]
"""Parameter: the values of which any will do. Every parameter must fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One dimension of a grid: a parameter with its values, or the columns of a zip side by side."""

    section: Literal["grid", "zip"]
    names: tuple[str, ...]
    points: tuple[tuple[Value, ...], ...]

    def __len__(self) -> int:
        return len(self.points)

    def slugs(self) -> tuple[str, ...]:
        """Name every point in a way that is unique on this axis and holds no underscore."""
        taken: dict[str, None] = {}
        for point in self.points:
            word = "-".join(slug(shown(value)).replace("_", "-") for value in point)
            number = 1
            while (candidate := word if number == 1 else f"{word}-{number}") in taken:
                number += 1
            taken[candidate] = None
        return tuple(taken)


class Cell(NamedTuple):
    """One combination. ``picks`` are the indices on each axis; an included cell has none, but the number of its ``include``."""

    number: int
    label: str
    values: Mapping[str, Value]
    picks: tuple[int, ...]
    include: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of a sweep, in order: the product of the axes (the first slowest) without the excluded, then the included.

    ``base`` are the parameters below the grid; exclude rules see them too.
    """

    axes: tuple[Axis, ...]
    base: Mapping[str, Value]
    exclude: tuple[Rule, ...] = ()
    include: tuple[Mapping[str, Value], ...] = ()

    @property
    def bound(self) -> int:
        """Count the cells by arithmetic, as if nothing were excluded."""
        return math.prod(map(len, self.axes)) + len(self.include)

    @cached_property
    def count(self) -> int:
        """Count the cells exactly."""
        return self.bound if not self.exclude else sum(1 for _ in self)

    def __iter__(self) -> Iterator[Cell]:
        for number, cell in enumerate(itertools.chain(self._kept(), self._included())):
            yield cell._replace(number=number)

    def product(self) -> Iterator[Cell]:
        """Give every combination, also the excluded ones."""
        slugs = self._slugs
        for index, picks in enumerate(itertools.product(*(range(len(axis)) for axis in self.axes))):
            values: dict[str, Value] = {}
            for axis, pick in zip(self.axes, picks, strict=True):
                values.update(zip(axis.names, axis.points[pick], strict=True))
            label = "_".join(names[pick] for names, pick in zip(slugs, picks, strict=True))
            yield Cell(index, label or self._plain_label, values, picks)

    def _kept(self) -> Iterator[Cell]:
        if not self.exclude:
            return self.product()
        base = dict(self.base)
        return (cell for cell in self.product() if not any(fits(rule, {**base, **cell.values}) for rule in self.exclude))

    def _included(self) -> Iterator[Cell]:
        for number, (values, label) in enumerate(zip(self.include, self._include_labels, strict=True)):
            yield Cell(0, label, values, (), number)

    @cached_property
    def _slugs(self) -> tuple[tuple[str, ...], ...]:
        return tuple(axis.slugs() for axis in self.axes)

    @property
    def _plain_label(self) -> str:
        return slug(shown(self.base.get("model", "cell")))

    @cached_property
    def _include_labels(self) -> tuple[str, ...]:
        """Name included cells; a name that the product may use too gets a number."""
        labels: list[str] = []
        for values in self.include:
            parts = [slug(shown(value)).replace("_", "-") for value in values.values()]
            label, number = "_".join(parts), 1
            while label in labels or self._is_product_label(label):
                number += 1
                label = "_".join([*parts, f"x{number}"])
            labels.append(label)
        return tuple(labels)

    def _is_product_label(self, label: str) -> bool:
        parts = label.split("_")
        if not self.axes:
            return label == self._plain_label
        return len(parts) == len(self._slugs) and all(part in names for part, names in zip(parts, self._slugs, strict=True))


def fits(rule: Rule, values: Mapping[str, Value]) -> bool:
    """Say whether every parameter of a rule has one of its values."""
    return all(values.get(name) in wanted for name, wanted in rule.items())


def shown(value: Value) -> str:
    """Write a value for people."""
    return value if isinstance(value, str) else "+".join(value)


def named(values: Mapping[str, Value]) -> str:
    """Name a combination: ``model=gpt-image-2, ratio=16:9``."""
    return ", ".join(f"{name}={shown(value)}" for name, value in values.items())


def listed_values(axis: Axis) -> str:
    """Write an axis with its values for a hint."""
    columns = zip(*axis.points, strict=True)
    return "; ".join(f"{name} has {listed([shown(value) for value in column])}" for name, column in zip(axis.names, columns, strict=True))
