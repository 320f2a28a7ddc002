"""When to ask: learned durations."""

from collections.abc import Callable
from itertools import pairwise
from math import exp
from random import Random
from statistics import fmean

import pytest

from batchgen.worker.latency import Latencies, Seen, shape_of
from tests.support.builders import job

_SHAPE = ("painter", "1k")


def _learned(*durations: float) -> Latencies:
    latencies = Latencies()
    latencies.learn_all({_SHAPE: durations})
    return latencies


def _asked(latencies: Latencies, lasted_s: float, chances: Random, progress: Callable[[float], float | None]) -> tuple[int, float]:
    """Ask after a task until it is done, and learn from it; give the number of questions, and the lag as a share of the duration."""
    at, asked, running_at_s, first_s = latencies.first_wait_s(_SHAPE, chances.random()), 1, None, None
    while at < lasted_s:
        told, running_at_s = progress(at / lasted_s), at
        forecast_s = None if told is None else at / told
        first_s = first_s or forecast_s
        at += latencies.next_wait_s(_SHAPE, asked=asked, elapsed_s=at, chance=chances.random(), forecast_s=forecast_s)
        asked += 1
    latencies.learn(_SHAPE, Seen(running_at_s=running_at_s, done_at_s=at, lasted_s=float(int(lasted_s)), forecast_s=first_s))
    return asked, (at - lasted_s) / lasted_s


def _means(progress: Callable[[float], float | None], *, sigma: float = 0.35, tasks: int = 1500) -> tuple[float, float]:
    """Follow log-normal tasks of 40 s; give the questions a task and the mean share of lag, once two hundred have been seen."""
    latencies, chances = Latencies(), Random(5)
    found = [_asked(latencies, 40 * exp(chances.gauss(0, sigma)), chances, progress) for _ in range(tasks)][200:]
    return fmean(asked for asked, _ in found), fmean(lag for _, lag in found)


def test_a_shape_is_model_and_resolution() -> None:
    """An unset resolution is empty, other parameters do not matter."""
    assert [("painter", "2k"), ("painter", "")] == [shape_of(job(params={"resolution": "2k", "ratio": "1:1"})), shape_of(job(params={}))]


def test_the_first_question_comes_when_three_in_ten_should_be_done() -> None:
    """Durations of earlier runs set the wait; each counts as a tenth wide, since it was seen with some lag."""
    latencies = _learned(*(float(seconds) for seconds in range(20, 30)))

    assert 21.0 <= latencies.first_wait_s(_SHAPE, 0.2) <= latencies.first_wait_s(_SHAPE, 0.999) <= 23.0


def test_one_question_in_sixteen_comes_early() -> None:
    """Only an early question can find out that tasks have become quicker."""
    latencies = _learned(20.0)

    waits = [latencies.first_wait_s(_SHAPE, chance / 1600) for chance in range(1600)]

    assert 100 == sum(9.0 <= wait < 18.5 for wait in waits)
    assert min(waits[100:]) >= 18.5


def test_an_unseen_shape_is_asked_after_soon() -> None:
    """Without experience the first question comes after about a second, and the gaps grow up to fifteen."""
    latencies = Latencies()

    gaps = [latencies.next_wait_s(_SHAPE, asked=asked, elapsed_s=10.0, chance=0.5) for asked in range(1, 60)]

    assert 1.0 <= latencies.first_wait_s(_SHAPE, 0.5) <= 2.0
    assert gaps == sorted(gaps)
    assert (1.0, 15.0) == (pytest.approx(gaps[0]), pytest.approx(gaps[-1]))


def test_after_an_early_question_the_next_comes_when_the_task_should_be_done() -> None:
    """A task found running too early is asked after when a third should be done, not at once."""
    assert 6.7 <= _learned(20.0).next_wait_s(_SHAPE, asked=1, elapsed_s=12.0, chance=0.0) <= 8.0


@pytest.mark.parametrize("median_s", [0.2, 20.0, 2000.0])
def test_an_overdue_task_is_asked_after_at_most_every_fifteen_seconds(median_s: float) -> None:
    """Beyond all that was seen, the gaps are a part of the age, until 15 s (and a tenth of spread) are reached."""
    latencies = _learned(median_s)

    gaps = [latencies.next_wait_s(_SHAPE, asked=3, elapsed_s=age * median_s, chance=0.5) for age in (1.1, 2, 10, 1000)]

    assert gaps == sorted(gaps)
    assert gaps[0] >= 0.03
    assert latencies.next_wait_s(_SHAPE, asked=60, elapsed_s=1e6, chance=0.999) <= 16.5


def test_a_task_that_tells_nothing_early_does_not_lower_the_guess() -> None:
    """Found done at the first question, it may have ended at any time before; those that were seen running say more."""
    latencies = Latencies()
    for _ in range(8):
        latencies.learn(_SHAPE, Seen(running_at_s=9.0, done_at_s=10.0))
    for _ in range(3):
        latencies.learn(_SHAPE, Seen(done_at_s=12.0))

    assert latencies.first_wait_s(_SHAPE, 0.5) >= 9.0


@pytest.mark.parametrize(("before_s", "after_s"), [(10.0, 1.0), (1.0, 10.0)])
def test_the_guess_follows_a_vendor_that_changes(before_s: float, after_s: float) -> None:
    """When every task takes another time and the vendor measures none, tasks are soon found done within a fifth of their duration."""
    latencies, chances, lags = _learned(*[before_s] * 64), Random(7), []
    for _ in range(600):
        at, asked, running_at_s = latencies.first_wait_s(_SHAPE, chances.random()), 0, None
        while at < after_s:
            asked, running_at_s = asked + 1, at
            at += latencies.next_wait_s(_SHAPE, asked=asked, elapsed_s=at, chance=chances.random())
        lags.append(at / after_s - 1)
        latencies.learn(_SHAPE, Seen(running_at_s=running_at_s, done_at_s=at))

    assert fmean(lags[-100:]) <= 0.2


def test_only_recent_durations_count() -> None:
    """Of what earlier runs recorded, newest first, 64 count."""
    assert _learned(*[1.0] * 64, *[1000.0] * 100).first_wait_s(_SHAPE, 0.5) <= 1.1


def test_the_vendors_own_measure_bounds_what_was_seen_late() -> None:
    """A task found done after an outage of hours, which the vendor says took 20 s, ended between 19 and 21."""
    assert (19.0, 21.0) == Seen(done_at_s=9000.0, lasted_s=20.0).interval()


def test_a_measure_that_contradicts_our_own_is_not_believed() -> None:
    """A vendor's clock may be wrong: what was still running at 30 s did not take 5."""
    assert (30.0, 40.0) == Seen(running_at_s=30.0, done_at_s=40.0, lasted_s=5.0).interval()
    assert (2.0, 3.0) == Seen(running_at_s=2.0, done_at_s=3.0, lasted_s=5.0).interval()


@pytest.mark.parametrize("seen", [Seen(running_at_s=2.0, done_at_s=9.0, lasted_s=1.0), Seen(done_at_s=2.0, lasted_s=3.0)])
def test_an_end_known_to_the_instant_is_learned(seen: Seen) -> None:
    """An answer that comes late on a busy machine can leave an interval without a width: before a quicker task's end, it is not done."""
    latencies = Latencies()
    latencies.learn(_SHAPE, seen)
    latencies.learn(_SHAPE, Seen(running_at_s=0.5, done_at_s=1.5))

    assert 0.5 <= latencies.first_wait_s(_SHAPE, 0.5) <= 2.1


def test_three_questions_find_scattered_ends_about_as_well_as_any_plan_could() -> None:
    """With a spread of 0.35 and no progress, the best plan that knows it needs three for a lag of a tenth of the mean duration."""
    asked, lag = _means(lambda _: None)

    assert asked <= 3.2
    assert lag <= 0.16


def test_an_honest_progress_is_followed() -> None:
    """Whole percents of the time are enough to be there within a twentieth of the duration, with three questions or fewer."""
    asked, lag = _means(lambda done: int(100 * done) / 100 or None)

    assert asked <= 3.0
    assert lag <= 0.05


@pytest.mark.parametrize("progress", [lambda _: 0.5, lambda _: 0.99, lambda done: done**3, lambda done: 0.3 if done < 0.9 else 0.95])
def test_a_progress_that_forecasts_nothing_is_not_followed(progress: Callable[[float], float | None]) -> None:
    """Bars that stand, jump or crawl leave the asking as good as it is without them."""
    asked, lag = _means(progress)

    assert asked <= 3.3
    assert lag <= 0.17


def test_a_progress_that_stops_being_honest_is_given_up() -> None:
    """After five hundred honest tasks the bar begins to lie: soon the lag is what it is without one."""
    latencies, chances = Latencies(), Random(5)
    for _ in range(500):
        _asked(latencies, 40 * exp(chances.gauss(0, 0.35)), chances, lambda done: int(100 * done) / 100 or None)

    lags = [_asked(latencies, 40 * exp(chances.gauss(0, 0.35)), chances, lambda _: 0.25)[1] for _ in range(500)]

    assert fmean(lags[-300:]) <= 0.18


def test_questions_are_never_closer_than_a_part_of_the_duration() -> None:
    """However sure the end seems, a vendor is not asked in a spin."""
    latencies = _learned(*[40.0] * 64)

    instants = [36.0]
    while instants[-1] < 60:
        instants.append(instants[-1] + latencies.next_wait_s(_SHAPE, asked=1, elapsed_s=instants[-1], chance=0.0))

    assert all(later - earlier >= 0.04 * 36 for earlier, later in pairwise(instants))


def test_durations_that_a_clock_made_up_hold_no_question_back_for_long() -> None:
    """Days among seconds, from runs whose clock was set between: the next question comes after a quarter of a minute at most."""
    shape, latencies = ("painter", ""), Latencies()
    latencies.learn_all({shape: [1.0] * 9 + [345_600.0] * 7})

    for elapsed_s in (0.5, 1.0, 2.0, 3_600.0):
        assert latencies.next_wait_s(shape, asked=1, elapsed_s=elapsed_s, chance=0.5) <= 20
