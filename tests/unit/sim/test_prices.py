"""Tests of the price table: every model has its price, and the modes are the documented ones."""

from decimal import Decimal

import pytest

from batchgen.sim import openai_models, prices, synchronous, videos


def listed() -> dict[str, dict[str, object]]:
    """Return the catalogue by name."""
    return {str(line["model_name"]): line for line in prices.listing("", Decimal(1))}


@pytest.mark.parametrize("name", ["gpt-image-2-sync", "gpt-image-2-sync-low", "gpt-image-2-sync-medium", "gpt-image-2-sync-high"])
def test_the_tiers_of_the_synchronous_call_are_listed(name: str) -> None:
    """The names are the documented ones."""
    assert listed()[name]["price_mode"] == "per_task"


def test_known_prices_are_the_published_ones() -> None:
    """Seedream, the tools and two films cost what their pages say."""
    names = ("doubao-seedream-5-0-pro-2k", "doubao-seedream-5-0-pro-ref", "upscale", "remove-bg", "seedance-2.5-sp", "sd2-933-720p")

    assert [listed()[name]["unit_price"] for name in names] == [0.72, 0.024, 0.02, 0.01, 0.5, 0.0479]


def test_every_model_on_sale_is_listed() -> None:
    """No request can cost what the catalogue does not tell."""
    sold = {*videos.BY_MODEL, *(f"openai/{name}" for name in openai_models.MODELS)} | (synchronous.MODELS.keys() - {"gpt-image-2"})

    assert set() == sold - listed().keys()
    assert {"video"} == {listed()[name]["model_type"] for name in videos.BY_MODEL}


def test_the_search_looks_at_type_and_name() -> None:
    """A search for a type finds its lines."""
    found = prices.listing("VIDEO", Decimal(1))

    assert videos.BY_MODEL.keys() <= {line["model_name"] for line in found}


def test_a_total_is_exact() -> None:
    """Decimal money, no exponent, four decimals."""
    assert str(prices.total([("sd2-933-720p", 3), ("upscale", 2)], Decimal(1))) == "0.1837"
    assert str(prices.total([("wan3.0", 10)], Decimal(1000))) == "600"
