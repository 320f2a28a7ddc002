"""What orders cost before they are placed: the user's own figures, what answers named, the vendor's catalogue."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from batchgen.app.asking import ask, reason
from batchgen.app.clock import SystemClock
from batchgen.app.vendor import dialect_of, endpoint_of
from batchgen.core.dialects import Call, Dialect, Priced, Reply
from batchgen.core.money import Micros, to_micros
from batchgen.core.pricing import PriceKind, PriceList, RowKind
from batchgen.planning.settings import ProviderSettings
from batchgen.settings import Settings
from batchgen.worker.prices import Prices

PATIENCE_S: Final = 5.0
"""A catalogue is a help: whoever plans does not wait longer for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking for a catalogue: the list, or the trouble in one sentence; neither where there was nobody to ask."""

    listed: PriceList | None = None
    trouble: str = ""


def look_up(provider: ProviderSettings, settings: Settings) -> Asked:
    """Ask the vendor of a batch for its price catalogue, unless it has none or is the simulator; sends no key."""
    dialect = dialect_of(provider)
    if provider.use == "sim" or not isinstance(dialect, Priced):
        return Asked()
    call = dialect.catalogue_call()
    endpoint = endpoint_of(provider, dialect, key=None)
    answers = ask(endpoint, [call], user_agent=settings.user_agent, patience_s=PATIENCE_S)
    host = urlsplit(endpoint.base_url).netloc
    if isinstance(answers, Exception):
        return Asked(trouble=f"{host} could not be asked for prices: {reason(answers)}")
    listed = read(dialect, call, answers[0], base_url=endpoint.base_url)
    return Asked(listed=listed, trouble="" if listed else f"{host} was asked for prices and told none (HTTP {answers[0].status})")


def read(dialect: Priced, call: Call, reply: Reply, *, base_url: str) -> PriceList | None:
    """Read a catalogue out of the vendor's answer, with where and when it was read."""
    prices = dialect.read_catalogue(reply)
    if not prices:
        return None
    source = f"{urlsplit(base_url).netloc}{call.path.partition('?')[0]}"
    return PriceList(source=source, at=SystemClock().now(), prices=prices)


def prices_of(provider: ProviderSettings, dialect: Dialect, listed: PriceList | None, learned: Mapping[PriceKind, int]) -> Prices:
    """Put together all that is known of a batch's prices."""
    own = {model: to_micros(Decimal(amount)) for model, amount in provider.prices.items()}
    prices = Prices(rules=dialect, own=own, catalogue=listed.prices if listed else {})
    prices.learn_all(learned)
    return prices


def price_of(prices: Prices, asked: RowKind) -> Micros | None:
    """Give the upper price of one of the rows that ask for the same, or None."""
    return prices.of_order(asked.operation, json.loads(asked.params), references=asked.references)
