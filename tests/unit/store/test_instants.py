"""Instants as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.store.instants import from_text, to_text

INSTANTS = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone follows


@given(INSTANTS)
def test_an_instant_survives_the_database(at: datetime) -> None:
    """What is written is read back."""
    assert at == from_text(to_text(at))


@given(INSTANTS, INSTANTS)
def test_text_sorts_like_time(one: datetime, other: datetime) -> None:
    """The database may compare instants as text."""
    assert (one < other) == (to_text(one) < to_text(other))


def test_other_zones_are_written_as_utc() -> None:
    """Every instant has the same width and zone."""
    at = datetime(2026, 11, 22, 3, 2, 1, tzinfo=timezone(timedelta(hours=2)))

    assert "2026-11-22T01:02:01.000000Z" == to_text(at)


def test_a_naive_instant_is_refused() -> None:
    """An instant without a zone could be any of twenty-four."""
    with pytest.raises(ValueError, match="time zone"):
        to_text(datetime(2026, 11, 22))  # noqa: DTZ001 - the point of the test
