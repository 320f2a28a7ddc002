"""Finding how much a vendor bears: whole nights against hidden limits, on a clock of numbers."""

from random import Random

import pytest

from batchgen.core.limits import Found, Limits, Pace
from batchgen.worker.gate import Gate, SubmitGate
from batchgen.worker.pace import MOST_IN_FLIGHT, Slowness
from tests.support.hidden_limits import HiddenVendor, Night, Step

_STEPS_ALIVE = (Step(at=0, in_flight=20), Step(at=240, in_flight=60), Step(at=480, in_flight=10))
_STEPS_RATE = (Step(at=0, submits_per_s=2.0), Step(at=240, submits_per_s=8.0))
_REACHED_WITHIN_S = 120.0
_MOST_REFUSED = 0.02


def _night(*steps: Step, seed: int = 1, latency_s: float = 8.0, workers: int = 1_000_000, **terms: object) -> Night:
    return Night(vendor=HiddenVendor(steps=steps, latency_s=latency_s, random=Random(seed), workers=workers), **terms)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("latency_s", [5.0, 8.0, 12.0])
@pytest.mark.parametrize("answers_in_s", [0.1, 0.2])
def test_a_hidden_limit_of_tasks_alive_is_found_each_time_it_changes(seed: int, latency_s: float, answers_in_s: float) -> None:
    """20, 60, 10: nine tenths are reached within two minutes of each step and held, and under 2 % of the orders are refused."""
    night = _night(*_STEPS_ALIVE, seed=seed, latency_s=latency_s, answers_in_s=answers_in_s)

    night.run(720)

    assert all(night.reached_after_s(step) <= _REACHED_WITHIN_S for step in _STEPS_ALIVE)
    assert night.share_refused() < _MOST_REFUSED
    assert [True, True, True] == [night.used(at + 120, at + 240, alive) >= 0.7 for at, alive in ((0, 20), (240, 60), (480, 10))]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("latency_s", [5.0, 8.0, 12.0])
@pytest.mark.parametrize("answers_in_s", [0.1, 0.2])
def test_a_hidden_rate_is_found_each_time_it_changes(seed: int, latency_s: float, answers_in_s: float) -> None:
    """2 a second, then 8: nine tenths are reached within two minutes of each step, and under 2 % of the orders are refused."""
    night = _night(*_STEPS_RATE, seed=seed, latency_s=latency_s, answers_in_s=answers_in_s)

    night.run(480)

    assert all(night.rate_reached_after_s(step) <= _REACHED_WITHIN_S for step in _STEPS_RATE)
    assert night.share_refused() < _MOST_REFUSED


def test_a_vendor_without_limits_is_trusted_up_to_a_bound() -> None:
    """Nothing is refused, and what may be alive grows to the bound that only the manifest can lift."""
    night = _night(Step(), latency_s=20.0)

    night.run(400)

    assert (0.0, MOST_IN_FLIGHT) == (night.share_refused(), night.places.total + night.places.room())


def test_a_vendor_that_queues_is_not_flooded() -> None:
    """With sixteen workers, more than that alive only makes tasks last longer, and that is reason enough not to grow."""
    night = _night(Step(), workers=16, latency_s=10.0)

    night.run(900)

    assert 16 <= max(alive for _, alive in night.alive) <= 80


def test_a_limit_of_one_model_is_kept_from_the_other() -> None:
    """While the first model is held to eight, the second goes on far beyond."""
    night = _night(Step(of_model=8), models=("first", "second"), latency_s=10.0)

    night.run(600)

    assert night.places.in_flight["second"] >= 40
    assert night.share_refused() < 0.03
    assert 7 <= night.places.findings()["first"].in_flight <= 12


def test_the_next_run_starts_a_bit_below_what_was_found() -> None:
    """What one night found spares the next one the search."""
    first = _night(Step(in_flight=60))
    first.run(240)
    found = first.places.findings()

    second = _night(Step(in_flight=60), seed=2, found=found)
    second.run(60)

    assert 54 <= found[""].in_flight <= 66
    assert second.reached_after_s(Step(in_flight=60)) <= 25
    assert len(second.refused_at) <= 3


def test_a_run_without_an_order_forgets_nothing() -> None:
    """A run that orders nothing finds nothing, and one that meets no limit leaves the higher figure."""
    found = {"": Found(in_flight=50.0, submits_per_s=3.0)}
    idle = SubmitGate(limits=Limits(pace=Pace()), gate=Gate(Random(1)), found=found)
    assert {} == idle.findings()

    idle.enter("painter", 0.0)
    idle.accepted("painter", 0.2, asked_at=0.0)

    assert found == idle.findings()


def test_a_fixed_number_in_flight_is_never_passed() -> None:
    """Four are four, however well it goes, and nothing is found."""
    night = _night(Step(), limits=Limits(pace=Pace(in_flight=4)))

    night.run(120)

    assert 4 == max(alive for _, alive in night.alive)
    assert ({}, "") == (night.places.findings(), night.places.told())


def test_while_failures_are_frequent_nothing_grows() -> None:
    """A vendor that stumbles twice in a row is not asked for more until it has stood for a while; one failure in ten holds nothing up."""
    night = _night(Step(), latency_s=30.0)
    night.run(10)
    before = night.places.room()

    for _ in range(2):
        night.places.failed(10.0, "server error")
    for second in range(10, 39):
        night.places.look(second)
    held = night.places.room()
    night.places.answered()
    for second in range(39, 60):
        night.places.look(second)

    assert before == held < night.places.room()


def test_tasks_that_last_half_as_long_again_are_slow() -> None:
    """One long task says nothing, many do; and what was best long ago fades."""
    slowness = Slowness()
    for number in range(20):
        slowness.note(number, 10.0)
    slowness.note(20, 60.0)
    assert not slowness.is_slow

    for number in range(21, 80):
        slowness.note(number, 20.0)
    assert slowness.is_slow

    for number in range(100):
        slowness.note(80 + 100 * number, 20.0)
    assert not slowness.is_slow
