"""An order of running in which whatever has run so far shows every value of every axis about equally often.

Theory of operation. The axes are walked side by side like the wheels of a counter that all turn at once: step t shows value t mod n of an
axis of n values. Where the sizes have a common divisor the walk would come back to its beginning too early, so with every such lap each
further axis is moved on by one; every combination then comes up exactly once (the Chinese remainder theorem says where). All axes of the
grid are put together in this way into one walk over the cells, and that walk with the prompts, which are visited in strides of the golden
ratio, so that neighbours in a file, which are often alike, come up far apart. Samples repeat the walk. Of several sweeps each moves at a
speed of its own, so that all end together. A row's place is computed from its numbers alone; no row has to be held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import Final

from batchgen.planning.cells import Cells

_GOLDEN: Final = 0.6180339887498949
_FINE: Final = 2**40
"""Places in a band of positions, before they are told apart by sweep: more than any plan has rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Places the rows of one sweep. ``turns`` says for each cell when the walk over the cells comes by."""

    turns: Sequence[int]
    prompts: int
    samples: int
    sweep: int
    sweeps: int
    first: int = 0

    def place(self, prompt: int, cell: int, sample: int) -> int:
        """Give the position of a row; ``prompt`` and ``cell`` count from 0, ``sample`` from 1."""
        step = met_at(_strided(prompt, self.prompts), self.turns[cell], self.prompts, len(self.turns))
        rows = self.prompts * len(self.turns)
        done = (2 * ((sample - 1) * rows + step) + 1) * _FINE // (2 * rows * self.samples)
        return self.first + done * self.sweeps + self.sweep


def turns_of(cells: Cells) -> list[int]:
    """Say for each cell of a sweep when the walk over its grid comes by; cells that stand outside of the grid follow it."""
    sizes = [len(axis) for axis in cells.axes]
    met: list[tuple[int, int, int]] = []
    for cell in cells:
        step, size = 0, 1
        for pick, own in zip(cell.picks, sizes, strict=False):
            step = met_at(step, pick, size, own)
            size *= own
        met.append((cell.include is not None, step, cell.number))
    turns = [0] * len(met)
    for turn, (_, _, number) in enumerate(sorted(met)):
        turns[number] = turn
    return turns


def met_at(first: int, second: int, firsts: int, seconds: int) -> int:
    """Give the step in which two wheels of the given sizes show these two values."""
    shared = gcd(firsts, seconds)
    lap = (second - first) % shared
    apart = (second - lap - first) // shared
    turns = apart * pow(firsts // shared, -1, seconds // shared) % (seconds // shared)
    return lap * lcm(firsts, seconds) + first + firsts * turns


def _strided(number: int, of: int) -> int:
    """Give the turn of a numbered thing when all are visited in strides of about the golden ratio."""
    stride = max(1, round(of * _GOLDEN))
    while gcd(stride, of) > 1:
        stride += 1
    return number * pow(stride, -1, of) % of
