"""When the next order may go out: the rate, the vendor's wish to be left alone, and the pause after repeated trouble.

One gate serves everybody who uses the same key, so that one answer "too many requests" quiets all of them at once.
"""

from collections import deque
from dataclasses import dataclass, field
from random import Random

from batchgen.core.limits import Limits, Pace
from batchgen.core.retry import Breaker

_THROTTLE_MAX_S = 120.0
_JITTER = 0.2
_DOUBTS = 5
_DOUBTS_WITHIN_S = 600.0
_CUT = 0.7
_GROWTH = 0.25


@dataclass(slots=True)
class Gate:
    """Shut until an instant of the monotonic clock; every method takes that clock's reading as ``now``."""

    random: Random
    initial_s: float = 5.0
    longest_s: float = 86_400.0
    """A vendor's wish for more than this is not believed."""
    shut_until: float = 0.0
    why: str = ""
    shut_for_s: float = 0.0
    _throttled_at: float = float("-inf")
    _throttles: int = 0

    def is_open(self, now: float) -> bool:
        """Say whether anything may pass."""
        return now >= self.shut_until

    def shut(self, now: float, seconds: float, why: str) -> None:
        """Stay shut for at least that long."""
        until = now + seconds
        if until > self.shut_until:
            self.shut_for_s += until - max(self.shut_until, now)
            self.shut_until, self.why = until, why

    def throttled(self, now: float, *, asked_at: float, retry_after_s: float | None) -> None:
        """Obey ``Retry-After``, or back off from ``initial_s`` up to 120 s, with up to a fifth of positive jitter.

        Answers to requests that were under way before the last throttle (``asked_at``) do not make the wait grow again.
        """
        if asked_at >= self._throttled_at:
            self._throttles += 1
            self._throttled_at = now
        grown = min(_THROTTLE_MAX_S, self.initial_s * 2.0 ** min(self._throttles - 1, 10))
        wait_s = grown if retry_after_s is None or retry_after_s > self.longest_s else retry_after_s
        self.shut(now, wait_s * (1 + _JITTER * self.random.random()), "rate limited")

    def passed(self) -> None:
        """Forget earlier throttling after a request that was let through."""
        self._throttles = 0


@dataclass(slots=True)
class SubmitGate:
    """Everything that decides whether one more order may go out now, but for money."""

    limits: Limits
    gate: Gate
    breaker: Breaker = field(default_factory=Breaker)
    doubts: Breaker = field(default_factory=lambda: Breaker(threshold=3))
    tasks: Breaker = field(default_factory=Breaker)
    """Tasks that end without an image, whether or not orders are taken."""
    _doubted_at: deque[float] = field(default_factory=lambda: deque(maxlen=_DOUBTS))
    in_flight: dict[str, int] = field(default_factory=dict)
    total: int = 0
    _allowed: float = 0.0
    _next_slot: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._allowed = float(self.limits.pace.in_flight or 1_000_000)

    def keep_to(self, limits: Limits, now: float) -> None:
        """Go on under other limits: at once as many as they allow, unless the vendor has made us cut down; no slot lies further off."""
        was_whole = self._allowed >= float(self.limits.pace.in_flight or 1_000_000)
        ceiling = float(limits.pace.in_flight or 1_000_000)
        self.limits = limits
        self._allowed = ceiling if was_whole else min(self._allowed, ceiling)
        gap_s = 1.0 / limits.pace.submits_per_s if limits.pace.submits_per_s else 0.0
        self._next_slot[""] = min(self._next_slot.get("", 0.0), now + gap_s)

    def room(self) -> int:
        """Say how many more orders the in-flight limit allows."""
        if self.breaker.is_probing or self.doubts.is_probing or self.tasks.is_probing:
            return 1 if self.total == 0 else 0
        return max(0, int(self._allowed) - self.total)

    def full_models(self) -> frozenset[str]:
        """Name the models whose own in-flight limit is reached."""
        return frozenset(
            model
            for model, pace in self.limits.per_model.items()
            if pace.in_flight is not None and self.in_flight.get(model, 0) >= pace.in_flight
        )

    def opens_at(self, model: str | None = None) -> float:
        """Give the monotonic instant from which one more order (of that model) may go out."""
        return max(self.gate.shut_until, self._next_slot.get("", 0.0), self._next_slot.get(model or "", 0.0))

    def enter(self, model: str, now: float) -> None:
        """Count one order as out and take its slot in the rates."""
        self._count(model, 1)
        self._take_slot("", self.limits.pace, now)
        if model in self.limits.per_model:
            self._take_slot(model, self.limits.per_model[model], now)

    def adopt(self, model: str) -> None:
        """Count a task that an earlier run left with the vendor."""
        self._count(model, 1)

    def leave(self, model: str) -> None:
        """Count one task as no longer alive at the vendor."""
        self._count(model, -1)

    def accepted(self) -> None:
        """Note success: breakers close, and the allowance grows back by a quarter of an order."""
        self.answered()
        self.gate.passed()
        ceiling = float(self.limits.pace.in_flight or 1_000_000)
        self._allowed = min(ceiling, self._allowed + _GROWTH)

    def answered(self) -> None:
        """Note a clear answer that is no success: the vendor works."""
        self.breaker.succeeded()
        self.doubts.succeeded()

    def throttled(self, now: float, *, asked_at: float, retry_after_s: float | None) -> None:
        """Note a throttled order: shut for a while and allow fewer in flight than there were."""
        if self.gate.is_open(now):
            self._allowed = max(1.0, min(self._allowed, float(self.total)) * _CUT)
        self.gate.throttled(now, asked_at=asked_at, retry_after_s=retry_after_s)

    def failed(self, now: float, why: str, *, retry_after_s: float | None = None) -> None:
        """Note an order that failed for want of a working vendor or network; obey the vendor's wish, if it has one."""
        self._trip(self.breaker, now, why)
        if retry_after_s is not None and retry_after_s <= self.gate.longest_s:
            self.gate.shut(now, retry_after_s, why)

    def rendered(self) -> None:
        """Note a task that ended in an image."""
        self.tasks.succeeded()

    def unrendered(self, now: float, why: str) -> None:
        """Note a task that ended without an image for want of a working vendor."""
        self._trip(self.tasks, now, why)

    def doubted(self, now: float, *, why: str = "answers get lost", at_once: bool = False) -> None:
        """Note an order whose answer was lost, or cannot be believed, which is reason enough to pause ``at_once``."""
        self._doubted_at.append(now)
        are_many = len(self._doubted_at) == _DOUBTS and now - self._doubted_at[0] <= _DOUBTS_WITHIN_S
        if are_many:
            self._doubted_at.clear()
        self._trip(self.doubts, now, why, at_once=are_many or at_once)

    def slots(self) -> tuple[float, ...]:
        """Give the instants at which the rates allow the next orders."""
        return tuple(self._next_slot.values())

    def _trip(self, breaker: Breaker, now: float, why: str, *, at_once: bool = False) -> None:
        """Count a failure; answers to orders that were under way when the breaker opened do not open it again."""
        if breaker.is_probing and not self.gate.is_open(now):
            return
        pause_s = breaker.failed(at_once=at_once)
        if pause_s is not None:
            self.gate.shut(now, pause_s, why)

    def _count(self, model: str, step: int) -> None:
        self.total += step
        self.in_flight[model] = self.in_flight.get(model, 0) + step

    def _take_slot(self, name: str, pace: Pace, now: float) -> None:
        if pace.submits_per_s is not None:
            self._next_slot[name] = max(now, self._next_slot.get(name, 0.0)) + 1.0 / pace.submits_per_s
