"""Which rows are tried first, and what their results say."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.canary import Axis, Stratum, Trial, Tried, spread
from batchgen.core.money import Micros


def _grid(*sizes: int, rows: int = 100) -> list[Stratum]:
    """Build the strata of a full grid with so many values an axis."""
    axes = [[(f"axis{number}", f"value{value}") for value in range(size)] for number, size in enumerate(sizes)]
    return [Stratum(values=values, rows=rows) for values in product(*axes)]


def _counts(strata: list[Stratum], shares: list[int]) -> dict[str, Counter[Axis]]:
    counts: dict[str, Counter[Axis]] = {}
    for stratum, share in zip(strata, shares, strict=True):
        for value in stratum.values:
            counts.setdefault(value[0], Counter())[value] += share
    return counts


@given(sizes=st.lists(st.integers(min_value=1, max_value=5), min_size=1, max_size=4), wanted=st.integers(min_value=1, max_value=40))
def test_a_full_grid_is_tried_evenly(sizes: list[int], wanted: int) -> None:
    """The values of an axis differ by one row at most, so with as many rows as the longest axis has values none is left out."""
    strata = _grid(*sizes)

    shares = spread(strata, wanted)

    assert wanted == sum(shares)
    for counts in _counts(strata, shares).values():
        assert max(counts.values()) - min(counts.values()) <= 1


@given(
    rows=st.lists(st.integers(min_value=0, max_value=3), min_size=12, max_size=12),
    wanted=st.integers(min_value=1, max_value=50),
)
def test_no_more_is_tried_than_there_is(rows: list[int], wanted: int) -> None:
    """A stratum gives no more rows than it has; all together give as many as were wanted, or all."""
    strata = [Stratum(values=stratum.values, rows=count) for stratum, count in zip(_grid(3, 4), rows, strict=True)]

    shares = spread(strata, wanted)

    assert all(share <= stratum.rows for share, stratum in zip(shares, strata, strict=True))
    assert min(wanted, sum(rows)) == sum(shares)


def test_every_value_of_an_uneven_grid_is_tried() -> None:
    """A model that stands in one cell of twenty is among the first rows all the same."""
    strata = [*_grid(1, 19), Stratum(values=[("axis0", "rare"), ("axis1", "value0")], rows=1)]

    assert 1 == spread(strata, 3)[-1]


def test_equals_are_tried_in_turn() -> None:
    """Four rows of a grid of two by two are its four cells, and the first row is the first cell's."""
    assert [1, 1, 1, 1] == spread(_grid(2, 2), 4)
    assert [1, 0, 0, 0] == spread(_grid(2, 2), 1)


def _tried(number: int, *, failed: int = 0, cost: int | None = 60, estimate: int | None = 60) -> Trial:
    one = {
        "cell": "main/c1",
        "cost": None if cost is None else Micros(cost),
        "estimate": None if estimate is None else Micros(estimate),
        "latency_s": 4.0,
    }
    return Trial(rows=[Tried(is_saved=index >= failed, **one) for index in range(number)])


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (_tried(10), ""),
        (_tried(10, failed=1), ""),
        (_tried(10, failed=2), "2 of 10 rows have no image"),
        (_tried(3, failed=1), "1 of 3 rows have no image"),
        (_tried(10, cost=72), ""),
        (_tried(10, cost=73), "they cost 0.00073 coin, and the estimate was 0.0006 coin"),
        (_tried(10, cost=1, estimate=60), ""),
        (_tried(10, cost=None), ""),
        (_tried(10, estimate=None), ""),
    ],
)
def test_failures_and_cost_speak_against_the_rest(trial: Trial, words: str) -> None:
    """More than a tenth without an image, or more than 1.2 times the estimate; what nobody knows speaks against nothing."""
    objections = list(trial.objections("coin"))

    assert bool(words) == bool(objections)
    assert all(objection.startswith(words) for objection in objections)


def test_a_trial_is_told_by_cell() -> None:
    """Counts, money and median of each, in the order of the first row of each."""
    rows = [
        Tried(cell="b", is_saved=True, cost=Micros(1), estimate=None, latency_s=3.0),
        Tried(cell="a", is_saved=False, cost=None, estimate=None, latency_s=None),
        Tried(cell="b", is_saved=True, cost=Micros(2), estimate=Micros(5), latency_s=5.0),
    ]

    told = [(cell, t.saved, t.failed, t.cost, t.estimate, t.latency_s) for cell, t in Trial(rows=rows).by_cell()]

    assert [("b", 2, 0, 3, 5, 4.0), ("a", 0, 1, None, None, None)] == told
