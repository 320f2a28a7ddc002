"""When the next order may go out."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.limits import Pace
from batchgen.worker.gate import Gate, SubmitGate
from tests.support.builders import limits


def _places(**changes: object) -> SubmitGate:
    return SubmitGate(limits=limits(**changes), gate=Gate(Random(3)))


@given(retry_after_s=st.floats(min_value=0, max_value=86_400), seed=st.integers())
def test_retry_after_is_obeyed_with_positive_jitter(retry_after_s: float, seed: int) -> None:
    """The gate stays shut for the wished time and at most a fifth longer, never shorter."""
    gate = Gate(Random(seed))

    gate.throttled(100.0, asked_at=99.0, retry_after_s=retry_after_s)

    assert 100.0 + retry_after_s <= gate.shut_until <= 100.0 + retry_after_s * 1.2 + 1e-6


def test_a_wish_for_longer_than_a_day_is_taken_for_junk() -> None:
    """One broken header must not end the night."""
    gate = Gate(Random(3))

    gate.throttled(0.0, asked_at=0.0, retry_after_s=1e9)

    assert 5.0 <= gate.shut_until <= 6.0


def test_throttling_without_a_wish_backs_off_from_5_to_120_seconds() -> None:
    """Each answer "too many" to a request asked since the last one doubles the wait; success forgets."""
    gate, waits, now = Gate(Random(1)), [], 0.0
    for _ in range(7):
        gate.throttled(now, asked_at=now, retry_after_s=None)
        waits.append(gate.shut_until - now)
        now = gate.shut_until

    assert all(base <= wait <= base * 1.2 for base, wait in zip([5, 10, 20, 40, 80, 120, 120], waits, strict=True))

    gate.passed()
    gate.throttled(now, asked_at=now, retry_after_s=None)

    assert gate.shut_until - now <= 6


def test_answers_to_requests_under_way_do_not_make_the_wait_grow() -> None:
    """Eight orders throttled together count as one throttling."""
    gate = Gate(Random(1))

    for _ in range(8):
        gate.throttled(10.0, asked_at=9.0, retry_after_s=None)

    assert gate.shut_until <= 16.0


def test_a_shorter_shutting_does_not_open_a_longer_one() -> None:
    """The latest instant stays, and the time shut is counted once."""
    gate = Gate(Random(1))
    gate.shut(0, 60, "long")
    gate.shut(10, 5, "short")

    assert (60, "long", 60) == (gate.shut_until, gate.why, gate.shut_for_s)
    assert [False, True] == [gate.is_open(59.9), gate.is_open(60)]


def test_room_is_the_limit_less_what_is_alive() -> None:
    """Adopted tasks count like ordered ones; more alive than allowed leaves no room."""
    places = _places(pace=Pace(in_flight=2))
    places.adopt("painter")
    assert 1 == places.room()

    places.enter("painter", 0)
    places.adopt("painter")
    assert 0 == places.room()

    for _ in range(3):
        places.leave("painter")
    assert 2 == places.room()


def test_throttling_lowers_what_may_be_in_flight_and_success_gives_it_back() -> None:
    """Answers to the same eight orders lower the allowance once; it grows back with successes, and never beyond the limit."""
    places = _places(pace=Pace(in_flight=8))
    for _ in range(8):
        places.enter("painter", 0)
    places.throttled("painter", 1.0, asked_at=0.0, retry_after_s=1.0)
    places.throttled("painter", 1.0, asked_at=0.0, retry_after_s=1.0)
    for _ in range(8):
        places.leave("painter")

    assert 4 <= places.room() <= 6

    for second in range(60):
        places.accepted("painter", second, asked_at=second)

    assert 8 == places.room()


def test_a_model_is_full_at_its_own_limit() -> None:
    """Other models are not concerned."""
    places = _places(per_model={"painter": Pace(in_flight=1), "other": Pace(in_flight=1), "third": Pace()})

    places.enter("painter", 0)

    assert frozenset({"painter"}) == places.full_models()


def test_rates_space_orders_evenly() -> None:
    """Two a second for all and one a second for a model: each order takes its slot in both."""
    places = _places(pace=Pace(in_flight=9, submits_per_s=2.0), per_model={"painter": Pace(submits_per_s=1.0)})

    places.enter("painter", 10.0)

    assert [10.5, 11.0, 10.5] == [places.opens_at(), places.opens_at("painter"), places.opens_at("other")]


@pytest.mark.parametrize(("trip", "count"), [("failed", 5), ("doubted", 3)])
def test_repeated_trouble_pauses_and_probes_with_one(trip: str, count: int) -> None:
    """Five failures or three lost answers in a row shut the gate for 30 s; then one order may be out until it succeeds."""
    places = _places()
    for _ in range(count):
        assert 8 == places.room()
        places.failed(0.0, "down") if trip == "failed" else places.doubted(0.0)

    assert 30.0 == places.opens_at()
    assert 1 == places.room()

    places.enter("painter", 30.0)
    assert 0 == places.room()

    places.accepted("painter", 31.0, asked_at=30.0)
    assert 7 == places.room()


def test_without_a_limit_the_run_starts_low() -> None:
    """No ``in_flight`` means that the pace is found: from four in flight upwards, and a quarter of a second apart."""
    places = _places(pace=Pace())

    places.enter("painter", 10.0)

    assert (3, 10.25) == (places.room(), places.opens_at())


def test_a_failing_vendor_may_name_its_time_too() -> None:
    """A server error with Retry-After shuts the gate for that long; a junk wish does not."""
    places = _places()

    places.failed(0.0, "maintenance", retry_after_s=8.0)
    assert 8.0 == places.opens_at()
    places.failed(9.0, "maintenance", retry_after_s=1e9)
    assert 8.0 == places.opens_at()


def test_an_answer_that_cannot_be_believed_pauses_at_once() -> None:
    """One is enough, and the pause carries its reason."""
    places = _places()

    places.doubted(0.0, why="a task id came twice", at_once=True)

    assert (30.0, "a task id came twice", 1) == (places.opens_at(), places.gate.why, places.room())


def test_tasks_that_fail_pause_though_orders_are_taken() -> None:
    """Five tasks without an image in a row shut the gate, whatever orders say; an image opens it again."""
    places = _places()
    for _ in range(5):
        assert 8 == places.room()
        places.accepted("painter", 0.0, asked_at=0.0)
        places.unrendered(0.0, "tasks fail")

    assert (30.0, 1) == (places.opens_at(), places.room())

    places.accepted("painter", 1.0, asked_at=0.0)
    assert 1 == places.room()

    places.rendered()
    assert 8 == places.room()
