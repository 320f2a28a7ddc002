"""Hold the account's use against the recorded orders: when it rose by no more than they cost, nothing that is in doubt was billed. Pure.

The evidence proves one thing only. Every order's cost is at least 0, so if the use rose by exactly what the orders with a known cost
explain, then neither an order in doubt nor a failed one was billed. Any other rise leaves the question open: somebody else may use the
key, or a refund may still be on its way. A refund of an earlier failure could hide a bill, so the minutes before must be quiet.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from batchgen.core.dialects import Account
from batchgen.core.money import Micros, shown

REFUNDS_TAKE: Final = timedelta(minutes=10)
"""After this time a refund that a failed task earns has arrived."""

_FINEST: Final = 100
"""Micros in the smallest step of a vendor's books: 0.0001 of the unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a key, or where it does not tell the account, had used at an instant, in micros."""

    whose: str
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the job table tells of the time since the run began in which the oldest order in doubt went out.

    ``explained`` is the sum of the known costs of orders that did not fail; ``unpriced`` counts accepted orders without one, and
    ``unfinished`` tasks that still run; ``others`` says whether other batches ran meanwhile; ``failed_before`` whether an order failed
    shortly before that time.
    """

    since: datetime
    use: Use | None
    doubtful: int
    explained: int
    unpriced: int
    unfinished: int
    others: bool
    failed_before: bool
    last_failure: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether it is proven that nothing in doubt was billed; ``why`` is the sentence for the record, or for the operator."""

    proven: bool
    why: str
    may_change: bool = False
    """Whether a refund that is still due could change it."""


def use_of(account: Account | None) -> Use | None:
    """Give the key's use where the vendor tells it, else the account's, else None."""
    if account is None:
        return None
    if account.quota_used is not None:
        return Use(whose="key", micros=account.quota_used)
    return None if account.used is None else Use(whose="account", micros=account.used)


def judge(evidence: Evidence, now: Use | None, *, at: datetime, unit: str) -> Verdict:
    """Say what the account's use proves about the orders in doubt."""
    before = evidence.use
    if before is None or now is None or before.whose != now.whose:
        return Verdict(proven=False, why="the vendor does not tell what was used")
    if evidence.others:
        return Verdict(proven=False, why="other batches of this database ran meanwhile")
    if evidence.unfinished:
        return Verdict(proven=False, why=f"{evidence.unfinished} tasks still run")
    if evidence.unpriced:
        return Verdict(proven=False, why=f"{evidence.unpriced} accepted orders have no known cost")
    if evidence.failed_before:
        return Verdict(proven=False, why="a refund of an earlier failure may have fallen into that time")
    rise = now.micros - before.micros
    rest = rise - evidence.explained
    told = f"the {now.whose}'s use rose by {shown(Micros(max(rise, 0)), unit)}, orders explain {shown(Micros(evidence.explained), unit)}"
    if abs(rest) < _FINEST:
        return Verdict(proven=True, why=told)
    is_due = evidence.last_failure is not None and at - evidence.last_failure < REFUNDS_TAKE
    return Verdict(proven=False, why=told, may_change=rest > 0 and is_due)
