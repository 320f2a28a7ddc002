"""Limits as an operator types them, and as a request keeps them: ``--in-flight 4 --rate 30/min --budget 60 --until <instant>``."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from batchgen.core.errors import InputError
from batchgen.core.money import from_micros, to_micros
from batchgen.core.steering import Budget, Deadline, InFlight, Limit, Rate, told
from batchgen.planning.scalars import count_or_auto, rate
from batchgen.planning.settings import deadline_after

NONE: Final = "none"
"""What is typed to lift a limit."""

Read = Callable[[str, datetime], Limit]


def limits_of(typed: Mapping[str, str], *, now: datetime) -> tuple[Limit, ...]:
    """Read options by their names; raise InputError for a value that cannot be meant. A time of day is the next one after ``now``."""
    return tuple(_read(option, value, now) for option, value in typed.items())


def argument_of(changes: Sequence[Limit]) -> str:
    """Write limits as a request keeps them; a deadline is written as an instant, so that it means the same whenever it is read."""
    return " ".join(f"{option} {value}" for option, value in map(_written, changes))


def limits_in(argument: str, *, now: datetime) -> tuple[Limit, ...]:
    """Read what ``argument_of`` wrote; raise InputError for what it did not write."""
    words = argument.split()
    return limits_of(dict(zip(words[::2], [*words[1::2], ""], strict=False)), now=now)


def _read(option: str, value: str, now: datetime) -> Limit:
    if option not in _OPTIONS:
        raise InputError(f"{option} is no limit that can be changed")
    read, example = _OPTIONS[option]
    try:
        return read(value, now)
    except (ValueError, ArithmeticError):
        raise InputError(f"{option} {value!r} is not understood; write {example}, or {NONE}") from None


def _in_flight(value: str, _now: datetime) -> Limit:
    return InFlight(count_or_auto("auto" if value == NONE else value))


def _pace(value: str, _now: datetime) -> Limit:
    return Rate(None if value == NONE else rate(value))


def _budget(value: str, _now: datetime) -> Limit:
    return Budget(None if value == NONE else to_micros(Decimal(value)))


def _deadline(value: str, now: datetime) -> Limit:
    return Deadline(None if value == NONE else deadline_after(value, now))


_OPTIONS: Final[Mapping[str, tuple[Read, str]]] = {
    "--in-flight": (_in_flight, "a whole number from 1, or auto"),
    "--rate": (_pace, "30/min or 2/s"),
    "--budget": (_budget, "40 or 0.5"),
    "--until": (_deadline, "07:30 or an instant like 2026-05-01T07:30"),
}


def _written(change: Limit) -> tuple[str, str]:
    match change:
        case InFlight():
            return "--in-flight", told(change, "")[1]
        case Rate():
            return "--rate", told(change, "")[1]
        case Budget(cost=cost):
            return "--budget", NONE if cost is None else str(from_micros(cost))
        case Deadline(at=at):
            return "--until", NONE if at is None else at.astimezone().isoformat(timespec="seconds")
