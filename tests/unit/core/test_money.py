"""Money in exact millionths."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.money import from_micros, shown, to_micros


@given(st.integers(min_value=0, max_value=10**18))
def test_micros_survive_the_way_out_and_back(micros: int) -> None:
    """Converting to a decimal, to its text and back loses nothing."""
    assert micros == to_micros(from_micros(micros)) == to_micros(str(from_micros(micros)))


@given(st.decimals(min_value=0, max_value=10**12, places=6, allow_nan=False, allow_infinity=False))
def test_six_places_are_kept_exactly(amount: Decimal) -> None:
    """Any amount with up to six decimals comes back equal."""
    assert amount == from_micros(to_micros(amount))


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_amounts_are_written_without_exponent_or_trailing_zeros(micros: int) -> None:
    """What people read is plain digits."""
    text = str(from_micros(micros))

    assert set(text) <= set("-.0123456789")
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(
    ("amount", "micros"), [("0.06", 60_000), (3, 3_000_000), ("0", 0), (Decimal("0.0000005"), 1), ("0.0000004", 0), ("1e3", 10**9)]
)
def test_known_amounts_convert(amount: Decimal | int | str, micros: int) -> None:
    """Halves of a millionth round up, less is dropped."""
    assert micros == to_micros(amount)


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "sNaN", "Infinity", "", "six", "1e13", -1])
def test_what_is_no_amount_is_refused(amount: int | str) -> None:
    """Negative, endless, enormous and unreadable amounts raise ValueError."""
    with pytest.raises(ValueError, match="amount"):
        to_micros(amount)


def test_an_unknown_amount_is_never_shown_as_zero() -> None:
    """None is ``unknown``; 0 is 0."""
    assert ["unknown", "0 coin", "0.06 coin", "0.06"] == [shown(None, "coin"), shown(0, "coin"), shown(60_000, "coin"), shown(60_000, "")]
