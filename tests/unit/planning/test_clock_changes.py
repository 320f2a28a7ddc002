"""Deadlines given as a time of day, around the nights in which clocks are changed."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from batchgen.planning.settings import deadline_after

CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    "Asia/Kolkata": (datetime(2026, 3, 29, 1, tzinfo=UTC),),
}


@pytest.fixture(params=list(CHANGES))
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the process live in a zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("word", ["00:00", "02:30", "03:05", "07:30", "23:59"])
def test_a_time_of_day_is_the_next_such_time_whatever_the_clocks_do(zone: str, word: str) -> None:
    """From a day before to a day after each change: the deadline lies ahead, at most a day and an hour, and reads as was asked.

    A time that the change leaves out is at most an hour off; of one that comes twice it may be either.
    """
    for change in CHANGES[zone]:
        for minutes in range(-1500, 1501, 50):
            now = change + timedelta(minutes=minutes, seconds=1)

            deadline = deadline_after(word, now)

            asked, told = timedelta(hours=int(word[:2]), minutes=int(word[3:])), deadline.astimezone()
            off = abs(timedelta(hours=told.hour, minutes=told.minute) - asked)
            assert timedelta(0) < deadline - now <= timedelta(hours=26)
            assert off == timedelta(0) or (off <= timedelta(hours=1) and abs(deadline - change) <= timedelta(hours=1))
