"""The walk in which all axes turn at once."""

from itertools import product

import pytest

from batchgen.planning.coverage import Coverage, met_at


@pytest.mark.parametrize(("firsts", "seconds"), list(product(range(1, 13), repeat=2)))
def test_every_pair_is_met_once(firsts: int, seconds: int) -> None:
    """Whatever divisors the sizes share."""
    met = sorted(met_at(first, second, firsts, seconds) for first in range(firsts) for second in range(seconds))

    assert list(range(firsts * seconds)) == met


@pytest.mark.parametrize(("prompts", "cells", "samples"), [(1, 1, 1), (7, 4, 2), (8, 6, 3), (100, 12, 1), (1632, 5, 1)])
def test_no_two_rows_share_a_place_and_samples_follow_each_other(prompts: int, cells: int, samples: int) -> None:
    """All rows of the first sample stand before those of the second."""
    coverage = Coverage(turns=range(cells), prompts=prompts, samples=samples, sweep=1, sweeps=3, first=100)
    places = {(sample, coverage.place(p, c, sample)) for p in range(prompts) for c in range(cells) for sample in range(1, samples + 1)}

    assert prompts * cells * samples == len({place for _, place in places})
    assert [sample for sample, _ in sorted(places, key=lambda row: row[1])] == sorted(sample for sample, _ in places)


def test_prompts_that_stand_together_run_apart() -> None:
    """Among the first twelve of a hundred there is one of every tenth of the file."""
    coverage = Coverage(turns=range(1), prompts=100, samples=1, sweep=0, sweeps=1)
    first = sorted(range(100), key=lambda prompt: coverage.place(prompt, 0, 1))[:13]

    assert set(range(10)) == {prompt // 10 for prompt in first}
