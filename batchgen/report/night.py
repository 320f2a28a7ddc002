"""The figures of a night, gathered row by row so that a million rows cost no more memory than a thousand.

Time is cut into equal steps, at most ``STEPS``, of a length that a clock has: one second to one week.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from batchgen.core.durations import Latency

STEPS: Final = 120
_LENGTHS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800)
_ENDS_FLIGHT: Final = frozenset({"render_finished", "render_failed"})
_BEGINS_FLIGHT: Final = frozenset({"submit_accepted", "task_attached"})
_BOUGHT: Final = frozenset({"accepted", "ambiguous", "unproven"})
THROTTLED: Final = "throttled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Time in equal steps: the first begins at ``start_s`` seconds since 1970, each lasts ``step_s``."""

    start_s: int
    step_s: int
    steps: int

    @classmethod
    def over(cls, begins: datetime, ends: datetime) -> "Axis":
        """Cover the time between two instants with whole steps."""
        first, last = begins.timestamp(), ends.timestamp()
        step_s = next((length for length in _LENGTHS_S if (last - first) / length <= STEPS - 2), None)
        if step_s is None:
            step_s = int((last - first) / (STEPS - 2)) + 1
        start_s = int(first // step_s * step_s)
        return cls(start_s=start_s, step_s=step_s, steps=int((last - start_s) // step_s) + 1)

    def step_of(self, instant: str) -> int:
        """Give the step in which an instant lies; one outside belongs to the nearest."""
        return min(self.steps - 1, max(0, int((seconds(instant) - self.start_s) // self.step_s)))

    def begin_of(self, step: int) -> datetime:
        """Give the instant at which a step begins, UTC."""
        return datetime.fromtimestamp(self.start_s + step * self.step_s, UTC)


@dataclass(slots=True)
class Night:
    """Counts and sums of a batch, by step of time, by model and by cause."""

    axis: Axis
    saved: list[int] = field(init=False)
    failed: list[int] = field(init=False)
    throttled: list[int] = field(init=False)
    causes: Counter[str] = field(default_factory=Counter)
    """Jobs that failed, by reason, each time that they did."""
    _flights: list[int] = field(init=False)
    _spent: dict[str, list[int]] = field(default_factory=dict)
    _durations: dict[str, "array[float]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nothing in every step."""
        self.saved, self.failed, self.throttled, self._flights = ([0] * self.axis.steps for _ in range(4))

    def add_event(self, event: Mapping[str, Any]) -> None:
        """Count one row of ``v_events``, in whatever order they come."""
        step, word = self.axis.step_of(event["at"]), event["event"]
        if word in _BEGINS_FLIGHT:
            self._flights[step] += 1
        elif word in _ENDS_FLIGHT and event["before"] == "submitted":
            self._flights[step] -= 1
        if word == "images_saved":
            self.saved[step] += 1
        if event["after"] == "failed" and event["before"] != "failed":
            self.failed[step] += 1
            self.causes[event["reason"] or word] += 1
        if event["reason"] == THROTTLED:
            self.throttled[step] += 1

    def add_attempt(self, attempt: Mapping[str, Any]) -> None:
        """Count one row of ``v_attempts``: its money at the instant it was settled, and how long its task took."""
        model = attempt["model"]
        if attempt["outcome"] in _BOUGHT:
            weight = attempt["est_micros"] if attempt["cost_micros"] is None else attempt["cost_micros"]
            step = self.axis.step_of(attempt["settled_at"] or attempt["opened_at"])
            self._spent.setdefault(model, [0] * self.axis.steps)[step] += weight or 0
        if attempt["rendered_at"] is not None:
            is_answer = (attempt["task_id"] or "").startswith("sync-")
            begun = attempt["opened_at"] if is_answer else attempt["settled_at"]
            took_s = seconds(attempt["rendered_at"]) - seconds(begun or attempt["opened_at"])
            self._durations.setdefault(model, array("d")).append(max(0.0, took_s))

    def in_flight(self) -> list[int]:
        """Give the tasks in flight at the end of each step."""
        return running(self._flights)

    def spent(self) -> dict[str, list[int]]:
        """Give the micros of orders that count as bought up to the end of each step, by model, the dearest first."""
        totals = {model: running(micros) for model, micros in self._spent.items()}
        return dict(sorted(totals.items(), key=lambda item: (-item[1][-1], item[0])))

    def latencies(self) -> dict[str, Latency]:
        """Rank every model's durations, the slowest first."""
        found = {model: latency for model, durations in self._durations.items() if (latency := Latency.of(durations)) is not None}
        return dict(sorted(found.items(), key=lambda item: (-item[1].p50_s, item[0])))

    def pauses(self, requests: Iterable[Mapping[str, Any]]) -> list[tuple[int, int]]:
        """Give the first and the last step of every pause, from its requests ``{"kind", "at"}``, oldest first."""
        found, began = [], None
        for request in requests:
            if request["kind"] == "pause" and began is None:
                began = self.axis.step_of(request["at"])
            elif request["kind"] == "unpause" and began is not None:
                found.append((began, self.axis.step_of(request["at"])))
                began = None
        return found if began is None else [*found, (began, self.axis.steps - 1)]


def seconds(instant: str) -> float:
    """Give the seconds since 1970 of an ISO-8601 instant with its zone."""
    return datetime.fromisoformat(instant).timestamp()


def running(values: Sequence[int]) -> list[int]:
    """Add up: each value with all before it."""
    total, sums = 0, []
    for value in values:
        total += value
        sums.append(total)
    return sums
