"""What models cost, as it is shown."""

import pytest

from batchgen.api.dialects import BUILT_IN
from batchgen.app.catalogue import Offer, _offer
from batchgen.core.dialects import Model, Price
from batchgen.core.money import Micros


def _priced(mode: str, **model: tuple[str, ...]) -> Offer:
    films = Model(name="film", operations=("video",), **model)  # type: ignore[arg-type] # any tuple of words
    return _offer("jimmyai-video", "built in", BUILT_IN["jimmyai-video"], films, {"film": Price(micros=Micros(60_000), mode=mode)})


@pytest.mark.parametrize(
    ("offer", "shown", "mode"),
    [
        (_priced("per_second"), "film  0.06 coin per second", "per_second"),
        (_priced("per_second", durations=("5", "10")), "film  0.3 to 0.6 coin", "per_order"),
        (_priced("per_task"), "film  0.06 coin", "per_order"),
    ],
)
def test_an_open_duration_is_priced_by_the_second(offer: Offer, shown: str, mode: str) -> None:
    """Where the durations are known, or do not count, an order has a price; else a second has."""
    price = offer.as_object()["price"]

    assert shown == next(offer.lines())
    assert isinstance(price, dict)
    assert ("coin", mode) == (price["unit"], price["mode"])


def test_a_mode_that_nobody_knows_has_no_price() -> None:
    """Neither an order nor a second of it can be priced."""
    offer = _priced("per_frame")

    assert "film  price unknown" == next(offer.lines())
    assert offer.as_object()["price"] is None
