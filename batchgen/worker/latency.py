"""When to ask after a task: the first question near the median duration seen for its model and resolution, then with growing gaps.

A question that finds the task running and a later one that finds it done bound its duration from both sides. A task already done at the
first question bounds it from above only; it enters slightly shortened, so that the guess creeps down until it meets the median.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from batchgen.core.jobs import Job

Shape = tuple[str, str]
"""Model and resolution; an unset resolution is empty."""

_UNSEEN_S: Final = 1.0
_CREEP: Final = 0.97
_WINDOW: Final = 64
_LONGEST_GAP_S: Final = 15.0


def shape_of(job: Job) -> Shape:
    """Give the part of an order that its duration depends on most."""
    return job.model, job.params.get("resolution", "")


@dataclass(slots=True)
class Latencies:
    """Durations seen, in seconds, by shape; the newest 64 count."""

    _seen: dict[Shape, deque[float]] = field(default_factory=dict)
    _median: dict[Shape, float] = field(default_factory=dict)

    def learn_all(self, durations: Mapping[Shape, Iterable[float]]) -> None:
        """Start from what earlier runs recorded."""
        for shape, seen in durations.items():
            for seconds in seen:
                self._add(shape, seconds)

    def learn(self, shape: Shape, *, running_at_s: float | None, done_at_s: float) -> None:
        """Take one finished task: last seen running and first seen done, in seconds since its order."""
        self._add(shape, done_at_s * _CREEP if running_at_s is None else (running_at_s + done_at_s) / 2)

    def first_wait_s(self, shape: Shape, chance: float) -> float:
        """Give the wait before the first question, spread by up to a twentieth."""
        return self._median.get(shape, _UNSEEN_S) * (1 + 0.05 * chance)

    def next_wait_s(self, shape: Shape, asked: int, chance: float) -> float:
        """Give the wait after the task was found running for the ``asked``-th time."""
        first_gap = 0.15 * self._median[shape] if shape in self._median else _UNSEEN_S
        return min(_LONGEST_GAP_S, max(0.1, first_gap) * 1.5 ** min(asked - 1, 20)) * (0.9 + 0.2 * chance)

    def _add(self, shape: Shape, seconds: float) -> None:
        seen = self._seen.setdefault(shape, deque(maxlen=_WINDOW))
        seen.append(seconds)
        self._median[shape] = median(seen)
