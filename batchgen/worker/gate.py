"""When the next order may go out: the rate, the vendor's wish to be left alone, and the pause after repeated trouble.

One gate serves everybody who uses the same key, so that one answer "too many requests" quiets all of them at once.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from random import Random
from typing import TypedDict

from batchgen.core.limits import Found, Limits, Pace
from batchgen.core.retry import Breaker
from batchgen.core.sharing import Share, paces_of
from batchgen.worker.lanes import FixedLane, Lane
from batchgen.worker.pace import FIRST_IN_FLIGHT, FIRST_RATE, MOST_IN_FLIGHT, START_BELOW, Slowness, finding_lane

_THROTTLE_MAX_S = 120.0
_JITTER = 0.2
_THROTTLED = "rate limited"
_DOUBTS = 5
_DOUBTS_WITHIN_S = 600.0
_CHANCE = 0.05
"""Refusals that meet one model alone are laid to it once so many in a row would be less likely than this if they met any order."""


class Ceilings(TypedDict):
    """How many may ever be alive, and how many orders a second may go out; infinite is no limit of ours."""

    most: float
    most_rate: float


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

    def is_throttled(self, now: float) -> bool:
        """Say whether nothing may pass because the vendor was asked too often."""
        return not self.is_open(now) and self.why == _THROTTLED

    def shut(self, now: float, seconds: float, why: str) -> None:
        """Stay shut for at least that long."""
        until = now + seconds
        if until > self.shut_until:
            self.shut_for_s += until - max(self.shut_until, now)
            self.shut_until, self.why = until, why

    def wish(self, now: float) -> tuple[float, str] | None:
        """Give for how long the vendor wants to be left alone, and its reason; None where it does not."""
        return (self.shut_until - now, self.why) if self.is_throttled(now) else None

    def hear(self, now: float, seconds: float) -> None:
        """Obey a wish of the vendor that another run was told."""
        if now + seconds > self.shut_until:
            self.shut(now, seconds, _THROTTLED)

    def throttled(self, now: float, *, asked_at: float, retry_after_s: float | None) -> None:
        """Obey ``Retry-After``, or back off from ``initial_s`` up to 120 s, with up to a fifth of positive jitter.

        Answers to requests that were under way before the last throttle (``asked_at``) do not make the wait grow again.
        """
        if asked_at >= self._throttled_at:
            self._throttles += 1
            self._throttled_at = now
        grown = min(_THROTTLE_MAX_S, self.initial_s * 2.0 ** min(self._throttles - 1, 10))
        wait_s = grown if retry_after_s is None or retry_after_s > self.longest_s else retry_after_s
        self.shut(now, wait_s * (1 + _JITTER * self.random.random()), _THROTTLED)

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
    found: Mapping[str, Found] = field(default_factory=dict)
    """What earlier runs found that the vendor bears, by model; "" stands for all together."""
    members: int = 1
    """The runs that share what the vendor bears; each has an even part of it."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    """What this run may take of the limits that it shares with others, by model; "" stands for those of all together."""
    _key: Lane = field(init=False)
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _slowness: dict[str, Slowness] = field(default_factory=dict)
    _refused: tuple[str, int] = ("", 0)
    """The model that the latest refusals met, and how many of them in a row."""

    def __post_init__(self) -> None:
        self._key = self._opened("")
        self._lanes = {model: self._opened(model) for model in self.limits.per_model}

    @property
    def is_finding(self) -> bool:
        """Say whether the number in flight is found, and not fixed."""
        return self.limits.pace.in_flight is None

    @property
    def is_shared(self) -> bool:
        """Say whether other runs may work on the batch, at work already or not."""
        return bool(self.shares)

    @property
    def total(self) -> int:
        """Count what is alive."""
        return self._key.total

    @property
    def in_flight(self) -> Mapping[str, int]:
        """Count what is alive of each model."""
        return {model: own.total for model, own in self._lanes.items()}

    def look(self, now: float) -> None:
        """Let time pass while rows wait to be ordered: an allowance that holds them back grows, unless trouble speaks against it."""
        is_slow = any(slowness.is_slow for slowness in self._slowness.values())
        is_shaky = self.breaker.is_shaky or self.doubts.is_shaky or self.tasks.is_shaky
        may_grow = self.gate.is_open(now) and not is_slow and not is_shaky
        for each in (self._key, *self._lanes.values()):
            each.look(now, may_grow=may_grow)

    def keep_to(self, limits: Limits, now: float) -> None:
        """Go on under other limits, also where the number alive was fixed and is to be found now, or the other way round."""
        was_finding, self.limits = self.is_finding, limits
        if self.is_finding != was_finding:
            before, self._key = self._key, self._opened("")
            self._key.total, self._key.sent = before.total, before.sent
        self._keep_to_ceilings(now)

    def divide(self, shares: Mapping[str, Share], members: int, now: float) -> None:
        """Go on with these shares of the limits, and an even part of what was found, as one of so many runs."""
        part, self.members, self.shares = self.members / members, members, shares
        if part != 1.0:
            for each in (self._key, *self._lanes.values()):
                each.scale(part)
        self._keep_to_ceilings(now)

    def held(self) -> dict[str, Share]:
        """Give what this run may have alive and send of each limit that has a number, or still has of it."""
        return {model: self._held(model, pace) for model, pace in paces_of(self.limits).items()}

    def _held(self, model: str, pace: Pace) -> Share:
        lane, part = self._lanes[model] if model else self._key, self._part(model, pace)
        return replace(part, in_flight=None if part.in_flight is None else max(lane.total, part.in_flight))

    def _part(self, model: str, pace: Pace) -> Share:
        """Give what this run may take of a limit: its share, or an even part where the limit is newer than the share."""
        share, even = self.shares.get(model, Share()), 1 / self.members
        in_flight, rate = pace.in_flight, pace.submits_per_s
        if in_flight is not None:
            in_flight = int(in_flight * even) if share.in_flight is None else min(in_flight, share.in_flight)
        if rate is not None:
            rate = rate * even if share.submits_per_s is None else min(rate, share.submits_per_s)
        return Share(in_flight=in_flight, submits_per_s=rate)

    def _keep_to_ceilings(self, now: float) -> None:
        for model, lane in {"": self._key, **self._lanes}.items():
            lane.keep_to(now, **self._ceilings(model))

    def room(self) -> int:
        """Say how many more orders the in-flight limit allows."""
        if self.breaker.is_probing or self.doubts.is_probing or self.tasks.is_probing:
            return 1 if self.total == 0 else 0
        most = self.shares.get("", Share()).in_flight
        return max(0, (self._key.places if most is None else min(self._key.places, most)) - self.total)

    def handful(self, most: int) -> int:
        """Say how many rows to take in hand at once: where others may want some, no more than this run may have alive."""
        return max(1, min(most, self._key.places)) if self.is_shared else most

    def full_models(self) -> frozenset[str]:
        """Name the models whose own in-flight limit is reached."""
        return frozenset(model for model, own in self._lanes.items() if own.total >= own.places)

    def opens_at(self, model: str | None = None) -> float:
        """Give the monotonic instant from which one more order (of that model) may go out."""
        own = self._lanes.get(model or "")
        return max(self.gate.shut_until, self._key.opens_at, own.opens_at if own else 0.0)

    def enter(self, model: str, now: float) -> None:
        """Count one order as out and take its slot in the rates."""
        for each in (self._key, self._lane_of(model)):
            each.enter(now)

    def adopt(self, model: str) -> None:
        """Count a task that an earlier run left with the vendor."""
        self._count(model, 1)

    def leave(self, model: str) -> None:
        """Count one task as no longer alive at the vendor."""
        self._count(model, -1)

    def accepted(self, model: str, now: float, *, asked_at: float) -> None:
        """Note an order that was taken: breakers close, and the lanes know more of what the vendor bears."""
        self.answered()
        self.gate.passed()
        for each in (self._key, self._lane_of(model)):
            each.taken(now, asked_at=asked_at)

    def answered(self) -> None:
        """Note a clear answer that is no success: the vendor works."""
        self.breaker.succeeded()
        self.doubts.succeeded()

    def throttled(self, model: str, now: float, *, asked_at: float, retry_after_s: float | None) -> None:
        """Note a throttled order: shut for a while, and allow less to the key, or to the model when refusals meet that alone."""
        own, was_own = self._lane_of(model), self._is_own(model)
        self._refused = (model, 1 + (self._refused[1] if self._refused[0] == model else 0))
        if self._is_own(model) and not was_own:
            self._key.pardon()
        (own if self._is_own(model) else self._key).throttled(now, asked_at=asked_at)
        self.gate.throttled(now, asked_at=asked_at, retry_after_s=retry_after_s)

    def lasted(self, model: str, now: float, lasted_s: float) -> None:
        """Note how long a task took."""
        self._slowness.setdefault(model, Slowness()).note(now, lasted_s)

    def findings(self) -> dict[str, Found]:
        """Give what was found, for the next run: of the key, and of each model that was found to be the narrower one."""
        lanes = {"": self._key} | {model: own for model, own in self._lanes.items() if own.was_refused}
        before = {model: _times(self.found.get(model, Found(in_flight=0.0)), 1 / self.members) for model in lanes}
        found = {model: own.found(before[model]) for model, own in lanes.items()}
        return {model: _times(each, self.members) for model, each in found.items() if each is not None}

    def told(self) -> str:
        """Say in a few words how much is allowed; nothing where it is fixed."""
        return self._key.told()

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
        return tuple(each.opens_at for each in (self._key, *self._lanes.values()))

    def _is_own(self, model: str) -> bool:
        """Say whether it can hardly be chance that the latest refusals all met this model."""
        whose, times = self._refused
        return whose == model and (self._lane_of(model).sent / max(1, self._key.sent)) ** times < _CHANCE

    def _trip(self, breaker: Breaker, now: float, why: str, *, at_once: bool = False) -> None:
        """Count a failure; answers to orders that were under way when the breaker opened do not open it again."""
        if breaker.is_probing and not self.gate.is_open(now):
            return
        pause_s = breaker.failed(at_once=at_once)
        if pause_s is not None:
            self.gate.shut(now, pause_s, why)

    def _count(self, model: str, step: int) -> None:
        for each in (self._key, self._lane_of(model)):
            each.total += step

    def _lane_of(self, model: str) -> Lane:
        if model not in self._lanes:
            self._lanes[model] = self._opened(model)
        return self._lanes[model]

    def _opened(self, model: str) -> Lane:
        """Open the lane of a model, or "" of the key: at its fixed limits, a bit below what was found, or low."""
        pace = self._pace_of(model)
        ceilings = self._ceilings(model)
        if pace.in_flight is not None or not self.is_finding:
            return FixedLane(**ceilings)
        found = self.found.get(model)
        first = (inf, inf) if model else (FIRST_IN_FLIGHT, FIRST_RATE)
        part = START_BELOW / self.members
        alive = first[0] if found is None else max(1.0, found.in_flight * part)
        rate = first[1] if found is None or found.submits_per_s is None else found.submits_per_s * part
        return finding_lane(alive=alive, rate=rate, speed=1.0 if found is None else 0.0, **ceilings)

    def _pace_of(self, model: str) -> Pace:
        return self.limits.per_model.get(model, Pace()) if model else self.limits.pace

    def _ceilings(self, model: str) -> Ceilings:
        """Give the most that a lane may ever have alive and send: all that the manifest says, or this run's share of it."""
        part, most = self._part(model, self._pace_of(model)), MOST_IN_FLIGHT if self.is_finding else inf
        return {"most": most if part.in_flight is None else part.in_flight, "most_rate": part.submits_per_s or inf}


def _times(found: Found, factor: float) -> Found:
    """Give what so many runs are found to be allowed when one is, or of what all are the part of one."""
    rate = found.submits_per_s
    return Found(in_flight=found.in_flight * factor, submits_per_s=None if rate is None else rate * factor)
