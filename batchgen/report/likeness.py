"""Which pictures look alike, by their difference hashes: found without comparing each with each.

Theory of operation. Two hashes that differ in at most four of their 64 bits agree in at least one of any five parts that the bits are
dealt out to. So only hashes with an equal part are compared. Each part takes every fifth bit, and with it spots from all over the
picture: neighbouring bits would often be equal, as in a row of sky.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final

MOST_BITS: Final = 4
"""How many of the 64 bits may differ between pictures that count as alike."""

_PARTS: Final = tuple(sum(1 << bit for bit in range(part, 64, MOST_BITS + 1)) for part in range(MOST_BITS + 1))


def groups_alike(hashes: Iterable[int]) -> Iterator[Collection[int]]:
    """Deal the hashes into groups: each is like at least one other of its group, or alone in it."""
    group = {value: {value} for value in hashes}
    for left, right in _close(list(group)):
        if group[left] is not group[right]:
            small, large = sorted((group[left], group[right]), key=len)
            large |= small
            group.update(dict.fromkeys(small, large))
    yield from {id(some): some for some in group.values()}.values()


def _close(hashes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give every pair that is alike, at least once."""
    for mask in _PARTS:
        equal = defaultdict[int, list[int]](list)
        for value in hashes:
            equal[value & mask].append(value)
        for some in equal.values():
            yield from ((left, right) for left, right in combinations(some, 2) if (left ^ right).bit_count() <= MOST_BITS)
