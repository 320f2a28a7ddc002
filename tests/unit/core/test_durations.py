"""Durations are ranked by values that were seen."""

from collections.abc import Sequence

import pytest

from batchgen.core.durations import Latency


@pytest.mark.parametrize(("durations", "p50", "p95"), [([7.0], 7, 7), ([2.0, 1.0], 1, 2), (range(1, 101), 50, 95), (range(1, 21), 10, 19)])
def test_durations_are_ranked(durations: Sequence[float], p50: float, p95: float) -> None:
    """The least duration that so many tasks did not exceed; it is one that was seen."""
    found = Latency.of(durations)

    assert found is not None
    assert (len(durations), p50, p95) == (found.tasks, found.p50_s, found.p95_s)
    assert Latency.of([]) is None
