"""What a price depends on, and price lists from text to text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.dialects import Price
from batchgen.core.money import Micros
from batchgen.core.pricing import PriceKind, PriceList, kind, kind_of
from tests.support.builders import job

_AT = datetime(2026, 11, 22, 1, 2, 3, 456_789, tzinfo=UTC)
_PRICES = st.dictionaries(
    st.text(max_size=20),
    st.builds(
        Price, micros=st.integers(min_value=0, max_value=10**15).map(Micros), mode=st.sampled_from(["per_task", "per_second", "\u00fc"])
    ),
    max_size=5,
)


def test_a_kind_is_what_the_price_depends_on() -> None:
    """Operation, model, resolution, quality, size, duration and the number of references; what is unset is empty."""
    params = {"model": "m", "resolution": "1k", "quality": "high", "size": "1x1", "duration": "5", "ratio": "1:1", "seed": "7"}

    assert PriceKind("edit", "m", "1k", "high", "1x1", "5", 2) == kind("edit", params, references=2)
    assert PriceKind("image", "", "", "", "", "", 0) == kind("image", {}, references=0)


def test_a_jobs_kind_is_that_of_its_order() -> None:
    """The wire parameters of the row count, and its references by number."""
    references = ({"name": "a", "sha256": "aa"}, {"name": "b", "url": "https://example.com/b.png", "role": "mask"})
    row = job(operation="edit", params={"model": "m", "size": "1x1"}, references=references, prompt="whatever")

    assert kind("edit", {"model": "m", "size": "1x1"}, references=2) == kind_of(row)


@pytest.mark.parametrize("change", [{"operation": "edit"}, {"params": {"model": "n"}}, {"references": ({"name": "a"},)}])
def test_orders_that_may_differ_in_price_are_of_different_kinds(change: dict[str, object]) -> None:
    """Each part of the kind tells orders apart."""
    assert kind_of(job(params={"model": "m"})) != kind_of(job(**{"params": {"model": "m"}, **change}))


@given(_PRICES, st.text(max_size=30))
def test_a_price_list_comes_back_as_it_was_written(prices: dict[str, Price], source: str) -> None:
    """Names, amounts to the millionth, units, source and time survive the way through text."""
    listed = PriceList(source=source, at=_AT, prices=prices)

    assert listed == PriceList.from_json(listed.to_json())


@pytest.mark.parametrize(
    ("micros", "text"), [(1, "0.000001"), (60_000, "0.06"), (100_000, "0.1"), (123_456_789_012_345, "123456789.012345")]
)
def test_amounts_are_written_as_exact_decimals(micros: int, text: str) -> None:
    """A person can read them, and no float has touched them."""
    listed = PriceList(source="s", at=_AT, prices={"m": Price(micros=Micros(micros))})

    assert f'"m": ["{text}", "per_task"]' in listed.to_json()


def test_equal_lists_are_written_alike() -> None:
    """The order in which a catalogue came does not show; letters stand as they are."""
    one, other = Price(micros=Micros(1)), Price(micros=Micros(2), mode="per_second")
    here = PriceList(source="s\u00fc", at=_AT, prices={"a": one, "b": other})
    there = PriceList(source="s\u00fc", at=_AT, prices={"b": other, "a": one})

    assert here.to_json() == there.to_json()
    assert "s\u00fc" in here.to_json()


def test_the_instant_keeps_its_meaning() -> None:
    """A list read in another zone tells the same moment."""
    at = datetime(2026, 11, 22, 3, 2, 3, tzinfo=timezone(timedelta(hours=2)))

    again = PriceList.from_json(PriceList(source="s", at=at).to_json())

    assert again is not None
    assert at == again.at


def test_no_text_is_no_list() -> None:
    """A plan that was saved without prices has none."""
    assert PriceList.from_json("") is None
