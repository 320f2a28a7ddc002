"""Prices learned from answers."""

from batchgen.core.money import Micros
from batchgen.worker.prices import Prices
from tests.support.builders import job


def test_a_kind_never_seen_has_no_price() -> None:
    """Nothing is guessed, not even from the same model."""
    prices = Prices()
    prices.learn(job(params={"resolution": "1k"}), Micros(60_000))

    assert prices.of(job(params={"resolution": "2k"})) is None


def test_the_newest_price_wins() -> None:
    """What an answer names replaces what earlier runs recorded; an answer without a cost teaches nothing."""
    prices = Prices()
    prices.learn_all({("painter", "1k", ""): Micros(50_000)})
    prices.learn(job(), Micros(60_000))
    prices.learn(job(), None)

    assert 60_000 == prices.of(job())


def test_quality_is_part_of_the_kind() -> None:
    """Model, resolution and quality set the price, the prompt does not."""
    prices = Prices()
    prices.learn(job(params={"resolution": "1k", "quality": "high"}), Micros(90_000))

    assert 90_000 == prices.of(job(2, prompt="else", params={"resolution": "1k", "quality": "high"}))
    assert prices.of(job()) is None
