"""When to ask after a task: the first question near the median duration seen for its model and resolution, then with growing gaps.

Theory of operation. A finished task tells an interval: it was still running when last asked before, and done when asked now. The median is
the earliest instant by which at least half of the tasks that can tell were done. Most first questions go out just after it; one in eight
goes out somewhere in the half before, because only an early question can find out that tasks have become quicker.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from batchgen.core.jobs import Job

Shape = tuple[str, str]
"""Model and resolution; an unset resolution is empty."""

_UNSEEN_S: Final = 1.0
_WINDOW: Final = 64
_EARLY_SHARE: Final = 1 / 8
_EARLIEST: Final = 0.5
_SPREAD: Final = 0.02
_FIRST_GAP: Final = 0.15
_SHORTEST_GAP_S: Final = 0.05
_LONGEST_GAP_S: Final = 15.0


def shape_of(job: Job) -> Shape:
    """Give the part of an order that its duration depends on most."""
    return job.model, job.params.get("resolution", "")


@dataclass(slots=True)
class Latencies:
    """Durations seen, by shape, as intervals in seconds; the newest 64 count."""

    _seen: dict[Shape, deque[tuple[float, float]]] = field(default_factory=dict)
    _median_s: dict[Shape, float] = field(default_factory=dict)

    def learn_all(self, durations: Mapping[Shape, Iterable[float]]) -> None:
        """Start from what earlier runs recorded, the newest first; detection lags behind the end, so the interval is a tenth wide."""
        for shape, seen in durations.items():
            self._seen[shape] = deque([(0.9 * seconds, seconds) for seconds in seen][:_WINDOW], maxlen=_WINDOW)
            self._settle(shape)

    def learn(self, shape: Shape, *, running_at_s: float | None, done_at_s: float, lasted_s: float | None = None) -> None:
        """Take one finished task: last seen running and first seen done, in seconds since its order.

        ``lasted_s`` is the vendor's own measure; its clock often tells whole seconds only.
        """
        low, high = running_at_s or 0.0, done_at_s
        if lasted_s is not None and low <= lasted_s + 1:
            high = min(high, lasted_s + 1)
            low = min(high, max(low, lasted_s - 1))
        self._seen.setdefault(shape, deque(maxlen=_WINDOW)).append((low, high))
        self._settle(shape)

    def first_wait_s(self, shape: Shape, chance: float) -> float:
        """Give the wait before the first question; ``chance`` in [0, 1) spreads it, and picks the early ones."""
        median_s = self._median_s.get(shape, _UNSEEN_S)
        if chance < _EARLY_SHARE:
            return median_s * (_EARLIEST + (1 - _EARLIEST) * chance / _EARLY_SHARE)
        return median_s * (1 + _SPREAD * chance)

    def next_wait_s(self, shape: Shape, *, asked: int, elapsed_s: float, chance: float) -> float:
        """Give the wait after the task was found running for the ``asked``-th time, ``elapsed_s`` after its order."""
        median_s = self._median_s.get(shape, 0.0) * (1 + _SPREAD * chance)
        if elapsed_s < median_s:
            return median_s - elapsed_s
        first_s = max(_SHORTEST_GAP_S, _FIRST_GAP * self._median_s[shape]) if shape in self._median_s else _UNSEEN_S
        return min(_LONGEST_GAP_S, first_s * 1.5 ** min(asked - 1, 20)) * (0.9 + 0.2 * chance)

    def _settle(self, shape: Shape) -> None:
        """Find the earliest instant by which half were done, of those that can tell."""
        running = sorted(low for low, _ in self._seen[shape])
        still = len(running)
        for done, instant in enumerate(sorted(high for _, high in self._seen[shape]), start=1):
            while still and running[len(running) - still] < instant:
                still -= 1
            if done >= still:
                self._median_s[shape] = instant
                return
