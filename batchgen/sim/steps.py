"""Let the limits of the vendor change while it serves: `120s:in_flight=60` holds from two minutes after the first paid call."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_STEP = re.compile(r"(\d+(?:\.\d+)?)s?:(in_flight|submit_rate)=(\S+)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:/(s|min))?")


class StepError(ValueError):
    """Report a step or a rate that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Hold what a limit is from an instant on, in seconds after the first paid call; a rate is in calls a second."""

    after_s: float
    limit: str
    value: float


def step(text: str) -> Step:
    """Read a step such as `120s:in_flight=60` or `240:submit_rate=8/s`."""
    match = _STEP.fullmatch(text)
    if match is None:
        raise StepError(f"'{text}' is no step; write 120s:in_flight=60 or 240s:submit_rate=8/s")
    value = per_second(match[3]) if match[2] == "submit_rate" else _count(match[3])
    return Step(after_s=float(match[1]), limit=match[2], value=value)


def per_second(text: str) -> float:
    """Read a rate such as `5/s` or `60/min` as calls a second."""
    match = _RATE.fullmatch(text)
    if match is None or not float(match[1]):
        raise StepError(f"'{text}' is no rate; write 5/s or 60/min")
    return float(match[1]) / (60 if match[2] == "min" else 1)


def in_force(first: float | None, steps: Sequence[Step], limit: str, after_s: float) -> float | None:
    """Return what a limit is so many seconds after the first paid call, given what it was at first."""
    reached = [step for step in steps if step.limit == limit and step.after_s <= after_s]
    return max(reached, key=lambda step: step.after_s).value if reached else first


def _count(text: str) -> float:
    if not text.isdecimal() or int(text) < 1:
        raise StepError(f"'{text}' is no number in flight; it starts at 1")
    return float(text)
