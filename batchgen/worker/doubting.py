"""What policy does about orders whose answer was lost: hold them, hold the account's use against the books, or buy again under a cap.

Theory of operation. ``hold`` leaves every such order to a person. ``resubmit`` orders it once more at once, at most once a job, while the
sum of what may thereby be bought twice stays under ``limits.ambiguous_cost``; an order whose price nobody knows is held. ``reconcile``
waits until nothing else is left to do, asks the account, and orders again only if it is proven that nothing in doubt was billed
(``core.reconciling``). Each repetition is a recorded decision of the actor ``policy``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from batchgen.core import events as e
from batchgen.core.dialects import Account
from batchgen.core.errors import StaleJobError
from batchgen.core.jobs import Job
from batchgen.core.money import Micros, shown
from batchgen.core.ports import Ledger
from batchgen.core.reconciling import Use, judge, use_of
from batchgen.core.retry import REGENERATIONS
from batchgen.core.states import State
from batchgen.worker.bearing import Bearing
from batchgen.worker.prices import Prices
from batchgen.worker.recorder import Recorder

_POLICY: Final = "policy"
_LOOK_AGAIN_S: Final = 60.0
_ROUNDS: Final = 3
"""How often a run lets proof lead to new orders: each costs nothing, but a vendor that loses every answer is not worth more."""

AskAccount = Callable[[], Awaitable[Account | None]]
"""Ask the vendor for the account's money; None when it does not tell."""


@dataclass(slots=True, kw_only=True)
class Doubter:
    """Decides by the batch's policy about orders that are ambiguous; what it does not decide is left to a person."""

    recorder: Recorder
    ledger: Ledger
    prices: Prices
    bearing: Bearing
    ask_account: AskAccount
    _left: Micros | None = None
    """What is left of the allowance; None while the policy allows nothing."""
    _rounds: int = 0

    async def take_over(self) -> None:
        """See what is left of the allowance, and decide about the orders that are in doubt when a run begins."""
        limits = self.bearing.limits
        if limits.on_ambiguous != "resubmit" or limits.ambiguous_cost is None:
            return
        self._left = Micros(limits.ambiguous_cost - await asyncio.wrap_future(self.ledger.repeated()))
        for job in await asyncio.wrap_future(self.ledger.doubtful()):
            await self.decide(job)

    async def decide(self, job: Job) -> Job:
        """Order an ambiguous job again where policy allows it at once; give it back as it stands then."""
        if self._left is None or job.state is not State.AMBIGUOUS:
            return job
        price = self.prices.of(job)
        if price is None or price > self._left or job.regenerated >= REGENERATIONS or job.reason == e.REPEATED_TASK:
            return job
        self._left = Micros(self._left - price)
        unit = self.prices.rules.unit
        detail = f"may be bought twice for {shown(price, unit)}; {shown(self._left, unit)} of the allowance left"
        return await self._again(job, e.ResubmitAllowed(reason="resubmit", detail=detail))

    async def reconcile(self) -> bool:
        """Hold the account's use against the books once nothing else is left to do; say whether jobs were thereby planned again."""
        if self.bearing.limits.on_ambiguous != "reconcile" or self._rounds >= _ROUNDS:
            return False
        evidence = await asyncio.wrap_future(self.ledger.evidence())
        if evidence is None:
            return False
        self._rounds += 1
        while True:
            now = self.bearing.clock.now()
            verdict = judge(evidence, await self._use(), at=now, unit=self.prices.rules.unit)
            if not verdict.may_change or self.bearing.stop is not None:
                break
            await self._wait_for_refunds()
        note = self.bearing.log.info if verdict.proven else self.bearing.log.warning
        note("account.reconciled", proven=verdict.proven, orders=evidence.doubtful, why=verdict.why)
        if not verdict.proven:
            self.bearing.say(f"{evidence.doubtful} orders stay in doubt: {verdict.why}")
            return False
        for job in await asyncio.wrap_future(self.ledger.doubtful()):
            if job.reason != e.REPEATED_TASK:
                await self._again(job, e.BillingDisproved(reason="reconciled", detail=verdict.why))
        return self.bearing.rows_left is None

    async def _use(self) -> Use | None:
        return use_of(await self.ask_account())

    async def _wait_for_refunds(self) -> None:
        """Wait a minute, or until the run is told to stop."""
        timer = asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self.bearing.wake.set)
        self.bearing.wake.clear()
        await self.bearing.wake.wait()
        timer.cancel()

    async def _again(self, job: Job, decision: e.Event) -> Job:
        """Record a decision that plans the job again; somebody else's decision goes first."""
        try:
            job = await self.recorder.record(job, decision, actor=_POLICY)
        except StaleJobError:
            return job
        self.bearing.rows_left = None
        return job
