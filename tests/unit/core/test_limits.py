"""Limits."""

from batchgen.core.limits import Limits, Pace


def test_default_limits_buy_nothing_twice_and_set_no_cap() -> None:
    """Without a word from the manifest, lost answers are held and only the pace is limited."""
    limits = Limits()

    assert ("hold", None, None, None, None) == (
        limits.on_ambiguous,
        limits.budget_cost,
        limits.budget_jobs,
        limits.deadline,
        limits.halt_after_failures,
    )
    assert Pace(in_flight=4) == limits.pace
