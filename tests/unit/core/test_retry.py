"""Waits and breakers."""

from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.retry import REGENERATIONS, UNPROVEN_RESENDS, Backoff, Breaker


@given(
    tries=st.integers(min_value=-3, max_value=10_000),
    chance=st.floats(min_value=0, max_value=1, exclude_max=True),
    initial_s=st.floats(min_value=0.01, max_value=60),
    max_s=st.floats(min_value=60, max_value=3600),
)
def test_a_wait_is_bounded_by_its_ceiling(tries: int, chance: float, initial_s: float, max_s: float) -> None:
    """Each wait lies in the upper half below min(max, initial x 2^(tries-1)), however many tries there were."""
    ceiling = min(max_s, initial_s * 2.0 ** min(max(tries, 1) - 1, 40))

    wait_s = Backoff(initial_s=initial_s, max_s=max_s).delay_s(tries, chance)

    assert ceiling / 2 <= wait_s <= ceiling


def test_waits_double_up_to_a_quarter_of_an_hour() -> None:
    """Without chance the default waits are half of 5, 10, 20 s and so on, at most half of 15 min."""
    waits = [Backoff().delay_s(tries, 0.0) for tries in (1, 2, 3, 100)]

    assert [2.5, 5.0, 10.0, 450.0] == waits


def test_a_breaker_opens_after_its_threshold() -> None:
    """Four failures in a row are borne, the fifth pauses for 30 s."""
    breaker = Breaker()

    pauses = [breaker.failed() for _ in range(5)]

    assert [None, None, None, None, 30.0] == pauses
    assert breaker.is_probing


def test_a_failed_probe_doubles_the_pause_up_to_ten_minutes() -> None:
    """Once open, each single failure opens the breaker again for twice as long, at most 600 s."""
    breaker = Breaker(threshold=1)

    pauses = [breaker.failed() for _ in range(7)]

    assert [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0] == pauses


def test_a_breaker_opens_when_half_of_the_last_twenty_failed() -> None:
    """Failures that never come in a row are noticed by their share; the count starts again after the pause."""
    breaker = Breaker()
    pauses = []
    for _ in range(10):
        breaker.succeeded()
        pauses.append(breaker.failed())

    assert [*[None] * 9, 30.0] == pauses
    breaker.succeeded()
    assert breaker.failed() is None


def test_a_share_below_half_is_borne() -> None:
    """Two failures in five do not stop a night."""
    breaker = Breaker()

    for _ in range(100):
        for _ in range(3):
            breaker.succeeded()
        assert [None, None] == [breaker.failed(), breaker.failed()]


def test_success_closes_a_breaker() -> None:
    """After one success the count starts again, and the next pause is the short one."""
    breaker = Breaker(threshold=2)
    breaker.failed()
    breaker.failed()

    breaker.succeeded()

    assert not breaker.is_probing
    assert [None, 30.0] == [breaker.failed(), breaker.failed()]


def test_the_budgets_are_those_of_the_contract() -> None:
    """Two further orders after unproven answers, one after a failure that is known to pass."""
    assert (2, 1) == (UNPROVEN_RESENDS, REGENERATIONS)
