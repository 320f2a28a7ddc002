"""Find how much a vendor bears that names no limit: how many tasks alive at once, and how many orders a second.

Theory of operation. Each of the two is an *allowance*. The one that is used up grows: slowly at first, then doubling every twelve
seconds. A throttled order is laid to the allowance under which it stood out more from the orders that were taken: more alive than with
them, or closer upon each other. That allowance falls back to what was taken, or below when that does not help, and stays there. A refusal
has a price in orders taken; only when it is paid is the refused level tried again: few orders are refused, and a limit that rises is found.
Who orders seldom tries after some minutes anyhow. A single refusal that stood out in neither way, after many orders that were taken, is
chance and changes nothing.

A *finding lane* holds both allowances of one key or of one model. Nothing here has a clock: ``now`` is a reading of the monotonic one.
"""

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from batchgen.core.limits import Found
from batchgen.worker.lanes import UNLIMITED

MOST_IN_FLIGHT: Final = 256
"""Nobody's allowance grows beyond this by itself; who knows that a vendor bears more says so in the manifest."""
FIRST_IN_FLIGHT: Final = 4.0
FIRST_RATE: Final = 4.0
"""Where a run starts with a vendor that no run has met, as long as nobody fixed it."""
START_BELOW: Final = 0.9
"""The share of what was found earlier that the next run starts with."""

_DOUBLES_IN_S: Final = 12.0
_GATHERS_SPEED_IN_S: Final = 10.0
_RETURNS_IN_S: Final = 10.0
"""An allowance that fell further than to what was taken doubles in this time until it is there again."""
_LONGEST_STEP_S: Final = 2.5
"""Of a longer time in which nobody looked, no more counts: who knows what held orders back in it."""
_USED_UP: Final = 0.85
_LEAST_RATE: Final = 0.01

_PRICE: Final = 100
"""Orders to be taken for each that was refused, before a refused level is tried again: refusals stay near one in a hundred."""
_MOST_CREDIT: Final = 2 * _PRICE
_TRIES_AGAIN_AFTER_S: Final = 20.0
_TRIES_ANYHOW_AFTER_S: Final = 300.0
"""Who orders seldom would wait for hours until the price is paid."""
_ORDINARY: Final = 0.8
"""A refused order that stood out less, after many that were taken, says nothing about a limit."""

_ALIVE_KEPT: Final = 0.98
_RATE_KEPT: Final = 0.95
_STEP_BACK: Final = 0.95
_CUT: Final = 0.7
"""What is kept of a refused level that was being tried; of that, when it was refused again soon; and when nothing was taken since."""
_SOON: Final = 20
_REFUSALS: Final = 3
_ALIKE: Final = 0.9
"""The lowest of the latest refused levels counts, if they are alike: tasks that have ended unnoticed make the others too high."""

_LET_IN_S: Final = 3.0
"""An order that was not refused for so long counts as taken: a refusal comes at once, a synchronous result takes its time."""
_PROVEN_SHARE: Final = 32
_NEARLY: Final = 0.95
_TIE: Final = 0.98
_ROOMY: Final = 0.6
"""With fewer alive than this share of the allowance, the number alive is not what a refusal was about."""
_REMEMBERED: Final = 256
_PULSE_S: Final = 3.0
_FEWEST_MEASURED: Final = 3
_FEWEST_COMPARED: Final = 8
_BURST_S: Final = 1.0
_LEAD: Final = 2.0
"""The rate does not grow beyond so many times what was taken lately: more would only allow bursts."""

_SLOW: Final = 1.5
_SMOOTHING: Final = 1 / 16
_BEST_FADES_IN_S: Final = 1800.0


@dataclass(slots=True)
class Allowance:
    """One limit as far as it is known; ``refused`` is the level at which the vendor last refused, until that is tried again."""

    value: float
    kept: float
    """The share of a refused level that is stayed at."""
    least: float
    most: float = math.inf
    speed: float = 1.0
    """Of its growth, from 0 to 1: one that starts from what is known feels its way."""
    refused: float | None = None
    _levels: deque[float] = field(default_factory=lambda: deque(maxlen=_REFUSALS))
    _refused_at: float = -math.inf
    _seen_at: float = -math.inf

    def rest(self, now: float) -> None:
        """Let time pass in which it was not used up."""
        self._seen_at = now

    def grow(self, now: float, *, may_try: bool, most: float = math.inf) -> None:
        """Let time pass in which it was used up; ``may_try`` the refused level again, and go to ``most`` at once no further."""
        step_s = min(_LONGEST_STEP_S, now - self._seen_at)
        self._seen_at = now
        if self.refused is not None and may_try and now - self._refused_at >= _TRIES_AGAIN_AFTER_S:
            self.refused, self.speed = None, 0.0
        if self.refused is not None:
            grown = min(self.kept * self.refused, self.value * 2.0 ** (step_s / _RETURNS_IN_S))
        else:
            self.speed = min(1.0, self.speed + step_s / _GATHERS_SPEED_IN_S)
            grown = self.value * 2.0 ** (self.speed * step_s / _DOUBLES_IN_S)
        self.value = max(self.value, min(grown, most, self.most))

    def scale(self, share: float) -> None:
        """Go on with a part of it, or a multiple."""
        self.value = max(self.least, min(self.most, self.value * share))
        self.refused = None if self.refused is None else self.refused * share
        self._levels = deque((level * share for level in self._levels), maxlen=_REFUSALS)

    def keep_to(self, most: float) -> None:
        """Go on under another ceiling: at it, where the former one was reached, and else no higher than before."""
        self.value = most if self.value >= self.most and most < math.inf else min(self.value, most)
        self.most = most

    def refuse(self, now: float, level: float, *, taken: int) -> None:
        """Fall back from a level that was refused, ``taken`` orders after the refusal before it."""
        level = level if taken else min(level, self.value)
        level = min([level, *(before for before in self._levels if before >= _ALIKE * level)])
        self._levels.append(level)
        cut = self.kept if taken >= _SOON else self.kept * _STEP_BACK if taken else _CUT
        self.value = max(self.least, min(self.most, cut * level))
        self.refused, self._refused_at, self.speed = level, now, 0.0

    @property
    def was_refused(self) -> bool:
        """Say whether its limit was ever met."""
        return bool(self._levels)

    def restore(self, value: float) -> None:
        """Take a refusal back that was about something else."""
        self.value, self.refused = max(self.value, value), None
        self._levels.pop()


@dataclass(frozen=True, slots=True)
class _Sent:
    """Under what an order went out: when, how many others were alive, and how dense the orders up to it were."""

    at: float
    alive: int
    pulse: float


@dataclass(slots=True)
class FindingLane:
    """A lane whose limits are found: what one key, or one model, has alive and may have."""

    alive: Allowance
    rate: Allowance
    total: int = 0
    sent: int = 0
    """Orders that have gone out."""
    _slot: float = 0.0
    """The instant from which the rate allows the next order."""
    _waits_until: float = 0.0
    """After a refusal one order goes out alone: nothing follows it until it is taken, refused or not heard of for a while."""
    _latest: deque[_Sent] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _unproven: deque[_Sent] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """Those of them that went out in the last seconds and since the last refusal."""
    _taken_at: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _proven: int = 0
    """The most that were alive with an order that was taken since the last refusal, and with it."""
    _credit: int = _MOST_CREDIT
    _taken: int = 0
    _refused_at: float = -math.inf
    _rate_before: float | None = None
    """The rate before a refusal was laid to it, until an order is taken."""

    @property
    def places(self) -> int:
        """Say how many may be alive."""
        return round(min(self.alive.value, UNLIMITED))

    def keep_to(self, now: float, *, most: float, most_rate: float) -> None:
        """Go on under other ceilings; what the former rate had put off comes no later than the new one says."""
        self.alive.keep_to(most)
        self.rate.keep_to(most_rate)
        self._slot = min(self._slot, now + 1.0 / self.rate.value)

    def found(self, before: Found) -> Found | None:
        """Give what was found; where no limit was met, what an earlier run found stands. None before an order was taken."""
        if not self._taken_at:
            return None
        alive = self.alive.value if self.alive.was_refused else max(self.alive.value, before.in_flight)
        return Found(in_flight=alive, submits_per_s=self.rate.value if self.rate.was_refused else before.submits_per_s)

    @property
    def was_refused(self) -> bool:
        """Say whether its limit of tasks alive was ever met."""
        return self.alive.was_refused

    def told(self) -> str:
        """Say in a few words how much is allowed."""
        rate = f", {self.rate.value:.2g}/s" if self.rate.was_refused else ""
        return f"at most {self.places}{rate}"

    @property
    def opens_at(self) -> float:
        """Give the instant from which the next order may go out."""
        return max(self._slot, self._waits_until)

    def scale(self, share: float) -> None:
        """Go on with another part of what was found."""
        self.alive.scale(share)
        self.rate.scale(share)
        self._proven = math.ceil(self._proven * share)

    def pardon(self) -> None:
        """Forget refusals that were about something else."""
        self.alive.refused = self.rate.refused = None
        self._credit = _MOST_CREDIT

    def look(self, now: float, *, may_grow: bool) -> None:
        """Let time pass since the last look; what was used up in it grows."""
        may_try = self._credit >= _PRICE or now - self._refused_at >= _TRIES_ANYHOW_AFTER_S
        self._believe(now)
        if may_grow and self.total and self.total >= min(self.places - 1, _USED_UP * self.places):
            ahead = self._proven + max(1, self._proven // _PROVEN_SHARE)
            self.alive.grow(now, may_try=may_try, most=ahead)
        else:
            self.alive.rest(now)
        if may_grow and (self._pulse(now) >= _USED_UP * _PULSE_S * self.rate.value or (self._slot > now and self.total < self.places)):
            self.rate.grow(now, may_try=may_try, most=max(FIRST_RATE, _LEAD * (self._measured(now) or 0.0)))
        else:
            self.rate.rest(now)

    def enter(self, now: float) -> None:
        """Count one order as out and take its slot in the rate."""
        sent = _Sent(now, self.total, 1.0 + self._pulse(now))
        self._latest.append(sent)
        self._unproven.append(sent)
        self.total += 1
        self.sent += 1
        self._slot = max(now, self._slot) + 1.0 / self.rate.value
        if not self._taken and self._refused_at > -math.inf:
            self._waits_until = now + _LET_IN_S

    def taken(self, now: float, *, asked_at: float) -> None:
        """Note an order that was taken."""
        if (sent := self._find(asked_at)) is not None:
            self._proven = max(self._proven, sent.alive + 1)
        self._taken_at.append(now)
        self._credit = min(_MOST_CREDIT, self._credit + 1)
        if asked_at >= self._refused_at:
            self._taken += 1
            self._rate_before, self._waits_until = None, 0.0

    def standing_out(self, asked_at: float) -> tuple[float, float]:
        """Say by how much an order stood out among the latest: with how many alive, and in how dense a row; shares of 1."""
        sent = self._find(asked_at)
        others = [other for other in self._latest if other is not sent]
        if sent is None or not others:
            return 1.0, 0.0
        return _rank(sent.alive, (other.alive for other in others)), _rank(sent.pulse, (other.pulse for other in others))

    def throttled(self, now: float, *, asked_at: float) -> None:
        """Note a refused order; those that were under way at the last refusal cost their price and say no more."""
        self._credit = max(0, self._credit - _PRICE)
        by_alive, by_pulse = self.standing_out(asked_at)
        sent = self._find(asked_at)
        if sent is not None:
            self._latest.remove(sent)
        if asked_at < self._refused_at:
            return
        if self._taken < _SOON or max(by_alive, by_pulse) >= _ORDINARY:
            self._allow_less(now, sent, by_alive, by_pulse)
        self._taken, self._refused_at, self._waits_until = 0, now, 0.0
        self._unproven.clear()

    def _allow_less(self, now: float, sent: _Sent | None, by_alive: float, by_pulse: float) -> None:
        """Lay a refusal to the number alive or to the rate."""
        alive = self.total - 1 if sent is None else sent.alive
        measured = self._measured(now)
        level = min(self.rate.value, math.inf if measured is None else measured)
        is_roomy = self.alive.value < self.alive.most and alive + 1 < _ROOMY * self.places
        is_full = len(self._taken_at) >= _FEWEST_COMPARED and alive + 1 >= _NEARLY * self.places and by_alive >= _TIE * by_pulse
        if level < math.inf and self._rate_before is None and not is_full and (is_roomy or by_pulse >= by_alive):
            self._rate_before = self.rate.value
            self.rate.refuse(now, level, taken=self._taken)
            self._slot = now + 1.0 / self.rate.value
        else:
            self._fewer(now, alive)

    def _fewer(self, now: float, alive: int) -> None:
        """Lay a refusal to the number alive, and the one before it too, when that was laid to the rate and slowing down was in vain."""
        if self._rate_before is not None:
            self.rate.restore(self._rate_before)
            self._rate_before = None
        self.alive.refuse(now, float(max(1, alive)), taken=self._taken)
        self._proven = 0

    def _believe(self, now: float) -> None:
        """Count what was not refused for a while as let in."""
        while self._unproven and self._unproven[0].at <= now - _LET_IN_S:
            self._proven = max(self._proven, self._unproven.popleft().alive + 1)

    def _pulse(self, now: float) -> float:
        """Give a measure of how many orders went out in the last seconds; at an even rate it is about that of three seconds."""
        return self._latest[-1].pulse * math.exp((self._latest[-1].at - now) / _PULSE_S) if self._latest else 0.0

    def _measured(self, now: float) -> float | None:
        """Give the rate that the vendor took at least, a burst of one second put down to its patience; None before there is any to measure.

        Whatever the span that is looked at, no more than its length and the burst allow can have been taken in it.
        """
        if len(self._taken_at) < _FEWEST_MEASURED:
            return None
        return max(count / (now - at + _BURST_S) for count, at in enumerate(reversed(self._taken_at), start=1))

    def _find(self, asked_at: float) -> _Sent | None:
        return next((sent for sent in reversed(self._latest) if sent.at <= asked_at), None)


@dataclass(slots=True)
class Slowness:
    """Whether the tasks of one model take longer than they did at best: more of them at once would only queue."""

    _mean_s: float = 0.0
    _best_s: float = math.inf
    _seen: int = 0
    _at: float = 0.0

    def note(self, now: float, lasted_s: float) -> None:
        """Take the duration of one task. The best fades, so that another kind of task is not measured by it for ever."""
        self._seen += 1
        self._mean_s += (lasted_s - self._mean_s) * max(_SMOOTHING, 1 / self._seen)
        if self._seen * _SMOOTHING >= 1:
            faded = 1 - math.exp((self._at - now) / _BEST_FADES_IN_S)
            self._best_s = min(self._mean_s, self._best_s + (self._mean_s - self._best_s) * faded if self._best_s < math.inf else math.inf)
        self._at = now

    @property
    def is_slow(self) -> bool:
        """Say whether tasks take half as long again as at best."""
        return self._mean_s > _SLOW * self._best_s


def _rank(value: float, others: Iterable[float]) -> float:
    """Give the share of the others that lie below; half of the equal ones count."""
    ordered = sorted(others)
    return (bisect_left(ordered, value) + bisect_right(ordered, value)) / (2 * len(ordered))


def finding_lane(*, alive: float, rate: float, most: float, most_rate: float, speed: float) -> FindingLane:
    """Build a lane that starts from these allowances and never passes these ceilings; infinite is no limit of ours."""
    return FindingLane(
        alive=Allowance(value=min(most, alive), kept=_ALIVE_KEPT, least=1.0, most=most, speed=speed),
        rate=Allowance(value=min(most_rate, rate), kept=_RATE_KEPT, least=_LEAST_RATE, most=most_rate, speed=speed),
    )
