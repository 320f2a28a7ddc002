"""Tests of the rate limit at the door."""

from batchgen.sim.pacing import Bucket


def test_a_bucket_refills_with_time() -> None:
    """A burst of one second's worth passes, then one per interval."""
    bucket = Bucket(2.0)

    at_once = [bucket.take(100.0) for _ in range(3)]
    later = [bucket.take(100.5), bucket.take(100.5)]

    assert at_once == [True, True, False]
    assert later == [True, False]


def test_a_clock_that_steps_back_does_not_fill_a_bucket() -> None:
    """Time that repeats itself gives nothing."""
    bucket = Bucket(1.0)
    bucket.take(100.0)

    assert not bucket.take(50.0)
    assert not bucket.take(100.9)


def test_a_bucket_follows_its_rate() -> None:
    """After the rate has risen, the burst is that of the new one."""
    bucket = Bucket(1.0)
    bucket.take(100.0)

    bucket.rate = 3.0

    assert [True, True, True, False] == [bucket.take(110.0) for _ in range(4)]
