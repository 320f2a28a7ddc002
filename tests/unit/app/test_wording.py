"""Words that answers share."""

from batchgen.app.wording import at_least, counted, money
from batchgen.core.states import State
from batchgen.store.queries import Doubts, Totals


def _money(*, spent: int = 0, reserved: int = 0, held: int = 0, unpriced: int = 0) -> str:
    totals = Totals(states=dict.fromkeys(State, 0), spent=spent, reserved=reserved, held=held, orders=4)
    return money(totals, Doubts(unpriced=unpriced, unproven=0, unproven_micros=None), "USD")


def test_one_thing_has_no_plural() -> None:
    """Only one is one."""
    assert ("0 rows", "1 row", "2 rows") == (counted(0, "row"), counted(1, "row"), counted(2, "row"))


def test_an_unknown_sum_is_never_0() -> None:
    """What is known is a lower bound; where nothing is, the sum is unknown."""
    assert "at least 0.05 USD (1 row)" == at_least(50_000, "USD", unpriced="1 row")
    assert "unknown (1 row)" == at_least(0, "USD", unpriced="1 row")


def test_money_names_only_what_there_is() -> None:
    """Reserved and in doubt stand there when they are not 0."""
    assert "spent 0 USD" == _money()
    assert "spent 1.92 USD, reserved 0.04 USD, in doubt 0.08 USD" == _money(spent=1_920_000, reserved=40_000, held=80_000)


def test_money_tells_orders_without_a_price() -> None:
    """Nothing known is unknown; with some known it is at least that."""
    assert "cost unknown (2 orders without a price)" == _money(unpriced=2)
    assert "cost at least 0.025 USD (1 order without a price)" == _money(spent=25_000, unpriced=1)
    assert "cost unknown (1 order without a price), in doubt 0.08 USD" == _money(held=80_000, unpriced=1)
