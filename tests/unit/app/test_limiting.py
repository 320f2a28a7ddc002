"""Limits as an operator types them."""

from datetime import timedelta

import pytest

from batchgen.app.limiting import argument_of, limits_in, limits_of
from batchgen.core.errors import InputError
from batchgen.core.money import Micros
from batchgen.core.steering import Budget, Deadline, InFlight, Limit, Rate
from tests.support.fake_clock import START


def test_each_option_is_read() -> None:
    """Numbers, rates, amounts, and a time of day as the next one after now."""
    at = START.astimezone() + timedelta(hours=2)
    typed = {"--in-flight": "4", "--rate": "30/min", "--budget": "60.5", "--until": f"{at:%H:%M}"}

    assert (InFlight(4), Rate(0.5), Budget(Micros(60_500_000)), Deadline(at)) == limits_of(typed, now=START)


@pytest.mark.parametrize(
    "limits",
    [
        (InFlight(4), Rate(1 / 3600), Budget(Micros(1)), Deadline(START)),
        (InFlight(None), Rate(None), Budget(None), Deadline(None)),
        (Rate(7 / 60),),
        (),
    ],
)
def test_what_a_request_keeps_means_the_same_a_day_later(limits: tuple[Limit, ...]) -> None:
    """Written and read again, whenever: a deadline is an instant by then."""
    assert limits == limits_in(argument_of(limits), now=START + timedelta(days=1))


@pytest.mark.parametrize("argument", ["--images 4", "--in-flight", "--in-flight 4 --rate"])
def test_what_a_later_version_wrote_is_refused(argument: str) -> None:
    """A limit that is not known, or one without its value."""
    with pytest.raises(InputError):
        limits_in(argument, now=START)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--in-flight", "0"),
        ("--in-flight", "many"),
        ("--rate", "30"),
        ("--budget", "-1"),
        ("--budget", "nan"),
        ("--until", "25:00"),
        ("--until", ""),
    ],
)
def test_what_cannot_be_meant_is_refused(option: str, value: str) -> None:
    """The complaint names option and value, and says what to write."""
    with pytest.raises(InputError, match=f"{option} '{value}' is not understood; write .*, or none"):
        limits_of({option: value}, now=START)
