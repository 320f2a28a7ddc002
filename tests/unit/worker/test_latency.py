"""When to ask: learned durations."""

from random import Random

import pytest

from batchgen.worker.latency import Latencies, shape_of
from tests.support.builders import job

_SHAPE = ("painter", "1k")


def test_a_shape_is_model_and_resolution() -> None:
    """An unset resolution is empty, other parameters do not matter."""
    assert [("painter", "2k"), ("painter", "")] == [shape_of(job(params={"resolution": "2k", "ratio": "1:1"})), shape_of(job(params={}))]


def test_the_first_question_comes_near_the_median() -> None:
    """Durations of earlier runs set the wait, spread by at most a twentieth."""
    latencies = Latencies()
    latencies.learn_all({_SHAPE: [10.0, 30.0, 20.0], ("other", "1k"): [500.0]})

    assert 20.0 <= latencies.first_wait_s(_SHAPE, 0.2) <= latencies.first_wait_s(_SHAPE, 0.999) <= 21.0


def test_one_question_in_eight_comes_early() -> None:
    """Only an early question can find out that tasks have become quicker."""
    latencies = Latencies()
    latencies.learn_all({_SHAPE: [20.0]})

    waits = [latencies.first_wait_s(_SHAPE, chance / 1000) for chance in range(1000)]

    assert 125 == sum(10.0 <= wait < 20.0 for wait in waits)


def test_an_unseen_shape_is_asked_after_soon() -> None:
    """Without experience the first question comes after about a second."""
    assert 1.0 <= Latencies().first_wait_s(_SHAPE, 0.5) <= 2.0


def test_after_an_early_question_the_next_comes_at_the_median() -> None:
    """A task found running too early is asked after when it should be done, not at once."""
    latencies = Latencies()
    latencies.learn_all({_SHAPE: [20.0]})

    assert 8.0 == pytest.approx(latencies.next_wait_s(_SHAPE, asked=1, elapsed_s=12.0, chance=0.0))


@pytest.mark.parametrize("median_s", [0.2, 20.0, 2000.0])
def test_gaps_grow_up_to_fifteen_seconds(median_s: float) -> None:
    """Each further question waits longer than the one before, until 15 s (and a tenth of spread) are reached."""
    latencies = Latencies()
    latencies.learn_all({_SHAPE: [median_s]})

    gaps = [latencies.next_wait_s(_SHAPE, asked=asked, elapsed_s=1.1 * median_s, chance=0.5) for asked in range(1, 60)]

    assert gaps == sorted(gaps)
    assert gaps[0] >= 0.05
    assert gaps[-1] == pytest.approx(15.0)
    assert latencies.next_wait_s(_SHAPE, asked=60, elapsed_s=1.1 * median_s, chance=0.999) <= 16.5


def test_the_guess_is_the_instant_by_which_half_were_done() -> None:
    """Of four tasks, two were done at 12 s or before, and two were still running then."""
    latencies = Latencies()
    for running_at_s, done_at_s in ((8.0, 10.0), (8.0, 12.0), (20.0, 30.0), (20.0, 40.0)):
        latencies.learn(_SHAPE, running_at_s=running_at_s, done_at_s=done_at_s)

    assert 12.0 <= latencies.first_wait_s(_SHAPE, 0.5) <= 12.5


def test_one_quick_task_does_not_lower_the_guess() -> None:
    """An early question that finds one task done says little against seven that found theirs running."""
    latencies = Latencies()
    latencies.learn(_SHAPE, running_at_s=None, done_at_s=6.0)
    for _ in range(7):
        latencies.learn(_SHAPE, running_at_s=6.0, done_at_s=10.0)

    assert latencies.first_wait_s(_SHAPE, 0.5) >= 10.0


@pytest.mark.parametrize(("before_s", "after_s"), [(10.0, 1.0), (1.0, 10.0)])
def test_the_guess_follows_a_vendor_that_changes(before_s: float, after_s: float) -> None:
    """When every task takes another time, the first question soon comes within a fifth after it."""
    latencies, chances = Latencies(), Random(7)
    latencies.learn_all({_SHAPE: [before_s] * 64})

    for _ in range(600):
        at, asked, running_at_s = latencies.first_wait_s(_SHAPE, chances.random()), 0, None
        while at < after_s:
            asked, running_at_s = asked + 1, at
            at += latencies.next_wait_s(_SHAPE, asked=asked, elapsed_s=at, chance=chances.random())
        latencies.learn(_SHAPE, running_at_s=running_at_s, done_at_s=at)

    assert 0.9 * after_s <= latencies.first_wait_s(_SHAPE, 0.5) <= 1.2 * after_s


def test_only_recent_durations_count() -> None:
    """Of what earlier runs recorded, newest first, 64 count."""
    latencies = Latencies()
    latencies.learn_all({_SHAPE: [1.0] * 64 + [1000.0] * 100})

    assert latencies.first_wait_s(_SHAPE, 0.5) <= 1.1


def test_the_vendors_own_measure_bounds_what_was_seen_late() -> None:
    """A task found done after an outage of hours, which the vendor says took 20 s, teaches 21 s at most."""
    latencies = Latencies()
    latencies.learn(_SHAPE, running_at_s=None, done_at_s=9000.0, lasted_s=20.0)

    assert 21.0 <= latencies.first_wait_s(_SHAPE, 0.5) <= 21.5


def test_a_measure_that_contradicts_our_own_is_not_believed() -> None:
    """A vendor's clock may be wrong: what was still running at 30 s did not take 5."""
    latencies = Latencies()
    latencies.learn(_SHAPE, running_at_s=30.0, done_at_s=40.0, lasted_s=5.0)

    assert 40.0 <= latencies.first_wait_s(_SHAPE, 0.5) <= 40.8
