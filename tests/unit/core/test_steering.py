"""What an operator asks, in values and in words."""

from datetime import UTC, datetime

import pytest

from batchgen.core.limits import Limits, Pace
from batchgen.core.money import Micros
from batchgen.core.steering import Budget, Deadline, InFlight, Kind, Limit, Rate, Request, compared, standing, told, upon

AT = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)


def test_limits_change_where_asked_and_nowhere_else() -> None:
    """The later of two words about the same limit counts; the others stay."""
    before = Limits(pace=Pace(in_flight=8, submits_per_s=2.0), budget_jobs=7)

    now = upon(before, [InFlight(4), Budget(Micros(5)), InFlight(3), Deadline(AT)])

    assert (InFlight(3), Rate(2.0), Budget(Micros(5)), Deadline(AT)) == standing(now)
    assert 7 == now.budget_jobs
    assert before == upon(before, standing(before))


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (InFlight(8), ("in flight", "8")),
        (Rate(2.0), ("rate", "2/s")),
        (Rate(0.5), ("rate", "30/min")),
        (Rate(1 / 3600), ("rate", "1/h")),
        (Budget(Micros(12_500_000)), ("budget", "12.5 coin")),
        (InFlight(None), ("in flight", "auto")),
        (Rate(None), ("rate", "none")),
        (Budget(None), ("budget", "none")),
        (Deadline(None), ("deadline", "none")),
    ],
)
def test_limits_in_words(limit: Limit, words: tuple[str, str]) -> None:
    """A rate is told in the unit in which it is at least one, money with its unit, no limit as none, one that is found as auto."""
    assert words == told(limit, "coin")


def test_only_what_differs_is_compared() -> None:
    """Two limits of four have changed, and both values of each are told."""
    before = Limits(pace=Pace(in_flight=8))

    assert "in flight 8 -> 4, budget none -> 60 coin" == compared(before, upon(before, [InFlight(4), Budget(Micros(60_000_000))]), "coin")
    assert "" == compared(before, before, "coin")


def test_a_request_names_who_asked_when_for_what() -> None:
    """One line for people."""
    request = Request(kind=Kind.LIMIT, argument="--in-flight 4", actor="operator:ana", asked_at=AT)

    assert f"operator:ana, {AT.astimezone():%Y-%m-%d %H:%M}: limit --in-flight 4" == str(request)
