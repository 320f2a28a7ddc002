"""What an event does to the rows of a job, its attempt and its batch's money: each rule by itself, without a database."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core.errors import BudgetReachedError, IllegalTransitionError
from batchgen.core.jobs import Change, JobId
from batchgen.core.limits import Cap
from batchgen.core.states import Outcome, State
from batchgen.store.effects import POLICY, AttemptRow, JobRow, Purse, PurseName, Whose, detail_of, follow, require_order
from batchgen.store.instants import to_text
from tests.support.databases import START

LATER = START + timedelta(hours=1)
IMAGE = e.Image(path="a/b.png", temp="a/.b.part", sha256="5" * 64, bytes=1234, width=8, height=9, media_type="image/png")


def an_attempt(**changes: object) -> AttemptRow:
    """Give an order that has just gone out."""
    row = AttemptRow(
        id=1, job_id=1, n=1, run_id=1, body_sha256="a" * 64, est_micros=30, cap_micros=None, committed_micros=0, opened_at="then"
    )
    return replace(row, **changes)  # type: ignore[arg-type] # fields of any test


def a_job(**changes: object) -> JobRow:
    """Give a job whose counters have all moved."""
    row = JobRow(
        id=1,
        batch_id=1,
        model="painter",
        state=State.SUBMITTING,
        version=7,
        next_at="then",
        attempts=3,
        unproven=2,
        not_sent=4,
        regenerated=1,
        retired_at=None,
        attempt=None,
    )
    return replace(row, **changes)  # type: ignore[arg-type] # fields of any test


def told(event: e.Event, actor: str = "runner") -> Change:
    """Give the event as it is recorded at ``START``."""
    return Change(job_id=JobId(1), version=7, event=event, at=START, actor=actor)


def counters(job: JobRow) -> tuple[int, int, int, int]:
    """Give attempts, unproven, not sent, regenerated."""
    return job.attempts, job.unproven, job.not_sent, job.regenerated


def test_an_attempt_weighs_its_cost_and_its_estimate_while_none_is_known() -> None:
    """A cost of nothing is a cost."""
    assert 30 == an_attempt().weight
    assert 0 == an_attempt(est_micros=None).weight
    assert 7 == an_attempt(cost_micros=7).weight
    assert 0 == an_attempt(cost_micros=0).weight


def test_an_order_that_has_just_gone_out_has_nothing_but_its_intent() -> None:
    """The defaults of the row are the truth about an order nobody answered yet."""
    row = an_attempt()

    assert Outcome.OPEN is row.outcome
    assert not row.superseded
    assert ("", "", "") == (row.result_urls, row.reason, row.detail)
    assert [None] * 5 == [row.task_id, row.cost_micros, row.settled_at, row.rendered_at, row.expires_at]
    assert ("", "") == PurseName(1)[1:]
    assert ("", "") == (a_job().reason, a_job().updated_at)


@pytest.mark.parametrize(
    ("outcome", "pocket"),
    [(Outcome.OPEN, "reserved"), (Outcome.ACCEPTED, "spent"), (Outcome.AMBIGUOUS, "held"), (Outcome.UNPROVEN, "held")],
)
def test_an_outcome_that_may_be_owed_lies_in_one_pocket_and_counts_as_an_order(outcome: Outcome, pocket: str) -> None:
    """What goes in comes out again, whole."""
    purse = Purse(spent=1, reserved=2, held=3, orders=4)

    purse.add(outcome, 10)

    assert 11 + {"spent": 0, "reserved": 1, "held": 2}[pocket] == getattr(purse, pocket)
    assert (16, 5) == (purse.committed, purse.orders)
    purse.add(outcome, 10, -1)
    assert Purse(spent=1, reserved=2, held=3, orders=4) == purse


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.REFUSED, Outcome.NOT_BILLED])
def test_an_outcome_that_costs_nothing_lies_nowhere(outcome: Outcome) -> None:
    """Neither money nor the number of orders moves."""
    purse = Purse(spent=1)

    purse.add(outcome, 10)

    assert Purse(spent=1) == purse


def share(purse: Purse, cap: Cap, reserved: int | None, *, open_orders: int = 0, live_tasks: int = 0) -> int | None:
    """Ask the purse of a model."""
    whose = Whose(of="the model painter", model="painter")
    return purse.share(cap, reserved, whose, open_orders=open_orders, live_tasks=live_tasks)


def test_a_cost_cap_is_reached_exactly_and_never_passed() -> None:
    """The last order may take the last micro; one micro more does not fit."""
    purse = Purse(spent=50, reserved=30, held=10)

    assert 10 == share(purse, Cap(cost=100), 10)
    with pytest.raises(BudgetReachedError, match="cost limit of the model painter") as reached:
        share(purse, Cap(cost=100), 11)
    assert reached.value.is_final
    assert "painter" == reached.value.model


def test_an_order_of_unknown_price_takes_all_that_is_left() -> None:
    """With nothing left it takes nothing, so it does not fit."""
    assert 10 == share(Purse(spent=90), Cap(cost=100), None)
    assert 1 == share(Purse(spent=99), Cap(cost=100), None)
    with pytest.raises(BudgetReachedError, match=r"0\.000001 more wanted"):
        share(Purse(spent=100), Cap(cost=100), None)
    assert share(Purse(), Cap(), None) is None


@pytest.mark.parametrize(
    ("open_orders", "live_tasks", "is_final"), [(0, 0, True), (1, 0, False), (0, 1, False), (2, 1, False), (1, 1, False)]
)
def test_a_cost_cap_is_final_when_nothing_can_be_released(open_orders: int, live_tasks: int, is_final: bool) -> None:
    """An open order may be refused, and a task may turn out cheaper."""
    with pytest.raises(BudgetReachedError) as reached:
        share(Purse(spent=100), Cap(cost=100), 1, open_orders=open_orders, live_tasks=live_tasks)

    assert is_final is reached.value.is_final


@pytest.mark.parametrize(("open_orders", "is_final"), [(0, True), (1, False)])
def test_a_cap_on_orders_is_final_when_none_is_open(open_orders: int, is_final: bool) -> None:
    """A task's cost cannot make room for another order."""
    assert 5 == share(Purse(orders=1), Cap(orders=2), 5)
    with pytest.raises(BudgetReachedError, match="all 2 orders of the model painter") as reached:
        share(Purse(orders=2), Cap(orders=2), 5, open_orders=open_orders, live_tasks=9)

    assert is_final is reached.value.is_final


def test_an_accepted_order_holds_its_task_its_cost_and_when() -> None:
    """The row of the job says nothing more about why."""
    job, attempt = a_job(), an_attempt()

    follow(job, attempt, told(e.SubmitAccepted(task_id="t1", cost=25)), State.SUBMITTED)

    assert (Outcome.ACCEPTED, "t1", 25, to_text(START)) == (attempt.outcome, attempt.task_id, attempt.cost_micros, attempt.settled_at)
    assert not attempt.superseded
    assert job.attempt is attempt
    assert (State.SUBMITTED, 8, "", None, to_text(START)) == (job.state, job.version, job.reason, job.next_at, job.updated_at)
    assert (3, 2, 0, 1) == counters(job)


def test_a_row_that_comes_back_to_planned_lets_its_attempt_go() -> None:
    """What is ordered next is another order; the row says why it waits, and until when."""
    job, attempt = a_job(), an_attempt()

    follow(job, attempt, told(e.SubmitNotSent(reason="dns", detail="no such host", next_at=LATER)), State.PLANNED)

    assert attempt.superseded
    assert job.attempt is None
    assert (Outcome.NOT_SENT, "dns", "no such host") == (attempt.outcome, attempt.reason, attempt.detail)
    assert ("dns", to_text(LATER)) == (job.reason, job.next_at)
    assert (3, 2, 5, 1) == counters(job)


def test_the_first_instant_that_settled_an_order_stays() -> None:
    """A task that is found later does not move it; nor does what only tells of the road."""
    attempt = an_attempt(outcome=Outcome.AMBIGUOUS, settled_at="before")

    follow(a_job(), attempt, told(e.TaskAttached(reason="found", detail="in the vendor's list", task_id="t2")), State.SUBMITTED)

    assert (Outcome.ACCEPTED, "before", "t2") == (attempt.outcome, attempt.settled_at, attempt.task_id)
    assert ("found", "in the vendor's list") == (attempt.reason, attempt.detail)


def test_an_open_order_is_not_settled() -> None:
    """Neither by its own start nor by an event that settles nothing."""
    job, attempt = a_job(), an_attempt()

    follow(job, attempt, told(e.SubmitStarted(body_sha256="a" * 64, reserved=30)), State.SUBMITTING)
    follow(job, attempt, told(e.TaskStalled(reason="late", detail="six hours")), State.SUBMITTED)

    assert (Outcome.OPEN, None) == (attempt.outcome, attempt.settled_at)
    assert ("", "") == (attempt.reason, attempt.detail)
    assert (4, 2, 4, 1) == counters(job)


def test_a_result_is_written_down_with_its_end_and_its_cost() -> None:
    """The cost told last is the one that holds; one that is not told changes nothing."""
    attempt = an_attempt(outcome=Outcome.ACCEPTED, cost_micros=25)

    follow(a_job(), attempt, told(e.RenderFinished(urls=("https://a", "https://b"), expires_at=LATER, cost=None)), State.RENDERED)

    assert (to_text(START), to_text(LATER), 25) == (attempt.rendered_at, attempt.expires_at, attempt.cost_micros)
    assert ["https://a", "https://b"] == json.loads(attempt.result_urls)
    follow(a_job(), attempt, told(e.RenderFinished(urls=("https://a",), expires_at=LATER, cost=0)), State.RENDERED)
    assert 0 == attempt.cost_micros


def test_a_task_that_failed_says_why_and_what_it_cost() -> None:
    """Its order was taken all the same."""
    attempt = an_attempt(outcome=Outcome.ACCEPTED)

    follow(a_job(), attempt, told(e.RenderFailed(reason="moderated", detail="no", cost=9)), State.FAILED)

    assert (Outcome.ACCEPTED, "moderated", "no", 9) == (attempt.outcome, attempt.reason, attempt.detail, attempt.cost_micros)


@pytest.mark.parametrize("event", [e.FreshUrlWanted(reason="dead"), e.ImagesSaved(images=(IMAGE,))])
def test_signed_urls_are_forgotten_once_they_are_of_no_use(event: e.Event) -> None:
    """They open a picture to whoever reads them."""
    attempt = an_attempt(outcome=Outcome.ACCEPTED, result_urls='["https://a"]')

    follow(a_job(), attempt, told(event), State.SAVED)

    assert "" == attempt.result_urls
    assert "" == attempt.reason


def test_drift_moves_the_version_and_nothing_else() -> None:
    """It is told by the way."""
    job, attempt = a_job(), an_attempt()

    follow(job, attempt, told(e.DriftSeen(reason="field")), State.SUBMITTING)

    assert replace(a_job(), version=8, updated_at=to_text(START)) == job
    assert an_attempt() == attempt


@pytest.mark.parametrize(
    ("event", "actor", "expected"),
    [
        (e.SubmitUnreachable(reason="dns"), "runner", (3, 2, 5, 1)),
        (e.SubmitUnproven(reason="500"), "runner", (3, 3, 4, 1)),
        (e.RetryAllowed(reason="again"), POLICY, (3, 2, 4, 2)),
        (e.ResubmitAllowed(reason="again"), POLICY, (3, 2, 4, 2)),
        (e.BillingDisproved(reason="use"), POLICY, (3, 2, 4, 1)),
        (e.RetryAllowed(reason="again"), "operator:ana", (3, 0, 0, 0)),
        (e.ResubmitAllowed(reason="again"), "operator:ana", (3, 0, 0, 0)),
        (e.BillingDisproved(reason="shown"), "operator:ana", (3, 0, 0, 0)),
        (e.JobRestored(reason="wanted"), "planner", (3, 0, 0, 0)),
        (e.TaskStalled(reason="late"), "runner", (3, 2, 4, 1)),
    ],
)
def test_each_event_moves_its_own_counter(event: e.Event, actor: str, expected: tuple[int, int, int, int]) -> None:
    """A person's decision starts them again, the policy's own does not."""
    job = a_job()

    follow(job, None, told(event, actor), State.PLANNED)

    assert expected == counters(job)
    assert job.attempt is None


def test_retirement_is_noted_and_taken_back() -> None:
    """With the instant of the plan that no longer asked for the row."""
    job = a_job(state=State.PLANNED)

    follow(job, None, told(e.JobRetired(reason="gone")), State.CANCELLED)
    assert to_text(START) == job.retired_at
    follow(job, None, told(e.JobRestored(reason="wanted")), State.PLANNED)
    assert job.retired_at is None


@pytest.mark.parametrize(
    ("event", "after", "reason"),
    [
        (e.RenderFailed(reason="moderated"), State.FAILED, "moderated"),
        (e.RenderFailed(reason=""), State.FAILED, "render_failed"),
        (e.JobCancelled(reason=""), State.CANCELLED, "job_cancelled"),
        (e.TaskStalled(reason=""), State.SUBMITTED, ""),
        (e.ImagesSaved(images=(IMAGE,)), State.SAVED, ""),
    ],
)
def test_a_job_that_ended_without_an_image_always_has_a_reason(event: e.Event, after: State, reason: str) -> None:
    """The event's word stands in where nobody gave one."""
    job = a_job()

    follow(job, an_attempt(outcome=Outcome.ACCEPTED), told(event), after)

    assert reason == job.reason


def test_a_result_needs_an_order_that_was_accepted() -> None:
    """Else something would be saved that nobody bought."""
    result = e.RenderFinished(urls=("https://a",), expires_at=LATER, cost=None)

    require_order(an_attempt(outcome=Outcome.ACCEPTED), result)
    require_order(None, e.SubmitStarted(body_sha256="a" * 64, reserved=None))
    for attempt in (None, an_attempt(), an_attempt(outcome=Outcome.AMBIGUOUS)):
        with pytest.raises(IllegalTransitionError):
            require_order(attempt, result)


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (e.SubmitAccepted(task_id="t1", cost=None), {"task_id": "t1"}),
        (e.SubmitAccepted(task_id="t1", cost=0), {"task_id": "t1", "cost": 0}),
        (
            e.RenderFinished(urls=("https://secret", "https://more"), expires_at=LATER, cost=5),
            {"urls": 2, "expires_at": to_text(LATER), "cost": 5},
        ),
        (e.RenderFinished(urls=(), expires_at=LATER, cost=None), {"urls": 0, "expires_at": to_text(LATER)}),
        (e.ImagesSaved(images=(IMAGE,)), {"images": [{"path": IMAGE.path, "sha256": IMAGE.sha256, "bytes": IMAGE.bytes}]}),
        (e.ImagesStaged(images=(IMAGE,)), {"images": [{"path": IMAGE.path, "sha256": IMAGE.sha256, "bytes": IMAGE.bytes}]}),
        (e.SubmitNotSent(reason="dns", detail="\u6a2a", next_at=LATER), {"detail": "\u6a2a", "next_at": to_text(LATER)}),
        (e.JobRetired(reason="gone"), {}),
    ],
)
def test_the_audit_trail_holds_the_facts_and_no_signed_url(event: e.Event, facts: dict[str, object]) -> None:
    """The reason has a column of its own; what is unknown is left out, and text stays readable."""
    assert facts == json.loads(detail_of(event))
    assert "secret" not in detail_of(event)
    assert "\\u" not in detail_of(event)
