"""What must become of a batch, event by event: the rules of DESIGN once more, by hand, with the money counted afresh each time.

Nothing here is read from the tables under test; only the events' own fields are used.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError, BudgetReachedError, IllegalTransitionError, InputError, StaleJobError
from batchgen.core.jobs import Change


class Law(NamedTuple):
    """In which states an event may come, to which it leads (empty: it stays), and what it makes of the order (empty: nothing)."""

    before: str
    after: str
    outcome: str = ""


LAWS: Final = {
    e.SubmitStarted: Law("planned", "submitting", "open"),
    e.SubmitNotSent: Law("submitting", "planned", "not_sent"),
    e.SubmitRefused: Law("submitting", "planned", "refused"),
    e.SubmitUnproven: Law("submitting", "planned", "unproven"),
    e.SubmitUnreachable: Law("submitting", "failed", "not_sent"),
    e.SubmitRejected: Law("submitting", "failed", "refused"),
    e.SubmitGivenUp: Law("submitting", "failed", "unproven"),
    e.SubmitUnknown: Law("submitting", "ambiguous", "ambiguous"),
    e.SubmitAccepted: Law("submitting", "submitted", "accepted"),
    e.TaskAttached: Law("ambiguous", "submitted", "accepted"),
    e.ResubmitAllowed: Law("ambiguous", "planned"),
    e.BillingDisproved: Law("ambiguous", "planned", "not_billed"),
    e.JobAbandoned: Law("ambiguous", "cancelled"),
    e.TaskStalled: Law("submitted", "submitted"),
    e.RenderFinished: Law("submitted failed", "rendered"),
    e.RenderFailed: Law("submitted", "failed"),
    e.DownloadDeferred: Law("rendered", "rendered"),
    e.FreshUrlWanted: Law("rendered", "submitted"),
    e.ImagesStaged: Law("rendered", "rendered"),
    e.ImagesSaved: Law("rendered", "saved"),
    e.DownloadFailed: Law("rendered", "failed"),
    e.DriftSeen: Law("planned ambiguous submitted rendered failed", ""),
    e.RetryAllowed: Law("failed cancelled", "planned"),
    e.JobCancelled: Law("planned", "cancelled"),
    e.JobRetired: Law("planned", "cancelled"),
    e.JobRestored: Law("cancelled", "planned"),
}
PURCHASES: Final = frozenset({e.SubmitUnproven, e.ResubmitAllowed, e.BillingDisproved, e.RetryAllowed, e.JobRestored})
"""The decisions that allow one more purchase."""

POCKETS: Final = {"accepted": "spent", "open": "reserved", "ambiguous": "held", "unproven": "held"}
"""Where an order's money lies; that of any other order lies nowhere."""


@dataclass(slots=True)
class Order:
    """One POST: what was set aside for it, what is known of it, and whether it stands on the vendor's bill. Money in micros."""

    estimate: int | None
    outcome: str = "open"
    cost: int | None = None
    task_id: str | None = None
    is_superseded: bool = False
    is_billed: bool = False

    @property
    def weight(self) -> int:
        """Give what the order counts for."""
        return next((amount for amount in (self.cost, self.estimate) if amount is not None), 0)


@dataclass(slots=True)
class Life:
    """One job; ``current`` is the number of the order that it stands by, None while it has none."""

    state: str = "planned"
    version: int = 0
    reason: str = ""
    next_at: datetime | None = None
    orders: list[Order] = field(default_factory=list)
    current: int | None = None
    decisions: int = 0
    unproven: int = 0
    not_sent: int = 0
    regenerated: int = 0
    files: list[tuple[str, str]] = field(default_factory=list)

    @property
    def order(self) -> Order | None:
        """Give the current order."""
        return None if self.current is None else self.orders[self.current - 1]


@dataclass(slots=True)
class Batch:
    """The lives of all jobs by their row numbers, which are also their running order."""

    lives: dict[int, Life]

    def orders(self) -> Iterator[Order]:
        """Give every order there ever was."""
        return (order for life in self.lives.values() for order in life.orders)

    def money(self) -> tuple[int, int, int]:
        """Count what is spent, reserved and held."""
        sums = dict.fromkeys(("spent", "reserved", "held"), 0)
        for order in self.orders():
            if order.outcome in POCKETS:
                sums[POCKETS[order.outcome]] += order.weight
        return sums["spent"], sums["reserved"], sums["held"]

    def bought(self) -> int:
        """Count the orders that are or may be bought."""
        return sum(order.outcome in POCKETS for order in self.orders())

    def tasks(self) -> list[str]:
        """Give every task that is known."""
        return [order.task_id for order in self.orders() if order.task_id is not None]

    def due(self, now: datetime) -> list[int]:
        """Give the jobs that may be ordered."""
        return [n for n, life in self.lives.items() if life.state == "planned" and (life.next_at is None or life.next_at <= now)]

    def bought_without_leave(self) -> list[int]:
        """Give the jobs with more orders on the bill than were allowed, or with one there that the books do not count."""
        return [
            number
            for number, life in self.lives.items()
            if sum(order.is_billed for order in life.orders) > 1 + life.decisions
            or any(order.is_billed and order.outcome not in POCKETS for order in life.orders)
        ]

    def refusal(self, change: Change) -> type[BatchgenError] | None:
        """Say with which error a change must be refused; None when it must be recorded."""
        life, event = self.lives[change.job_id], self._as_taken(change.event)
        if change.version != life.version:
            return StaleJobError
        if isinstance(event, e.TaskAttached) and event.task_id in self.tasks():
            return InputError
        if life.state not in LAWS[type(event)].before.split():
            return IllegalTransitionError
        if isinstance(event, e.RenderFinished) and (life.order is None or life.order.outcome != "accepted"):
            return IllegalTransitionError
        return BudgetReachedError if isinstance(event, e.SubmitStarted) and not self._fits(event) else None

    def take(self, change: Change) -> type[BatchgenError] | None:
        """Follow a change, or give the error with which it must be refused; then nothing has moved."""
        refusal = self.refusal(change)
        if refusal is None:
            self._follow(self.lives[change.job_id], self._as_taken(change.event), is_policy=change.actor == "policy")
        return refusal

    def _follow(self, life: Life, event: e.Event, *, is_policy: bool) -> None:
        law = LAWS[type(event)]
        life.version += 1
        life.decisions += type(event) in PURCHASES
        if isinstance(event, e.DriftSeen):
            return
        if isinstance(event, e.SubmitStarted):
            life.orders.append(Order(self._set_aside(event)))
            life.current = len(life.orders)
        if life.order is not None:
            _settle(life.order, event, law)
        if life.state == "rendered" and not isinstance(event, e.DownloadDeferred):
            word = "verified" if law.after == "saved" else "staged"
            life.files = [(word, image.path) for image in getattr(event, "images", ())]
        _count(life, event, is_policy=is_policy)
        life.state, life.next_at = law.after, getattr(event, "next_at", None)
        life.reason = getattr(event, "reason", "")
        if life.state == "planned":
            life.current = None

    def _as_taken(self, event: e.Event) -> e.Event:
        """Take an answer with a task that another order already has for no answer."""
        is_repeated = isinstance(event, e.SubmitAccepted) and event.task_id in self.tasks()
        return e.SubmitUnknown(reason="repeated_task_id") if is_repeated else event

    def _set_aside(self, event: e.SubmitStarted) -> int | None:
        """Give what is reserved for an order: one of unknown price takes all that is left under a limit."""
        if event.cap_cost is None or event.reserved is not None:
            return event.reserved
        return event.cap_cost - sum(self.money())

    def _fits(self, event: e.SubmitStarted) -> bool:
        needed = max(self._set_aside(event) or 0, event.reserved is None)
        fits_cost = event.cap_cost is None or sum(self.money()) + needed <= event.cap_cost
        return fits_cost and (event.cap_orders is None or self.bought() < event.cap_orders)


def _settle(order: Order, event: e.Event, law: Law) -> None:
    """Write an event into the order that it is about."""
    order.outcome = law.outcome or order.outcome
    order.is_superseded = law.after == "planned"
    if isinstance(event, e.SubmitAccepted | e.TaskAttached):
        order.task_id = event.task_id
    if isinstance(event, e.SubmitAccepted | e.RenderFinished | e.RenderFailed) and event.cost is not None:
        order.cost = event.cost


def _count(life: Life, event: e.Event, *, is_policy: bool) -> None:
    """Count what policy allows only so often; a person's decision starts the counts again."""
    match event:
        case e.SubmitUnproven():
            life.unproven += 1
        case e.SubmitNotSent() | e.SubmitUnreachable():
            life.not_sent += 1
        case e.SubmitAccepted():
            life.not_sent = 0
        case e.ResubmitAllowed() | e.RetryAllowed() if is_policy:
            life.regenerated += 1
        case e.BillingDisproved() if is_policy:
            pass
        case e.ResubmitAllowed() | e.RetryAllowed() | e.BillingDisproved() | e.JobRestored():
            life.unproven = life.not_sent = life.regenerated = 0
        case _:
            pass
