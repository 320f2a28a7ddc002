"""Prices learned from answers."""

from batchgen.core.dialects import Price
from batchgen.core.money import Micros
from batchgen.core.pricing import kind_of
from batchgen.worker.prices import Prices
from tests.support.builders import job
from tests.support.fake_client import FakeDialect


def test_a_kind_never_seen_has_no_price() -> None:
    """Nothing is guessed, not even from the same model."""
    prices = Prices(rules=FakeDialect())
    prices.learn(job(params={"resolution": "1k"}), Micros(60_000))

    assert prices.of(job(params={"resolution": "2k"})) is None


def test_the_newest_price_wins() -> None:
    """What an answer names replaces what earlier runs recorded; an answer without a cost teaches nothing."""
    prices = Prices(rules=FakeDialect())
    prices.learn_all({kind_of(job()): Micros(50_000)})
    prices.learn(job(), Micros(60_000))
    prices.learn(job(), None)

    assert 60_000 == prices.of(job())


def test_quality_is_part_of_the_kind() -> None:
    """Model, resolution and quality set the price, the prompt does not."""
    prices = Prices(rules=FakeDialect())
    prices.learn(job(params={"resolution": "1k", "quality": "high"}), Micros(90_000))

    assert 90_000 == prices.of(job(2, prompt="else", params={"resolution": "1k", "quality": "high"}))
    assert prices.of(job()) is None


def test_the_catalogue_prices_what_no_answer_has_priced() -> None:
    """The vendor's list stands in until an answer tells what is really charged."""
    prices = Prices(rules=FakeDialect(), catalogue={"painter": Price(micros=Micros(70_000))})
    wanted = job(params={"model": "painter"})

    assert 70_000 == prices.of(wanted)
    prices.learn(wanted, Micros(60_000))
    assert 60_000 == prices.of(wanted)


def test_the_users_own_price_wins() -> None:
    """Whoever writes a price into the manifest knows what the account is charged."""
    prices = Prices(rules=FakeDialect(), own={"painter": Micros(10_000)}, catalogue={"painter": Price(micros=Micros(70_000))})
    wanted = job(params={"model": "painter"})
    prices.learn(wanted, Micros(60_000))

    assert 10_000 == prices.of(wanted)
