"""When to ask after a task: at instants chosen from the durations seen for its model and resolution.

Theory of operation. A finished task tells an interval: it was still running when last asked before, and done when asked now; where between,
nobody knows. From the newest intervals follows what share of the tasks is done by any instant. For the least delay with a given number of
questions, they have to lie the closer the likelier the task ends just then; that comes to letting each question settle about the same share
of the tasks that are still open. So the first question goes out when three in ten should be done, and each further one when a third of the
rest should be: about three questions a task. One first question in sixteen goes out earlier, because only an early question can find out
that tasks have become quicker.

Durations that differ much cannot be met with few questions, whatever the plan. Some vendors tell a progress: whether a task's end can
be forecast from it is found out on finished tasks. Where it can, the first question goes out early and the second at the task's end.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from batchgen.core.jobs import Job

Shape = tuple[str, str]
"""Model and resolution; an unset resolution is empty."""

_UNSEEN_S: Final = 1.0
_WINDOW: Final = 64
_FIRST_SHARE: Final = 0.28
_NEXT_SHARE: Final = 0.36
"""Of all tasks, and of those still running, that should be done when asked after: the best shares for three questions a task."""
_EARLY_SHARE: Final = 1 / 16
_EARLIEST: Final = 0.5
_SPREAD: Final = 0.02
_SHORTEST_GAP_S: Final = 0.05
_SHORTEST_SHARE: Final = 0.04
"""Questions are at least this part of the median apart, however sure the end seems."""
_LONGEST_GAP_S: Final = 15.0
_OVERDUE: Final = 0.98
_OVERDUE_GAP: Final = 0.15
_FORECAST_SHARE: Final = 0.05
"""Of all tasks, that should be done at the first question where an end can be forecast."""
_TRUSTED: Final = 0.8
_TRUST_SMOOTHING: Final = 1 / 8
_RIGHT: Final = 0.06
"""A forecast is right that is wrong by no more than this part, and only a task whose end is known about as well can tell."""
_CHECKED_SHARE: Final = 1 / 16
"""Of the forecasts, that are not followed: a later end that nobody looked for would look right."""
_SETTLES_AT_ONCE: Final = 16
_SETTLES_EVERY: Final = 8


def shape_of(job: Job) -> Shape:
    """Give the part of an order that its duration depends on most."""
    return job.model, job.params.get("resolution", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A finished task in seconds since its order: last seen running, first seen done, and when its first progress had it end.

    ``lasted_s`` is the vendor's own measure; its clock often tells whole seconds only.
    """

    running_at_s: float | None = None
    done_at_s: float
    lasted_s: float | None = None
    forecast_s: float | None = None

    def interval(self) -> tuple[float, float]:
        """Give the instants between which it ended; a measure that contradicts what was seen is not believed."""
        low, high = self.running_at_s or 0.0, self.done_at_s
        if self.lasted_s is not None and low - 1 <= self.lasted_s <= high + 1:
            high = min(high, self.lasted_s + 1)
            low = min(high, max(low, self.lasted_s - 1))
        return low, high


@dataclass(slots=True)
class _Durations:
    """The newest intervals of one shape, and the curve that follows from them: by which instant which share is done."""

    seen: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    instants: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    trust: float = 0.0
    """How often forecasts were right lately, from 0 to 1."""
    _unsettled: int = 0

    def add(self, low: float, high: float) -> None:
        """Take one interval; with many seen, the curve is drawn anew for several at once."""
        self.seen.append((low, high))
        self._unsettled += 1
        if len(self.seen) < _SETTLES_AT_ONCE or self._unsettled >= _SETTLES_EVERY:
            self.settle()

    def judge(self, forecast_s: float, low: float, high: float) -> None:
        """See whether a forecast was right, if that can be told."""
        if high - low <= 4 * _RIGHT * high:
            is_right = (1 - _RIGHT) * low <= forecast_s <= (1 + _RIGHT) * high
            self.trust += (is_right - self.trust) * _TRUST_SMOOTHING

    @property
    def is_trusted(self) -> bool:
        """Say whether forecasts are followed."""
        return self.trust >= _TRUSTED

    def settle(self) -> None:
        """Draw the curve. A task without a lower bound tells nothing of the time before it was seen done."""
        self._unsettled, best = 0, 0.0
        self.instants = sorted({instant for interval in self.seen for instant in interval if instant > 0})
        self.shares = [best := max(best, self._share(instant)) for instant in self.instants]

    def done_by(self, instant: float) -> float:
        """Give the share of tasks that is done by an instant."""
        after = bisect_right(self.instants, instant)
        if after in {0, len(self.instants)}:
            return 1.0 if after else 0.0
        part = (instant - self.instants[after - 1]) / (self.instants[after] - self.instants[after - 1])
        return self.shares[after - 1] + part * (self.shares[after] - self.shares[after - 1])

    def when(self, share: float) -> float:
        """Give the instant by which a share of the tasks is done."""
        at = min(bisect_left(self.shares, share), len(self.shares) - 1)
        if at == 0 or self.shares[at] <= share:
            return self.instants[at]
        part = (share - self.shares[at - 1]) / (self.shares[at] - self.shares[at - 1])
        return self.instants[at - 1] + part * (self.instants[at] - self.instants[at - 1])

    def _share(self, instant: float) -> float:
        done = telling = 0.0
        for low, high in self.seen:
            if high <= instant:
                done, telling = done + 1, telling + 1
            elif low > 0:
                telling += 1
                if low < instant:  # else it may be an interval without a width
                    done += (instant - low) / (high - low)
        return done / telling if telling else 0.0


@dataclass(slots=True)
class Latencies:
    """Durations seen, by shape; the newest 64 count."""

    _of: dict[Shape, _Durations] = field(default_factory=dict)

    def learn_all(self, durations: Mapping[Shape, Iterable[float]]) -> None:
        """Start from what earlier runs recorded, the newest first; detection lags behind the end, so the interval is a tenth wide."""
        for shape, seen in durations.items():
            self._of[shape] = _Durations(seen=deque([(0.9 * seconds, seconds) for seconds in seen][:_WINDOW][::-1], maxlen=_WINDOW))
            self._of[shape].settle()

    def learn(self, shape: Shape, seen: Seen) -> None:
        """Take one finished task."""
        low, high = seen.interval()
        own = self._of.setdefault(shape, _Durations())
        own.add(low, high)
        if seen.forecast_s is not None:
            own.judge(seen.forecast_s, low, high)

    def first_wait_s(self, shape: Shape, chance: float) -> float:
        """Give the wait before the first question; ``chance`` in [0, 1) spreads it, and picks the early ones."""
        own = self._of.get(shape)
        first_s = own.when(_FORECAST_SHARE if own.is_trusted else _FIRST_SHARE) if own else _UNSEEN_S
        if chance < _EARLY_SHARE:
            return first_s * (_EARLIEST + (1 - _EARLIEST) * chance / _EARLY_SHARE)
        return first_s * (1 + _SPREAD * chance)

    def next_wait_s(self, shape: Shape, *, asked: int, elapsed_s: float, chance: float, forecast_s: float | None = None) -> float:
        """Give the wait after the task was found running for the ``asked``-th time, ``elapsed_s`` after its order."""
        own = self._of.get(shape)
        if own is None:
            return min(_LONGEST_GAP_S, _UNSEEN_S * 1.5 ** min(asked - 1, 20)) * (0.9 + 0.2 * chance)
        if forecast_s is not None and own.is_trusted and chance >= _CHECKED_SHARE:
            return max(_SHORTEST_GAP_S, _SHORTEST_SHARE * elapsed_s, forecast_s - elapsed_s) * (1 + _SPREAD * chance)
        done = own.done_by(elapsed_s)
        if done >= _OVERDUE:
            return min(_LONGEST_GAP_S, max(_SHORTEST_GAP_S, _OVERDUE_GAP * elapsed_s)) * (0.9 + 0.2 * chance)
        most_s = max(_LONGEST_GAP_S, own.when(0.5))  # a clock that was set between two runs makes some durations up
        gap_s = min(most_s, own.when(done + _NEXT_SHARE * (1 - done)) - elapsed_s)
        return max(_SHORTEST_GAP_S, _SHORTEST_SHARE * own.when(0.5), gap_s) * (1 + _SPREAD * chance)
