"""What an operator may ask of a running process from another shell, and what that makes of its limits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from batchgen.core.limits import Limits
from batchgen.core.money import Micros, shown

NOW: Final = "--now"
"""The argument of a stop that leaves what is at the vendor to the next run."""


class Kind(StrEnum):
    """What is asked.

    Two kinds nobody types: ``start`` is what a run was told on its own command line, kept so that others can tell its limits; ``look``
    tells it that rows were decided about.
    """

    PAUSE = "pause"
    UNPAUSE = "unpause"
    STOP = "stop"
    LIMIT = "limit"
    START = "start"
    LOOK = "look"

    @property
    def is_typed(self) -> bool:
        """Say whether a person asks so."""
        return self not in {Kind.START, Kind.LOOK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: its argument as typed, who asked and when, and when a run followed it; ``id`` is 0 until it is stored."""

    id: int = 0
    kind: Kind
    argument: str = ""
    actor: str
    asked_at: datetime
    taken_at: datetime | None = None
    run_id: int | None = None
    """The run that is meant; None for all."""

    def __str__(self) -> str:
        whose = "" if self.run_id is None else f" (run {self.run_id})"
        return f"{self.actor}, {at_local(self.asked_at)}: {self.kind} {self.argument}".rstrip() + whose


@dataclass(frozen=True, slots=True)
class InFlight:
    """How many tasks may be alive at once; None means as many as the vendor is found to bear."""

    most: int | None


@dataclass(frozen=True, slots=True)
class Rate:
    """How many orders may go out a second; None means no limit of ours."""

    per_s: float | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What the whole batch may cost; None means no cap."""

    cost: Micros | None


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant after which nothing is ordered; None means never."""

    at: datetime | None


Limit = InFlight | Rate | Budget | Deadline
"""One limit that can be changed while a run works."""


def upon(limits: Limits, changes: Sequence[Limit]) -> Limits:
    """Give the limits with some of them changed; the later of two that speak of the same counts."""
    for change in changes:
        match change:
            case InFlight(most=most):
                limits = replace(limits, pace=replace(limits.pace, in_flight=most))
            case Rate(per_s=per_s):
                limits = replace(limits, pace=replace(limits.pace, submits_per_s=per_s))
            case Budget(cost=cost):
                limits = replace(limits, budget_cost=cost)
            case Deadline(at=at):
                limits = replace(limits, deadline=at)
    return limits


def standing(limits: Limits) -> tuple[Limit, ...]:
    """Give those limits that can be changed as they are."""
    return (InFlight(limits.pace.in_flight), Rate(limits.pace.submits_per_s), Budget(limits.budget_cost), Deadline(limits.deadline))


def told(change: Limit, unit: str) -> tuple[str, str]:
    """Give a limit's name and its value in words."""
    match change:
        case InFlight(most=most):
            return "in flight", "auto" if most is None else str(most)
        case Rate(per_s=per_s):
            return "rate", "none" if per_s is None else _rate(per_s)
        case Budget(cost=cost):
            return "budget", "none" if cost is None else shown(cost, unit)
        case Deadline(at=at):
            return "deadline", "none" if at is None else at_local(at)


def compared(before: Limits, now: Limits, unit: str) -> str:
    """Say what each limit that differs was and is: ``in flight 8 -> 4, rate none -> 30/min``; empty when none does."""
    pairs = zip(standing(before), standing(now), strict=True)
    words = [(*told(old, unit), told(new, unit)[1]) for old, new in pairs if old != new]
    return ", ".join(f"{name} {was} -> {becomes}" for name, was, becomes in words)


def at_local(at: datetime) -> str:
    """Write an instant as the clock on the wall shows it, to the minute."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def _rate(per_s: float) -> str:
    """Write a rate in the unit in which it is at least one."""
    for per, word in ((1.0, "s"), (60.0, "min")):
        if per_s * per >= 1:
            return f"{per_s * per:g}/{word}"
    return f"{per_s * 3600:g}/h"
