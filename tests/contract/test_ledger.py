"""What every ledger promises to the worker, on SQLite, on PostgreSQL and in the fake that the worker's tests use."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from batchgen.core import events as e
from batchgen.core.errors import BudgetReachedError, IllegalTransitionError, StaleJobError
from batchgen.core.jobs import Change, Job, JobId, Recorded
from batchgen.core.limits import Cap
from batchgen.core.machine import TABLE
from batchgen.core.ports import Ledger, Upload
from batchgen.core.states import State
from tests.support import builders
from tests.support.databases import PRICE, START, event, opened, postgres_url, spec, sqlite_url
from tests.support.fake_ledger import FakeLedger

LATER = START + timedelta(minutes=5)

PATHS: dict[State, tuple[type[e.Event], ...]] = {
    State.PLANNED: (),
    State.SUBMITTING: (e.SubmitStarted,),
    State.AMBIGUOUS: (e.SubmitStarted, e.SubmitUnknown),
    State.SUBMITTED: (e.SubmitStarted, e.SubmitAccepted),
    State.RENDERED: (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished),
    State.FAILED: (e.SubmitStarted, e.SubmitAccepted, e.RenderFailed),
    State.CANCELLED: (e.JobCancelled,),
    State.SAVED: (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesSaved),
}
"""One way into each state."""


class OpenLedger(Protocol):
    """Plans rows of the given models and opens a ledger on them; row n has id and position n."""

    def __call__(self, *models: str) -> Ledger:
        """Open it."""


@dataclass(slots=True, kw_only=True)
class Book:
    """A ledger and the versions its jobs have reached."""

    ledger: Ledger
    versions: dict[int, int] = field(default_factory=dict)

    def ask(self, job_id: int, kind: type[e.Event] | e.Event, *, actor: str = "runner", **facts: Any) -> Future[Recorded]:
        """Hand over the next event of a job."""
        happened = kind if isinstance(kind, e.Event) else event(kind, **facts)
        return self.ledger.record(Change(job_id=JobId(job_id), version=self.versions.get(job_id, 0), event=happened, at=START, actor=actor))

    def record(self, job_id: int, kind: type[e.Event] | e.Event, **facts: Any) -> Recorded:
        """Record the next event of a job."""
        recorded = self.ask(job_id, kind, **facts).result()
        self.versions[job_id] = recorded.version
        return recorded

    def walk(self, job_id: int, *kinds: type[e.Event]) -> None:
        """Record one event after the other."""
        for kind in kinds:
            self.record(job_id, kind)

    def claim(
        self, *, limit: int = 10, now: datetime = START, skip: frozenset[int] = frozenset(), full: frozenset[str] = frozenset()
    ) -> list[Job]:
        """Claim rows."""
        return self.ledger.claim(limit=limit, now=now, skip=skip, full_models=full).result()

    def live(self) -> list[Job]:
        """Give the rows in hand."""
        return self.ledger.live().result()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "fake"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenLedger]:
    """Open ledgers of one kind."""
    with ExitStack() as stack:

        def open_real(*models: str) -> Ledger:
            url = sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url(request.getfixturevalue("postgres"))
            rows = [spec(number, model=model) for number, model in enumerate(models or ("painter",), 1)]
            return stack.enter_context(opened(url))(rows=rows).ledger

        def open_fake(*models: str) -> Ledger:
            ledger = FakeLedger()
            ledger.add(builders.job(number, model=model) for number, model in enumerate(models or ("painter",), 1))
            return ledger

        yield open_fake if request.param == "fake" else open_real


def test_claim_gives_rows_in_running_order(open_ledger: OpenLedger) -> None:
    """Rows come by position, no more than asked for, as they were planned."""
    book = Book(ledger=open_ledger("a", "b", "c"))

    first, second = book.claim(limit=2)

    assert [1, 2] == [first.id, second.id]
    assert (State.PLANNED, 0, "a", None) == (first.state, first.version, first.model, first.attempt_id)


def test_claim_passes_over_skipped_rows_and_full_models(open_ledger: OpenLedger) -> None:
    """Rows already in hand and models without room are left out."""
    book = Book(ledger=open_ledger("a", "b", "a", "c"))

    found = book.claim(skip=frozenset({1}), full=frozenset({"b"}))

    assert [3, 4] == [job.id for job in found]


def test_claim_leaves_rows_that_wait(open_ledger: OpenLedger) -> None:
    """A row whose next_at lies ahead is claimed only from then on."""
    book = Book(ledger=open_ledger())
    book.record(1, e.SubmitStarted)
    book.record(1, e.SubmitNotSent, next_at=LATER)

    assert [] == book.claim(now=LATER - timedelta(seconds=1))
    assert [LATER] == [job.next_at for job in book.claim(now=LATER)]


def test_next_due_names_the_earliest_waiting_row(open_ledger: OpenLedger) -> None:
    """With nothing claimable, the ledger says when to ask again."""
    book = Book(ledger=open_ledger("a", "a"))
    for job_id, at in ((1, LATER + timedelta(hours=1)), (2, LATER)):
        book.record(job_id, e.SubmitStarted)
        book.record(job_id, e.SubmitNotSent, next_at=at)

    assert book.ledger.next_due().result() == LATER


def test_next_due_is_past_for_a_row_that_never_waited(open_ledger: OpenLedger) -> None:
    """A row without next_at is due at once."""
    book = Book(ledger=open_ledger())

    due = book.ledger.next_due().result()

    assert due is not None
    assert due <= START


def test_next_due_leaves_models_out(open_ledger: OpenLedger) -> None:
    """Whoever may order none of a model's rows asks whether there are others."""
    ledger = open_ledger("a", "b")

    assert ledger.next_due(without=frozenset({"a"})).result() is not None
    assert ledger.next_due(without=frozenset({"a", "b"})).result() is None


def test_next_due_is_none_when_nothing_is_planned(open_ledger: OpenLedger) -> None:
    """No planned row, no instant."""
    book = Book(ledger=open_ledger())
    book.record(1, e.SubmitStarted)

    assert book.ledger.next_due().result() is None


@pytest.mark.parametrize(("before", "kind"), TABLE, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_every_row_of_the_table_can_be_recorded(open_ledger: OpenLedger, before: State, kind: type[e.Event]) -> None:
    """What the transition table allows, the ledger records, and it reaches the table's state."""
    book = Book(ledger=open_ledger())
    book.walk(1, *PATHS[before])

    recorded = book.record(1, kind)

    assert TABLE[before, kind] == recorded.state
    assert len(PATHS[before]) + 1 == recorded.version


@pytest.mark.parametrize("before", PATHS)
def test_no_other_event_can_be_recorded(open_ledger: OpenLedger, before: State) -> None:
    """What the table does not allow changes nothing."""
    book = Book(ledger=open_ledger())
    book.walk(1, *PATHS[before])
    versions = dict(book.versions)

    for kind in sorted({kind for _, kind in TABLE if (before, kind) not in TABLE}, key=lambda kind: kind.__name__):
        with pytest.raises(IllegalTransitionError):
            book.ask(1, kind).result()
    assert versions == book.versions


def test_stale_change_is_refused_and_changes_nothing(open_ledger: OpenLedger) -> None:
    """A change for a version that has passed fails, and the job stays where it is."""
    book = Book(ledger=open_ledger())
    change = Change(job_id=JobId(1), version=0, event=event(e.SubmitStarted), at=START)
    book.ledger.record(change).result()

    with pytest.raises(StaleJobError):
        book.ledger.record(replace(change, at=LATER)).result()

    assert [(State.SUBMITTING, 1)] == [(job.state, job.version) for job in book.live()]


def test_the_same_change_given_again_is_recorded_once(open_ledger: OpenLedger) -> None:
    """Whoever has not seen the end of a commit asks again and gets the same answer, also when the job has moved on; nobody else does."""
    book = Book(ledger=open_ledger())
    started = Change(job_id=JobId(1), version=0, event=event(e.SubmitStarted), at=START)
    opened = book.ledger.record(started).result()
    accepted = Change(job_id=JobId(1), version=1, event=event(e.SubmitAccepted), at=START)
    taken = book.ledger.record(accepted).result()

    again = [book.ledger.record(started).result(), book.ledger.record(accepted).result()]

    assert [opened, taken] == again
    assert [(State.SUBMITTED, 2)] == [(job.state, job.version) for job in book.live()]
    for other in (replace(accepted, actor="recovery"), replace(accepted, at=LATER), replace(accepted, event=event(e.SubmitNotSent))):
        with pytest.raises(StaleJobError):
            book.ledger.record(other).result()


def test_a_repeated_task_id_given_again_is_still_in_doubt(open_ledger: OpenLedger) -> None:
    """The second answer is that of the first time."""
    book, accepted = Book(ledger=open_ledger("a", "a")), event(e.SubmitAccepted)
    book.record(1, e.SubmitStarted)
    book.record(1, accepted)
    book.record(2, e.SubmitStarted)
    repeated = Change(job_id=JobId(2), version=1, event=accepted, at=START)

    first, second = book.ledger.record(repeated).result(), book.ledger.record(repeated).result()

    assert State.AMBIGUOUS is first.state
    assert first == second


def test_unknown_job_is_refused(open_ledger: OpenLedger) -> None:
    """A change for a job that is not there fails."""
    book = Book(ledger=open_ledger())

    with pytest.raises(StaleJobError):
        book.ask(99, e.SubmitStarted).result()


def test_a_job_carries_its_task_once_accepted(open_ledger: OpenLedger) -> None:
    """A live job brings the task id and the instant of its acceptance."""
    book = Book(ledger=open_ledger())
    started = book.record(1, e.SubmitStarted)

    accepted = book.record(1, e.SubmitAccepted, task_id="img_1")

    (job,) = book.live()
    assert started.attempt_id == accepted.attempt_id == job.attempt_id
    assert (State.SUBMITTED, "img_1", START, 1) == (job.state, job.task_id, job.submitted_at, job.attempts)


def test_a_rendered_job_carries_urls_and_staged_files(open_ledger: OpenLedger) -> None:
    """All that is needed to finish a download after a crash comes with the job."""
    book = Book(ledger=open_ledger())
    book.walk(1, e.SubmitStarted, e.SubmitAccepted)
    rendered = event(e.RenderFinished)
    staged = event(e.ImagesStaged)

    book.record(1, rendered)
    book.record(1, staged)

    (job,) = book.live()
    assert isinstance(rendered, e.RenderFinished)
    assert isinstance(staged, e.ImagesStaged)
    assert (rendered.urls, rendered.expires_at, staged.images) == (job.urls, job.expires_at, job.staged)


def test_a_dead_url_takes_url_and_staged_files_with_it(open_ledger: OpenLedger) -> None:
    """Once a fresh URL is wanted, nothing of the old one is left."""
    book = Book(ledger=open_ledger())
    book.walk(1, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesStaged, e.FreshUrlWanted)

    (job,) = book.live()

    assert (State.SUBMITTED, (), (), "because") == (job.state, job.urls, job.staged, job.reason)


def test_live_gives_the_oldest_order_first(open_ledger: OpenLedger) -> None:
    """Orders are picked up again in the order they went out."""
    book = Book(ledger=open_ledger("a", "a", "a"))
    for second, job_id in enumerate((2, 3, 1)):
        at = START + timedelta(seconds=second)
        book.ledger.record(Change(job_id=JobId(job_id), version=0, event=event(e.SubmitStarted), at=at)).result()

    assert [2, 3, 1] == [job.id for job in book.live()]


def test_a_repeated_task_id_makes_the_order_ambiguous(open_ledger: OpenLedger) -> None:
    """Two orders cannot have the same task: the second answer is not to be trusted."""
    book = Book(ledger=open_ledger("a", "a"))
    book.record(1, e.SubmitStarted)
    book.record(1, e.SubmitAccepted, task_id="img_1")
    book.record(2, e.SubmitStarted)

    recorded = book.record(2, e.SubmitAccepted, task_id="img_1")

    assert State.AMBIGUOUS is recorded.state


def test_no_order_goes_out_above_the_cost_cap(open_ledger: OpenLedger) -> None:
    """The order that does not fit is refused; while another is open the refusal is not final."""
    book = Book(ledger=open_ledger("a", "a", "a"))
    cap = {"cap_cost": 2 * PRICE}
    book.record(1, e.SubmitStarted, **cap)
    book.record(2, e.SubmitStarted, **cap)

    with pytest.raises(BudgetReachedError) as refusal:
        book.record(3, e.SubmitStarted, **cap)

    assert not refusal.value.is_final


def test_the_cost_cap_is_final_once_no_cost_can_change(open_ledger: OpenLedger) -> None:
    """A task may still turn out cheaper; when all are finished and no order fits any more, the run may stop."""
    book = Book(ledger=open_ledger("a", "a"))
    book.record(1, e.SubmitStarted, cap_cost=PRICE)
    book.record(1, e.SubmitAccepted)

    with pytest.raises(BudgetReachedError) as early:
        book.record(2, e.SubmitStarted, cap_cost=PRICE)
    book.record(1, e.RenderFinished)
    with pytest.raises(BudgetReachedError) as late:
        book.record(2, e.SubmitStarted, cap_cost=PRICE)

    assert (False, True) == (early.value.is_final, late.value.is_final)


@pytest.mark.parametrize("settled", [e.SubmitNotSent, e.SubmitRefused, e.SubmitRejected])
def test_an_order_that_was_not_carried_out_frees_its_reservation(open_ledger: OpenLedger, settled: type[e.Event]) -> None:
    """Money and count come back for an order that provably cost nothing."""
    book = Book(ledger=open_ledger("a", "a"))
    caps = {"cap_cost": PRICE, "cap_orders": 1}
    book.record(1, e.SubmitStarted, **caps)
    book.record(1, settled)

    assert book.record(2, e.SubmitStarted, **caps).state is State.SUBMITTING


@pytest.mark.parametrize("settled", [e.SubmitUnknown, e.SubmitUnproven, e.SubmitGivenUp])
def test_an_order_in_doubt_stays_booked(open_ledger: OpenLedger, settled: type[e.Event]) -> None:
    """What may have been billed counts as spent."""
    book = Book(ledger=open_ledger("a", "a"))
    book.record(1, e.SubmitStarted, cap_cost=PRICE)
    book.record(1, settled)

    with pytest.raises(BudgetReachedError):
        book.record(2, e.SubmitStarted, cap_cost=PRICE)


def test_disproved_billing_frees_the_money(open_ledger: OpenLedger) -> None:
    """An order shown not to be billed counts as nothing, and may be sent again."""
    book = Book(ledger=open_ledger())
    book.record(1, e.SubmitStarted, cap_cost=PRICE, cap_orders=1)
    book.walk(1, e.SubmitUnknown, e.BillingDisproved)

    assert book.record(1, e.SubmitStarted, cap_cost=PRICE, cap_orders=1).state is State.SUBMITTING


def test_the_number_of_orders_is_capped(open_ledger: OpenLedger) -> None:
    """The order beyond the last allowed one is refused."""
    book = Book(ledger=open_ledger("a", "a"))
    book.record(1, e.SubmitStarted, cap_orders=1)
    book.record(1, e.SubmitAccepted)

    with pytest.raises(BudgetReachedError) as refusal:
        book.record(2, e.SubmitStarted, cap_orders=1)

    assert refusal.value.is_final


def test_a_models_own_cap_refuses_its_orders_and_no_others(open_ledger: OpenLedger) -> None:
    """The refusal names the model, and a neighbour's order is booked."""
    book = Book(ledger=open_ledger("a", "a", "b"))
    cap = {"model_cap": Cap(cost=PRICE)}
    book.record(1, e.SubmitStarted, **cap)

    with pytest.raises(BudgetReachedError) as refusal:
        book.record(2, e.SubmitStarted, **cap)

    assert "a" == refusal.value.model
    assert book.record(3, e.SubmitStarted, **cap).state is State.SUBMITTING


def test_a_models_orders_are_counted(open_ledger: OpenLedger) -> None:
    """What was not carried out frees its place."""
    book = Book(ledger=open_ledger("a", "a", "b"))
    cap = {"model_cap": Cap(orders=1)}
    book.record(1, e.SubmitStarted, **cap)

    with pytest.raises(BudgetReachedError):
        book.record(2, e.SubmitStarted, **cap)

    book.record(1, e.SubmitNotSent)
    assert book.record(2, e.SubmitStarted, **cap).state is State.SUBMITTING


def test_a_days_cap_counts_the_orders_of_all_models(open_ledger: OpenLedger) -> None:
    """It is the batch's, so the refusal names no model; the tightest cap decides what an order of unknown price sets aside."""
    book = Book(ledger=open_ledger("a", "b", "b"))
    caps = {"cap_cost": 10 * PRICE, "day_cap": Cap(cost=2 * PRICE)}
    book.record(1, e.SubmitStarted, **caps)
    book.record(2, e.SubmitStarted, reserved=None, **caps)

    with pytest.raises(BudgetReachedError) as refusal:
        book.record(3, e.SubmitStarted, **caps)

    assert refusal.value.model is None


def test_an_order_of_unknown_price_takes_all_that_is_left(open_ledger: OpenLedger) -> None:
    """Until its price is known, no other order goes out under a cap; then what is left is free again."""
    book = Book(ledger=open_ledger("a", "a"))
    book.record(1, e.SubmitStarted, reserved=None, cap_cost=10 * PRICE)

    with pytest.raises(BudgetReachedError) as refusal:
        book.record(2, e.SubmitStarted, reserved=None, cap_cost=10 * PRICE)
    book.record(1, e.SubmitAccepted, cost=PRICE)

    assert not refusal.value.is_final
    assert book.record(2, e.SubmitStarted, cap_cost=2 * PRICE).state is State.SUBMITTING


def test_the_last_known_cost_wins(open_ledger: OpenLedger) -> None:
    """A cost told with the result replaces the one told with the order."""
    book = Book(ledger=open_ledger("a", "a"))
    book.record(1, e.SubmitStarted)
    book.record(1, e.SubmitAccepted, cost=PRICE)
    book.record(1, e.RenderFailed, cost=0)

    assert book.record(2, e.SubmitStarted, cap_cost=PRICE).state is State.SUBMITTING


def test_counters_follow_the_order(open_ledger: OpenLedger) -> None:
    """Tries are counted, and a decision of a person starts the counters again."""
    book = Book(ledger=open_ledger())
    book.walk(1, e.SubmitStarted, e.SubmitNotSent, e.SubmitStarted, e.SubmitUnproven)
    (counted,) = book.claim()
    book.walk(1, e.JobCancelled)
    book.record(1, e.RetryAllowed, actor="operator:ana")

    (again,) = book.claim()

    assert (2, 1, 1) == (counted.attempts, counted.not_sent, counted.unproven)
    assert (2, 0, 0) == (again.attempts, again.not_sent, again.unproven)


def test_a_retry_by_policy_is_counted(open_ledger: OpenLedger) -> None:
    """Purchases repeated without asking anybody are counted, so that they can be limited."""
    book = Book(ledger=open_ledger())
    book.walk(1, e.SubmitStarted, e.SubmitAccepted, e.RenderFailed)
    book.record(1, e.RetryAllowed, actor="policy")

    (job,) = book.claim()

    assert 1 == job.regenerated


def test_changes_of_one_job_chain_within_a_group(open_ledger: OpenLedger) -> None:
    """Changes handed over at once are recorded in their order, each on the state that the one before left."""
    book = Book(ledger=open_ledger("a", "a"))
    kinds = (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesStaged, e.ImagesSaved)
    futures = [
        book.ledger.record(Change(job_id=JobId(job_id), version=version, event=event(kind), at=START))
        for version, kind in enumerate(kinds)
        for job_id in (1, 2)
    ]

    states = [future.result().state for future in futures]

    assert [State.SAVED, State.SAVED] == states[-2:]
    assert [] == book.live()


def test_a_failure_in_a_group_touches_no_neighbour(open_ledger: OpenLedger) -> None:
    """Stale, illegal and over-budget changes fail alone."""
    book = Book(ledger=open_ledger("a", "a", "a"))
    good, stale, illegal = book.ask(1, e.SubmitStarted), book.ask(99, e.SubmitStarted), book.ask(2, e.SubmitAccepted)
    over = book.ask(2, e.SubmitStarted, cap_orders=1)
    also_good = book.ask(3, e.SubmitStarted)

    assert State.SUBMITTING is good.result().state is also_good.result().state
    assert [StaleJobError, IllegalTransitionError, BudgetReachedError] == [type(f.exception()) for f in (stale, illegal, over)]


# --- remarks ---


_REMARKED = {State.PLANNED, State.AMBIGUOUS, State.SUBMITTED, State.RENDERED, State.FAILED}


@pytest.mark.parametrize("before", PATHS)
def test_a_remark_is_allowed_exactly_where_an_answer_was_read(open_ledger: OpenLedger, before: State) -> None:
    """Not while an order is out, not once the job is saved or dropped."""
    book = Book(ledger=open_ledger())
    book.walk(1, *PATHS[before])

    error = book.ask(1, e.DriftSeen).exception()

    assert (None if before in _REMARKED else IllegalTransitionError) == (error and type(error))


def test_a_remark_leaves_a_waiting_row_waiting(open_ledger: OpenLedger) -> None:
    """State, reason, back-off and counters are those that the outcome set; only the version has moved on."""
    book = Book(ledger=open_ledger())
    book.record(1, e.SubmitStarted)
    book.record(1, e.SubmitNotSent, next_at=LATER, reason="busy")
    (before,) = book.claim(now=LATER)

    recorded = book.record(1, e.DriftSeen(reason="code", detail="425"))

    assert [] == book.claim(now=LATER - timedelta(seconds=1))
    assert [replace(before, version=before.version + 1)] == book.claim(now=LATER)
    assert (State.PLANNED, before.version + 1, None) == (recorded.state, recorded.version, recorded.attempt_id)


@pytest.mark.parametrize(
    "path",
    [PATHS[State.SUBMITTED], (*PATHS[State.SUBMITTED], e.TaskStalled), PATHS[State.RENDERED], (*PATHS[State.RENDERED], e.ImagesStaged)],
)
def test_a_remark_leaves_a_job_in_hand_as_it_is(open_ledger: OpenLedger, path: tuple[type[e.Event], ...]) -> None:
    """Task, URLs, staged files and reason stay; only the version has moved on."""
    book = Book(ledger=open_ledger())
    book.walk(1, *path)
    (before,) = book.live()

    recorded = book.record(1, e.DriftSeen)

    assert [replace(before, version=before.version + 1)] == book.live()
    assert (before.state, before.attempt_id) == (recorded.state, recorded.attempt_id)


def test_a_remark_moves_no_money(open_ledger: OpenLedger) -> None:
    """What an ambiguous order holds under the cap, it holds after the remark."""
    book = Book(ledger=open_ledger("a", "a"))
    book.record(1, e.SubmitStarted, cap_cost=2 * PRICE)
    book.walk(1, e.SubmitUnknown, e.DriftSeen, e.DriftSeen)

    assert book.record(2, e.SubmitStarted, cap_cost=2 * PRICE).state is State.SUBMITTING


def test_a_stale_remark_is_refused(open_ledger: OpenLedger) -> None:
    """A remark is a change like any other: it does not slip in behind one that came first."""
    book = Book(ledger=open_ledger())
    book.walk(1, e.SubmitStarted, e.SubmitAccepted)
    book.versions[1] -= 1

    with pytest.raises(StaleJobError):
        book.record(1, e.DriftSeen)


# --- uploads ---


def _upload(**changes: Any) -> Upload:
    plain: dict[str, Any] = {
        "sha256": "ab" * 32,
        "vendor": "jimmyai https://api.example",
        "url": "https://cdn.example/1.png?signature=secret",
        "expires_at": LATER + timedelta(microseconds=123_456),
        "created_at": START + timedelta(microseconds=654_321),
    }
    return Upload(**plain | changes)


def test_an_unknown_upload_is_none(open_ledger: OpenLedger) -> None:
    """Content that was never sent, or never to this vendor, has no upload."""
    ledger = open_ledger()
    ledger.keep_upload(_upload()).result()

    assert ledger.upload_of("cd" * 32, vendor=_upload().vendor).result() is None
    assert ledger.upload_of("ab" * 32, vendor="other").result() is None


def test_an_upload_comes_back_as_it_was_kept(open_ledger: OpenLedger) -> None:
    """Address and instants, to the microsecond and in UTC."""
    ledger = open_ledger()
    ledger.keep_upload(_upload()).result()

    found = ledger.upload_of("ab" * 32, vendor=_upload().vendor).result()

    assert _upload() == found
    assert found is not None
    assert (timedelta(0), timedelta(0)) == (found.expires_at.utcoffset(), found.created_at.utcoffset())


def test_a_later_upload_takes_the_place_of_an_earlier_one(open_ledger: OpenLedger) -> None:
    """There is one upload of a content to a vendor: the one kept last, even if it expires sooner."""
    ledger = open_ledger()
    newer = _upload(url="https://cdn.example/2.png", expires_at=START)
    ledger.keep_upload(_upload()).result()
    ledger.keep_upload(newer).result()

    assert newer == ledger.upload_of("ab" * 32, vendor=newer.vendor).result()


def test_uploads_to_different_vendors_do_not_meet(open_ledger: OpenLedger) -> None:
    """The same content with two vendors has two addresses."""
    ledger = open_ledger()
    both = [_upload(), _upload(vendor="jimmyai https://elsewhere.example", url="https://cdn.example/2.png")]
    for one in both:
        ledger.keep_upload(one).result()

    assert both == [ledger.upload_of("ab" * 32, vendor=one.vendor).result() for one in both]
