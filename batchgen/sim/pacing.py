"""Pace the work: a rate limit at the door, a queue for a bounded number of slots, and latencies that follow the seed."""

import heapq
import math
from statistics import NormalDist

from batchgen.sim.faults import share

_SPREAD = 0.35


class Bucket:
    """Let through `rate` requests a second, with a burst of one second's worth."""

    def __init__(self, rate: float | None) -> None:
        self._left = max(1.0, rate or 0)
        self._at = -math.inf
        self.rate = rate

    def take(self, now: float) -> bool:
        """Return whether one more request fits at this instant, and count it."""
        if self.rate is None:
            return True
        if now > self._at:
            self._left = min(max(1.0, self.rate), self._left + (now - self._at) * self.rate)
            self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Slots:
    """Serve in turn with a bounded number of slots: a heap of the instants at which they fall free."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._free_at: list[float] = []

    def next(self, at: float, latency_s: float) -> float:
        """Take the first slot that falls free for this long and return the instant at which work starts."""
        if len(self._free_at) < self._number:
            heapq.heappush(self._free_at, at + latency_s)
            return at
        starts_at = max(at, self._free_at[0])
        heapq.heapreplace(self._free_at, starts_at + latency_s)
        return starts_at


def spread(seed: int, lane: str, ordinal: int) -> float:
    """Return the factor by which this piece of work is slower or quicker than the median."""
    quantile = min(max(share(seed, lane, ordinal), 1e-6), 1 - 1e-6)
    return math.exp(_SPREAD * NormalDist().inv_cdf(quantile))
