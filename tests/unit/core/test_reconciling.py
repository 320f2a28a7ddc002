"""What the account's use proves about orders in doubt."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.dialects import Account
from batchgen.core.money import Micros
from batchgen.core.reconciling import Evidence, Use, Verdict, judge, use_of

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
PRICE = 60_000


def evidence(**changes: object) -> Evidence:
    """Build evidence of one order in doubt, beside three that were saved."""
    plain = Evidence(
        since=NOW - timedelta(hours=2),
        use=Use(whose="key", micros=1_000_000),
        doubtful=1,
        explained=3 * PRICE,
        unpriced=0,
        unfinished=0,
        others=False,
        failed_before=False,
        last_failure=None,
    )
    return replace(plain, **changes)


def proven(found: Evidence, *, rise: int, whose: str = "key") -> bool:
    """Judge after the use rose by so much."""
    return judge(found, Use(whose=whose, micros=1_000_000 + rise), at=NOW, unit="coin").proven


def test_a_rise_that_the_recorded_orders_explain_proves_that_nothing_else_was_billed() -> None:
    """To the smallest step of the vendor's books."""
    assert proven(evidence(), rise=3 * PRICE)
    assert proven(evidence(), rise=3 * PRICE + 99)
    assert not proven(evidence(), rise=3 * PRICE + 100)


@pytest.mark.parametrize("rise", [2 * PRICE, 4 * PRICE, 0, 100 * PRICE])
def test_any_other_rise_leaves_the_question_open(rise: int) -> None:
    """One more, one less, or somebody else's use."""
    assert not proven(evidence(), rise=rise)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"use": None}, "the vendor does not tell what was used"),
        ({"others": True}, "other batches of this database ran meanwhile"),
        ({"unpriced": 2}, "2 accepted orders have no known cost"),
        ({"unfinished": 1}, "1 tasks still run"),
        ({"failed_before": True}, "a refund of an earlier failure may have fallen into that time"),
    ],
)
def test_weak_evidence_proves_nothing(changes: dict[str, object], why: str) -> None:
    """Whatever makes the books uncertain is named, and no refund is waited for."""
    verdict = judge(evidence(**changes), Use(whose="key", micros=1_000_000 + 3 * PRICE), at=NOW, unit="coin")

    assert Verdict(proven=False, why=why) == verdict
    assert not verdict.may_change


def test_the_use_of_the_key_and_of_the_account_are_not_compared() -> None:
    """A vendor that tells something else than before proves nothing."""
    assert not proven(evidence(), rise=3 * PRICE, whose="account")


def test_a_refund_that_is_still_due_may_change_the_verdict() -> None:
    """Only a rise that is too high, and only within ten minutes of a failure."""
    late, early = (evidence(last_failure=NOW - timedelta(seconds=ago)) for ago in (600, 599))
    use = Use(whose="key", micros=1_000_000 + 4 * PRICE)

    assert judge(early, use, at=NOW, unit="coin").may_change
    assert not judge(late, use, at=NOW, unit="coin").may_change
    assert not judge(early, replace(use, micros=1_000_000), at=NOW, unit="coin").may_change


def test_the_key_tells_more_than_the_account() -> None:
    """A key's own use is looked at before the account's."""
    assert Use(whose="key", micros=5) == use_of(Account(used=Micros(9), quota_used=Micros(5)))
    assert Use(whose="account", micros=9) == use_of(Account(used=Micros(9)))
    assert (None, None) == (use_of(Account()), use_of(None))


@given(
    saved=st.lists(st.integers(100, 10**6), max_size=20),
    failed=st.lists(st.tuples(st.integers(100, 10**6), st.booleans()), max_size=5),
    doubtful=st.lists(st.tuples(st.integers(100, 10**6), st.booleans()), min_size=1, max_size=5),
    strangers=st.integers(0, 10**7),
)
def test_proof_never_lies(saved: list[int], failed: list[tuple[int, bool]], doubtful: list[tuple[int, bool]], strangers: int) -> None:
    """Whatever was billed, refunded or used by others: proven means that no order in doubt was billed."""
    kept = sum(cost for cost, is_refunded in failed if not is_refunded)
    billed = sum(cost for cost, is_billed in doubtful if is_billed)

    if proven(evidence(explained=sum(saved), doubtful=len(doubtful)), rise=sum(saved) + kept + billed + strangers):
        assert 0 == billed
