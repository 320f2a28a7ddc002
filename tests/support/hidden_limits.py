"""A vendor that tells no limits, and orders that meet it: events on a clock of numbers, through the real gate of orders."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from random import Random
from typing import Final

from batchgen.core.limits import Found, Limits, Pace
from batchgen.worker.gate import Gate, SubmitGate

_SIGMA: Final = 0.35
_LOOKS_EVERY_S: Final = 2.0
_POSTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the vendor bears from an instant on; None is no limit. ``of_model`` limits those of the first model alone."""

    at: float = 0.0
    in_flight: int | None = None
    submits_per_s: float | None = None
    of_model: int | None = None


@dataclass(slots=True, kw_only=True)
class HiddenVendor:
    """Takes orders within its limits; each task lasts log-normally long. ``workers`` of them are worked on at once, the rest queue."""

    steps: Sequence[Step]
    latency_s: float
    random: Random
    workers: int = 1_000_000
    _alive: list[tuple[float, str]] = field(default_factory=list)
    _free_at: list[float] = field(default_factory=list)
    _tokens: float = math.inf
    _seen_at: float = 0.0

    def limits(self, now: float) -> Step:
        """Give what holds at an instant."""
        return [step for step in self.steps if step.at <= now][-1]

    def alive(self, now: float) -> int:
        """Count the tasks that are not finished."""
        while self._alive and self._alive[0][0] <= now:
            heapq.heappop(self._alive)
        return len(self._alive)

    def order(self, now: float, model: str) -> float | None:
        """Take an order and say when it will be finished, or None to refuse it."""
        step = self.limits(now)
        rate = step.submits_per_s or math.inf
        self._tokens = min(max(1.0, rate), self._tokens + (now - self._seen_at) * rate) if now >= self._seen_at else self._tokens
        self._seen_at = now
        is_full = step.in_flight is not None and self.alive(now) >= step.in_flight
        of_model = sum(1 for ends_at, whose in self._alive if whose == model and ends_at > now)
        is_full = is_full or (step.of_model is not None and model == "first" and of_model >= step.of_model)
        if is_full or self._tokens < 1:
            return None
        self._tokens -= 1
        begins_at = now if len(self._free_at) < self.workers else max(now, heapq.heappop(self._free_at))
        ends_at = begins_at + self.latency_s * math.exp(self.random.gauss(0, _SIGMA))
        heapq.heappush(self._free_at, ends_at)
        heapq.heappush(self._alive, (ends_at, model))
        return ends_at


@dataclass(slots=True, kw_only=True)
class Night:
    """Orders without end against a hidden limit; what is noted: who was alive when, what was taken when, what was refused when."""

    vendor: HiddenVendor
    answers_in_s: float = 0.2
    seen_late: float = 0.05
    """By how much of its duration a task is found finished late, on average."""
    models: Sequence[str] = ("first",)
    limits: Limits = field(default_factory=lambda: Limits(pace=Pace()))
    found: dict[str, Found] = field(default_factory=dict)
    alive: list[tuple[float, int]] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)
    places: SubmitGate = field(init=False)
    _events: list[tuple[float, int, str, tuple[float, str, float]]] = field(default_factory=list)
    _order: count = field(default_factory=count)
    _looks_at: float = math.inf
    _posting: int = 0
    _orders: int = 0

    def __post_init__(self) -> None:
        gate = Gate(random=self.vendor.random, initial_s=1.0)
        self.places = SubmitGate(limits=self.limits, gate=gate, found=self.found)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        now = 0.0
        self._put(now, "look")
        while now < seconds:
            now, _, what, facts = heapq.heappop(self._events)
            getattr(self, f"_{what}")(now, *facts)
            self._send(now)
            self.alive.append((now, self.vendor.alive(now)))

    def share_refused(self, begin: float = 0.0) -> float:
        """Give the share of the orders since an instant that were refused."""
        refused = sum(at >= begin for at in self.refused_at)
        return refused / max(1, refused + sum(at >= begin for at in self.taken_at))

    def reached_after_s(self, step: Step) -> float:
        """Say how long after a step nine tenths of what may be alive were alive; never is infinite."""
        wanted = step.in_flight or 0
        return next((at - step.at for at, alive in self.alive if at >= step.at and 0.9 * wanted <= alive <= wanted), math.inf)

    def rate_reached_after_s(self, step: Step, *, over_s: float = 15.0) -> float:
        """Say after how long so many orders were taken in the seconds that followed as makes nine tenths of the rate; never is infinite."""
        wanted = 0.9 * (step.submits_per_s or 0.0) * over_s
        begins = (at for at in self.taken_at if at >= step.at)
        return next((at - step.at for at in begins if sum(at <= other < at + over_s for other in self.taken_at) >= wanted), math.inf)

    def used(self, begin: float, end: float, capacity: float) -> float:
        """Give the share of the capacity that was alive on average from one instant to another."""
        spans = [(max(begin, at), min(end, later), alive) for (at, alive), (later, _) in pairwise(self.alive)]
        return sum(alive * max(0.0, later - at) for at, later, alive in spans) / (end - begin) / capacity

    def _put(self, at: float, what: str, facts: tuple[float, str, float] | tuple[()] = ()) -> None:
        heapq.heappush(self._events, (at, next(self._order), what, facts))

    def _look(self, now: float) -> None:
        if self._looks_at <= now:
            self._looks_at = math.inf

    def _arrive(self, now: float, asked_at: float, model: str, _ends_at: float) -> None:
        ends_at = self.vendor.order(now, model)
        self._put(now + self.answers_in_s / 2, "answer", (asked_at, model, -1.0 if ends_at is None else ends_at))

    def _answer(self, now: float, asked_at: float, model: str, ends_at: float) -> None:
        self._posting -= 1
        if ends_at < 0:
            self.refused_at.append(now)
            self.places.throttled(model, now, asked_at=asked_at, retry_after_s=None)
            self.places.leave(model)
            return
        self.taken_at.append(now)
        self.places.accepted(model, now, asked_at=asked_at)
        late_s = (ends_at - asked_at) * 2 * self.seen_late * self.vendor.random.random()
        self._put(max(now, ends_at) + late_s, "done", (asked_at, model, 0.0))

    def _done(self, now: float, asked_at: float, model: str, _ends_at: float) -> None:
        self.places.lasted(model, now, now - asked_at)
        self.places.leave(model)

    def _send(self, now: float) -> None:
        self.places.look(now)
        while self._posting < _POSTS and (model := self._next_model(now)):
            self.places.enter(model, now)
            self._posting += 1
            self._orders += 1
            self._put(now + self.answers_in_s / 2, "arrive", (now, model, 0.0))
            self.places.look(now)
        opens_at = self.places.opens_at()
        looks_at = max(now + 0.001, min(now + _LOOKS_EVERY_S, opens_at if opens_at > now else math.inf))
        if looks_at < self._looks_at:
            self._looks_at = looks_at
            self._put(looks_at, "look")

    def _next_model(self, now: float) -> str | None:
        if self.places.room() <= 0:
            return None
        full, first = self.places.full_models(), self._orders % len(self.models)
        turns = [*self.models[first:], *self.models[:first]]
        return next((model for model in turns if model not in full and self.places.opens_at(model) <= now), None)
