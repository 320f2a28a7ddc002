"""Hashes that are close are found, all of them, and no others."""

from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.report.likeness import MOST_BITS, groups_alike

HASH = st.integers(min_value=0, max_value=2**64 - 1)


@st.composite
def neighbourhoods(draw: st.DrawFn) -> list[int]:
    """Draw hashes, and others a few bits away from them."""
    seeds = draw(st.lists(HASH, min_size=1, max_size=8))
    turned = st.lists(st.integers(min_value=0, max_value=63), min_size=0, max_size=7, unique=True)
    moves = draw(st.lists(st.tuples(st.sampled_from(seeds), turned), max_size=24))
    return seeds + [seed ^ sum(1 << bit for bit in bits) for seed, bits in moves]


def compared_each_with_each(hashes: Iterable[int]) -> set[frozenset[int]]:
    """Group hashes in the slow and obvious way."""
    groups = {frozenset({value}) for value in hashes}
    for left, right in combinations(set(hashes), 2):
        if (left ^ right).bit_count() <= MOST_BITS:
            joined = {group for group in groups if left in group or right in group}
            groups = (groups - joined) | {frozenset().union(*joined)}
    return groups


@given(neighbourhoods())
def test_groups_are_those_of_comparing_each_with_each(hashes: list[int]) -> None:
    """Dealing the bits into parts loses no pair."""
    assert compared_each_with_each(hashes) == set(map(frozenset, groups_alike(hashes)))


@pytest.mark.parametrize(("other", "count"), [(0b1111, 1), (0b1_1111, 2), (1 << 63 | 1 << 40 | 1 << 20 | 1, 1)])
def test_four_bits_are_close_and_five_are_not(other: int, count: int) -> None:
    """Wherever in the hash they are."""
    assert count == len(list(groups_alike([0, other])))


def test_group_hangs_together_by_its_links() -> None:
    """Ends that are far from each other belong together by what is between them."""
    assert [{0, 0b1111, 0b1111_1111}] == list(groups_alike([0, 0b1111_1111, 0b1111]))


def test_groups_come_in_the_order_of_their_first_hash() -> None:
    """Repeated hashes count once."""
    assert [{2**40 - 1}, {0, 1}, {2**20 - 1}] == list(groups_alike([2**40 - 1, 1, 2**20 - 1, 0, 1]))
