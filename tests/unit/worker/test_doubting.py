"""Policies for orders whose answer was lost."""

from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core.dialects import Account
from batchgen.core.errors import OutcomeUnknownError, StaleJobError
from batchgen.core.limits import AmbiguousPolicy
from batchgen.core.money import Micros
from batchgen.core.reconciling import Evidence, Use
from batchgen.core.states import State
from tests.support.builders import Rig, job, jobs, limits, rig
from tests.support.fake_clock import START

PRICE = 60_000
LOST = OutcomeUnknownError("reset")


def doubtful(count: int, policy: AmbiguousPolicy, *, allowance: int | None = None, lost: int = 1) -> Rig:
    """Put a run together in which the first order of some rows loses its answer."""
    run = rig(jobs(count), limits=limits(on_ambiguous=policy, ambiguous_cost=None if allowance is None else Micros(allowance)))
    left = dict.fromkeys([job(number).key for number in range(1, lost + 1)], 1)

    def answer(key: str) -> BaseException | None:
        if left.get(key):
            left[key] -= 1
            return LOST
        return None

    run.client.on_order = answer
    run.prices.own = {"": Micros(PRICE)}  # the rows here name no model in their parameters
    return run


def evidence(**changes: object) -> Evidence:
    """Build what the table tells of one saved order beside those in doubt."""
    plain = {"since": START, "use": Use(whose="key", micros=0), "doubtful": 1, "explained": PRICE, "unpriced": 0, "unfinished": 0}
    return Evidence(**plain | {"others": False, "failed_before": False, "last_failure": None} | changes)


def verdicts(run: Rig) -> list[tuple[str, object, object]]:
    """Give what the diary tells of each look into the account: level, whether it proved something, and for how many orders."""
    return [(line.level, line.facts["proven"], line.facts["orders"]) for line in run.log.called("account.reconciled")]


def test_hold_leaves_the_order_to_a_person() -> None:
    """One POST a row, whatever the allowance; the row is ambiguous when the run ends."""
    run = doubtful(2, "hold", allowance=10**9)

    run.run()

    assert [State.AMBIGUOUS, State.SAVED] == run.states()
    assert 2 == len(run.client.orders)


def test_resubmit_orders_once_more_within_its_allowance() -> None:
    """The decision is the policy's, with the price in its words; the row is saved."""
    run = doubtful(2, "resubmit", allowance=PRICE)

    run.run()

    assert [State.SAVED, State.SAVED] == run.states()
    assert 3 == len(run.client.orders)
    decision = next(change for change in run.ledger.changes if change.event.word() == "resubmit_allowed")
    assert ("policy", "resubmit") == (decision.actor, decision.event.reason)
    assert "may be bought twice for 0.06" in decision.event.detail


@pytest.mark.parametrize(
    ("allowance", "before", "saved"), [(PRICE - 1, 0, 1), (2 * PRICE, 0, 3), (3 * PRICE, 2 * PRICE, 2), (PRICE, PRICE, 1)]
)
def test_resubmit_stays_under_its_allowance(allowance: int, before: int, saved: int) -> None:
    """What earlier runs of the batch spent of it counts; the rest is held."""
    run = doubtful(3, "resubmit", allowance=allowance, lost=2)
    run.ledger.repeated_before = before

    run.run()

    assert saved == run.states().count(State.SAVED)
    assert 3 - saved == run.states().count(State.AMBIGUOUS)


def test_resubmit_holds_what_nobody_has_priced() -> None:
    """An unknown price fits under no cap."""
    run = doubtful(1, "resubmit", allowance=10**9)
    run.prices.own = {}

    run.run()

    assert [State.AMBIGUOUS] == run.states()


def test_resubmit_buys_a_row_twice_at_most() -> None:
    """A second lost answer of the same row is held."""
    run = doubtful(1, "resubmit", allowance=10**9)
    run.client.on_order = lambda _: LOST

    run.run()

    assert [State.AMBIGUOUS] == run.states()
    assert 2 == len(run.client.orders)


def test_resubmit_gives_way_to_a_decision_that_somebody_else_made() -> None:
    """A row that has moved meanwhile is left as it is, and the run goes on."""
    run = doubtful(2, "resubmit", allowance=10**9)
    run.ledger.fails = lambda change: StaleJobError("moved") if isinstance(change.event, e.ResubmitAllowed) else None

    stop = run.run()

    assert stop is None
    assert [State.AMBIGUOUS, State.SAVED] == run.states()


def test_resubmit_takes_over_what_earlier_runs_left_in_doubt() -> None:
    """The policy also holds for rows that a former run held."""
    run = doubtful(1, "hold")
    run.run()

    after = run.again(on_ambiguous="resubmit", ambiguous_cost=Micros(PRICE))
    after.prices.own = {"": Micros(PRICE)}  # the rows here name no model in their parameters
    after.run()

    assert [State.SAVED] == after.states()


def test_reconcile_orders_again_what_was_not_billed() -> None:
    """The use rose by what the saved order cost: the row in doubt was not billed, and is saved in the same run."""
    run = doubtful(2, "reconcile")
    run.ledger.tells, run.client.accounts = evidence(), [Account(quota_used=Micros(PRICE))]

    run.run()

    assert [State.SAVED, State.SAVED] == run.states()
    decision = next(change for change in run.ledger.changes if change.event.word() == "billing_disproved")
    assert ("policy", "reconciled") == (decision.actor, decision.event.reason)
    assert "rose by 0.06" in decision.event.detail
    assert [("info", True, 1)] == verdicts(run)


def test_reconcile_holds_what_may_have_been_billed() -> None:
    """The use rose by more than the books explain: nothing is ordered, and the difference is told."""
    run = doubtful(2, "reconcile")
    run.ledger.tells, run.client.accounts = evidence(), [Account(quota_used=Micros(2 * PRICE))]

    run.run()

    assert [State.AMBIGUOUS, State.SAVED] == run.states()
    assert 2 == len(run.client.orders)
    assert any("rose by 0.12" in problem for problem in run.progress.problems)
    assert [("warning", False, 1)] == verdicts(run)


@pytest.mark.parametrize("account", [None, Account()])
def test_reconcile_without_a_telling_vendor_is_hold(account: Account | None) -> None:
    """No evidence, no order."""
    run = doubtful(1, "reconcile")
    run.ledger.tells, run.client.accounts = evidence(), [account]

    run.run()

    assert [State.AMBIGUOUS] == run.states()


def test_reconcile_waits_for_a_refund_that_is_due() -> None:
    """Minute by minute, for ten minutes at most; here the refund comes in the third."""
    run = doubtful(2, "reconcile")
    run.ledger.tells = evidence(last_failure=START + timedelta(seconds=5))
    run.client.accounts = [Account(quota_used=Micros(PRICE + unsettled)) for unsettled in (7_000, 7_000, 0)]

    run.run()

    assert [State.SAVED, State.SAVED] == run.states()
    assert run.clock.seconds > 120


def test_reconcile_does_not_wait_for_ever() -> None:
    """After ten minutes the order is held."""
    run = doubtful(2, "reconcile")
    run.ledger.tells = evidence(last_failure=START + timedelta(seconds=5))
    run.client.accounts = [Account(quota_used=Micros(2 * PRICE))]

    run.run()

    assert [State.AMBIGUOUS, State.SAVED] == run.states()
    assert 600 < run.clock.seconds < 720


def test_a_vendor_that_loses_every_answer_is_not_asked_for_ever() -> None:
    """Three rounds of proof a run; then the row is held."""
    run = doubtful(1, "reconcile")
    run.client.on_order = lambda _: LOST
    run.ledger.tells, run.client.accounts = evidence(explained=0), [Account(quota_used=Micros(0))]

    run.run()

    assert [State.AMBIGUOUS] == run.states()
    assert 4 == len(run.client.orders)


def test_an_interrupt_ends_the_wait_for_a_refund() -> None:
    """Ctrl-C is not held up by the policy."""
    run = doubtful(2, "reconcile")
    run.ledger.tells = evidence(last_failure=START + timedelta(seconds=5))
    run.client.accounts = [Account(quota_used=Micros(2 * PRICE))]

    stop = run.run(later={100.0: run.interrupt})

    assert stop is not None
    assert 130 == stop.exit_code
    assert run.clock.seconds < 200
