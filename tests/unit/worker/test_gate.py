"""When the next order may go out."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.limits import Found, Pace
from batchgen.core.sharing import Share
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


# --- as one of several runs ---


def _share(in_flight: int | None = None, rate: float | None = None) -> dict[str, Share]:
    return {"": Share(in_flight=in_flight, submits_per_s=rate)}


def test_without_a_place_no_order_goes_out() -> None:
    """What is alive goes on; also a refusal, which elsewhere leaves a place to try with, opens none. With a share there is room again."""
    places = _places(pace=Pace(in_flight=8))
    for _ in range(3):
        places.enter("painter", 0.0)

    places.divide(_share(0), 4, 1.0)
    rooms = [places.room()]
    places.throttled("painter", 2.0, asked_at=1.5, retry_after_s=0.0)
    for _ in range(3):
        places.leave("painter")
        rooms.append(places.room())
    places.divide(_share(2), 4, 9.0)

    assert ([0, 0, 0, 0], 2) == (rooms, places.room())


def test_what_is_held_is_the_share_or_what_is_alive_of_a_larger_one() -> None:
    """Others may count on no more than is left beside it; a limit without a number is not held."""
    places = _places(pace=Pace(in_flight=8, submits_per_s=2.0), per_model={"painter": Pace(in_flight=3), "fast": Pace(submits_per_s=1.0)})
    alone = places.held()
    for _ in range(3):
        places.enter("painter", 0.0)

    places.divide({"": Share(in_flight=1, submits_per_s=0.5), "painter": Share(in_flight=0), "fast": Share(submits_per_s=0.25)}, 2, 0.0)

    full = {"": Share(in_flight=8, submits_per_s=2.0), "painter": Share(in_flight=3), "fast": Share(submits_per_s=1.0)}
    less = {"": Share(in_flight=3, submits_per_s=0.5), "painter": Share(in_flight=3), "fast": Share(submits_per_s=0.25)}
    assert (full, less) == (alone, places.held())
    assert {"": Share()} == _places(pace=Pace()).held()


def test_a_model_is_full_at_this_runs_share_of_it() -> None:
    """The share of one model keeps its orders back, not those of others."""
    places = _places(pace=Pace(in_flight=8), per_model={"painter": Pace(in_flight=4)})

    places.divide({"": Share(in_flight=4), "painter": Share(in_flight=1)}, 2, 0.0)
    places.enter("painter", 0.0)

    assert ({"painter"}, 3) == (places.full_models(), places.room())


def test_a_share_of_a_rate_spaces_orders_further() -> None:
    """Half of two a second is one a second; a larger share holds from the next order on, and puts off none that could go sooner."""
    places = _places(pace=Pace(in_flight=8, submits_per_s=2.0))

    places.divide(_share(8, 1.0), 2, 0.0)
    places.enter("painter", 0.0)
    slow = places.opens_at("painter")
    places.divide(_share(8, 2.0), 1, 0.25)

    assert (1.0, 0.75) == (slow, places.opens_at("painter"))


@pytest.mark.parametrize(("now", "room"), [(20, 4), (8, 4), (2, 2), (0, 0)])
def test_an_operators_limit_holds_before_the_next_meeting(now: int, room: int) -> None:
    """A lower one at once, a higher one as soon as the runs have divided it."""
    places = _places(pace=Pace(in_flight=8))
    places.divide(_share(4), 2, 0.0)

    places.keep_to(limits(pace=Pace(in_flight=now)), 1.0)

    assert room == places.room()
    assert room == places.held()[""].in_flight


def test_a_limit_that_is_new_is_divided_evenly_until_the_next_meeting() -> None:
    """Where the number alive was found and is fixed now, or a rate is set, each run takes its part of it, and not all of it."""
    places = _places(pace=Pace())
    places.divide(_share(), 3, 0.0)

    places.keep_to(limits(pace=Pace(in_flight=8, submits_per_s=3.0)), 1.0)
    places.enter("painter", 1.0)

    assert (1, 2.0) == (places.room(), places.opens_at("painter"))
    assert _share(2, 1.0) == places.held()


def test_a_lower_rate_holds_before_the_next_meeting() -> None:
    """Nobody goes on at a share of a rate that is higher than the whole is now."""
    places = _places(pace=Pace(in_flight=8, submits_per_s=4.0))
    places.divide(_share(4, 2.0), 2, 0.0)

    places.keep_to(limits(pace=Pace(in_flight=8, submits_per_s=0.5)), 0.0)
    places.enter("painter", 0.0)

    assert 2.0 == places.opens_at("painter")


def test_a_run_may_have_a_number_of_its_own_where_the_pace_is_found() -> None:
    """It holds room back, and changes nothing of what is found: without it there is as much room as before."""
    places = _places(pace=Pace())
    before = places.room()

    rooms = []
    for share in (_share(2), _share()):
        places.divide(share, 1, 0.0)
        rooms.append(places.room())

    assert (4, [2, 4]) == (before, rooms)


def test_what_is_found_is_found_by_all_together() -> None:
    """A second run halves the allowance of the first, its end gives it back; what is told is the sum, whatever their number."""
    places = SubmitGate(limits=limits(pace=Pace()), gate=Gate(Random(3)), found={"": Found(in_flight=40.0, submits_per_s=8.0)})
    places.enter("painter", 0.0)
    places.accepted("painter", 0.1, asked_at=0.0)

    rooms = []
    for how_many in (1, 2, 4, 1):
        places.divide(_share(), how_many, 1.0)
        rooms.append(places.room())
        assert {"": Found(in_flight=40.0, submits_per_s=8.0)} == places.findings()

    assert [35, 17, 8, 35] == rooms


@given(counts=st.lists(st.integers(min_value=1, max_value=40), max_size=12))
def test_whoever_comes_and_goes_a_run_keeps_a_place_where_the_pace_is_found(counts: list[int]) -> None:
    """However many share it, each may have one task alive, and no allowance grows beyond the bound by comings and goings alone."""
    places = _places(pace=Pace())

    for members in counts:
        places.divide(_share(), members, 0.0)
        assert 1 <= places.room() <= 256


def test_a_wish_that_another_run_was_told_is_obeyed_and_passed_on() -> None:
    """The longer one stands; a gate that is shut for another reason is no wish of the vendor."""
    told, heard, broken = Gate(Random(3)), Gate(Random(3)), Gate(Random(3))
    told.throttled(10.0, asked_at=9.0, retry_after_s=60.0)
    broken.shut(10.0, 300.0, "the vendor is down")

    wish = told.wish(10.0)
    assert wish is not None
    heard.hear(100.0, wish[0])
    heard.hear(100.0, 5.0)

    assert "rate limited" == wish[1]
    assert 160.0 <= heard.shut_until <= 172.0
    assert heard.is_throttled(159.0)
    assert (None, None) == (broken.wish(10.0), heard.wish(heard.shut_until))
