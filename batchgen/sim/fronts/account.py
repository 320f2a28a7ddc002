"""Answer what is free to ask: balances, prices, and two out-of-band views for tests."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from batchgen.sim import prices
from batchgen.sim.codes import BAD_KEY
from batchgen.sim.desk import Desk, key_of
from batchgen.sim.misbehaviour import as_json, envelope, refusal

_COUNTED = ("posts", "accepted", "throttled", "polls", "uploads", "downloads", "authorization_on_files")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFront:
    """Tell about money."""

    desk: Desk

    async def user_balance(self, request: Request) -> Response:
        """Tell the balance of the account."""
        return self._account(request, self.desk.vendor.user_balance)

    async def key_balance(self, request: Request) -> Response:
        """Tell the quota of the key."""
        return self._account(request, self.desk.vendor.key_balance)

    async def catalog(self, request: Request) -> Response:
        """Tell the public prices; no key is asked for."""
        search = request.query_params.get("search", "")
        return envelope({"list": prices.listing(search, self.desk.options.price_scale)})

    async def bill(self, _request: Request) -> Response:
        """Show the billing ledger; out of band, no key."""
        self.desk.vendor.settle()
        return as_json([line.as_json() for line in self.desk.ledger.lines])

    async def stats(self, _request: Request) -> Response:
        """Show what this process has seen; out of band, no key."""
        self.desk.vendor.settle()
        seen = {name: self.desk.seen[name] for name in _COUNTED}
        faults = {"drawn": self.desk.plan.occurrences, "faults": dict(self.desk.plan.met)}
        return as_json({"pid": os.getpid(), **seen, **faults} | self.desk.vendor.stats())

    def _account(self, request: Request, told: Callable[[], dict[str, object]]) -> Response:
        if not self.desk.vendor.authorize(key_of(request)):
            return refusal(BAD_KEY, "")
        self.desk.vendor.settle()
        return envelope(told())
