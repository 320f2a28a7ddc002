"""How runs divide the limits of their batch."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.limits import Limits, Pace
from batchgen.core.sharing import LEAST_RATE, Part, Share, divided, larger, nothing_of, places_for, rate_for

LIMITS = Limits(pace=Pace(in_flight=7, submits_per_s=3.0), per_model={"painter": Pace(in_flight=2), "fast": Pace(submits_per_s=1.0)})

limits = st.integers(min_value=0, max_value=300)
rates = st.floats(min_value=0.001, max_value=1000.0)
members = st.integers(min_value=1, max_value=40)


def _shares(numbers: Sequence[int]) -> list[Share]:
    return [Share(in_flight=number) for number in numbers]


@given(limit=limits, others=st.lists(st.integers(min_value=0, max_value=100), max_size=10), rank=st.integers(0, 10))
def test_places_never_pass_what_the_others_leave(limit: int, others: list[int], rank: int) -> None:
    """Whatever the others hold, be it more than the limit: with this run's the sum passes it by nothing, and no run has less than none."""
    places = places_for(limit, Part(rank=min(rank, len(others)), members=len(others) + 1), _shares(others))

    assert places >= 0
    assert sum(others) + places <= max(limit, sum(others))


@given(limit=limits, how_many=members)
def test_parts_are_even_and_lose_nothing(limit: int, how_many: int) -> None:
    """As all hold their parts the sum is the limit, and no two differ by more than one; those that began first have the larger ones."""
    parts = [places_for(limit, Part(rank=rank, members=how_many), []) for rank in range(how_many)]

    assert limit == sum(parts)
    assert max(parts) - min(parts) <= 1
    assert sorted(parts, reverse=True) == parts


@given(limit=limits, how_many=members, seed=st.integers())
def test_a_pool_settles_in_two_rounds(limit: int, how_many: int, seed: int) -> None:
    """From the first run having all of it, each meets the others twice in whatever order, and all have their even parts."""
    held, order = [limit, *[0] * (how_many - 1)], Random(seed)
    for _ in range(2):
        turns = list(range(how_many))
        order.shuffle(turns)
        for rank in turns:
            held[rank] = places_for(limit, Part(rank=rank, members=how_many), _shares(held[:rank] + held[rank + 1 :]))
            assert sum(held) <= limit

    assert [limit // how_many + (rank < limit % how_many) for rank in range(how_many)] == held


@given(limit=rates, others=st.lists(rates, max_size=10))
def test_rates_never_pass_what_the_others_leave(limit: float, others: list[float]) -> None:
    """A run that is left nothing has the least rate there is, so that a wait can be told; it never aims at more than an even part."""
    rate = rate_for(limit, Part(rank=0, members=len(others) + 1), [Share(submits_per_s=other) for other in others])

    assert LEAST_RATE <= rate <= max(LEAST_RATE, limit / (len(others) + 1))
    assert sum(others) + rate <= max(limit, sum(others)) + LEAST_RATE + 1e-9


def test_each_limit_with_a_number_is_divided_by_itself() -> None:
    """What others hold of one model says nothing of another, and where the manifest has no number there is no share."""
    found = divided(LIMITS, Part(rank=1, members=2), {"": [Share(in_flight=5, submits_per_s=1.0)], "painter": [Share(in_flight=2)]})

    assert {"": Share(in_flight=2, submits_per_s=1.5), "painter": Share(in_flight=0), "fast": Share(submits_per_s=0.5)} == found


@pytest.mark.parametrize(("in_flight", "most", "share"), [(7, 1, 1), (7, 9, 4), (None, 3, 3), (None, None, None)])
def test_a_run_may_want_less_than_its_part(in_flight: int | None, most: int | None, share: int | None) -> None:
    """A number of its own holds whether the limit of all is fixed or found, and never takes more than the part."""
    found = divided(Limits(pace=Pace(in_flight=in_flight)), Part(rank=0, members=2), {}, most=most)

    assert Share(in_flight=share) == found[""]


def test_a_newcomer_has_nothing_of_what_is_divided() -> None:
    """No place and hardly a rate, until it has met the others; what has no number it has freely."""
    expected = {"": Share(in_flight=0, submits_per_s=LEAST_RATE), "painter": Share(in_flight=0), "fast": Share(submits_per_s=LEAST_RATE)}

    assert expected == nothing_of(LIMITS)
    assert {"": Share()} == nothing_of(Limits(pace=Pace()))


def test_of_two_shares_the_larger_counts() -> None:
    """Each number by itself; one that is no limit stays none."""
    assert Share(in_flight=3, submits_per_s=2.0) == larger(Share(in_flight=3, submits_per_s=1.0), Share(in_flight=1, submits_per_s=2.0))
    assert Share(in_flight=3) == larger(Share(in_flight=3), Share(submits_per_s=2.0))
    assert Share() == larger(Share(), Share(in_flight=1, submits_per_s=1.0))
