"""The transition table and the pure functions over it."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from batchgen.core import events as e
from batchgen.core.errors import IllegalTransitionError
from batchgen.core.jobs import Change, JobId
from batchgen.core.machine import EVENTS, TABLE, advance, edges, fold, mermaid
from batchgen.core.states import Outcome, State
from tests.support.builders import event, job
from tests.support.fake_ledger import FakeLedger

_ROOTS = {e.Event, e.Explained, e.Deferred}
_CONTRACT = {
    State.PLANNED: {State.SUBMITTING, State.CANCELLED},
    State.SUBMITTING: {State.SUBMITTED, State.PLANNED, State.AMBIGUOUS, State.FAILED},
    State.AMBIGUOUS: {State.SUBMITTED, State.PLANNED, State.CANCELLED},
    State.SUBMITTED: {State.RENDERED, State.FAILED},
    State.RENDERED: {State.SAVED, State.SUBMITTED, State.FAILED},
    State.SAVED: set(),
    State.FAILED: {State.PLANNED, State.RENDERED},
    State.CANCELLED: {State.PLANNED},
}
_TABLE = """
    planned: submit_started submitting, job_cancelled cancelled, job_retired cancelled, drift_seen planned
    submitting: submit_not_sent planned, submit_refused planned, submit_unproven planned, submit_unreachable failed
    submitting: submit_rejected failed, submit_given_up failed, submit_unknown ambiguous, submit_accepted submitted
    ambiguous: task_attached submitted, resubmit_allowed planned, billing_disproved planned, job_abandoned cancelled, drift_seen ambiguous
    submitted: task_stalled submitted, render_finished rendered, render_failed failed, drift_seen submitted
    rendered: download_deferred rendered, fresh_url_wanted submitted, images_staged rendered, images_saved saved, download_failed failed
    rendered: drift_seen rendered
    failed: retry_allowed planned, render_finished rendered, drift_seen failed
    cancelled: retry_allowed planned, job_restored planned
"""
"""Every transition, written down a second time: a line less in the table must not pass for a smaller contract."""
_PAIRS = list(product(State, sorted(EVENTS)))
_LEGAL = [(state, word) for state, word in _PAIRS if (state, EVENTS[word]) in TABLE]
_ILLEGAL = [pair for pair in _PAIRS if pair not in _LEGAL]


@pytest.mark.parametrize(("state", "word"), _LEGAL)
def test_a_legal_event_leads_where_the_table_says(state: State, word: str) -> None:
    """Every pair of the table is carried out by ``advance``, and stays within the contract's arrows."""
    after = advance(state, event(EVENTS[word]))

    assert TABLE[state, EVENTS[word]] == after
    assert after is state or after in _CONTRACT[state]


@pytest.mark.parametrize(("state", "word"), _ILLEGAL)
def test_an_illegal_event_is_refused_by_name(state: State, word: str) -> None:
    """Every pair outside the table raises, and the sentence names the event and the state."""
    with pytest.raises(IllegalTransitionError, match=rf"{EVENTS[word].__name__}.*{state}"):
        advance(state, event(EVENTS[word]))


@pytest.mark.parametrize(("state", "word"), _ILLEGAL)
def test_an_illegal_event_changes_nothing(state: State, word: str) -> None:
    """The row of a refused change is the row before it."""
    ledger = FakeLedger()
    before = job(state=state)
    ledger.add([before])

    future = ledger.record(Change(job_id=before.id, version=0, event=event(EVENTS[word]), at=datetime.now(UTC)))

    assert isinstance(future.exception(), IllegalTransitionError)
    assert before == ledger.rows[before.id]
    assert [] == ledger.changes


def test_the_table_is_what_it_is_meant_to_be() -> None:
    """No transition comes or goes unnoticed."""
    lines = (line.strip().partition(": ") for line in _TABLE.strip().splitlines())
    expected = {(before, *step.split()) for before, _, steps in lines for step in steps.split(", ")}

    assert expected == {(before.value, kind.word(), after.value) for (before, kind), after in TABLE.items()}


@pytest.mark.parametrize("state", State)
def test_every_arrow_of_the_contract_exists(state: State) -> None:
    """Each state may become exactly what the job table's contract lists."""
    assert _CONTRACT[state] == {after for before, after in edges() if before is state is not after}


def test_every_event_class_stands_in_the_table() -> None:
    """No event is defined that could never be recorded."""
    classes = {value for value in vars(e).values() if isinstance(value, type) and issubclass(value, e.Event)}

    assert classes - _ROOTS == set(EVENTS.values())
    assert all(word == kind.word() for word, kind in EVENTS.items())


def test_nothing_leads_back_to_planned_without_proof_or_decision() -> None:
    """Each arrow that makes a row purchasable again after a POST is a decision, or its event proves that nothing was billed."""
    unbilled = {Outcome.NOT_SENT, Outcome.REFUSED, Outcome.NOT_BILLED}

    back = [kind for (before, kind), after in TABLE.items() if after is State.PLANNED and before is not State.PLANNED]

    assert back
    assert all(kind.is_decision or kind.outcome in unbilled for kind in back)


def test_no_path_from_submitting_to_planned_avoids_proof_and_decisions() -> None:
    """Without decisions and proofs of not being billed, a job that was sent can never be planned again."""
    unbilled = {Outcome.NOT_SENT, Outcome.REFUSED, Outcome.NOT_BILLED}
    bare = {(before, after) for (before, kind), after in TABLE.items() if not kind.is_decision and kind.outcome not in unbilled}

    reached = {State.SUBMITTING}
    while more := {after for before, after in bare if before in reached} - reached:
        reached |= more

    assert State.PLANNED not in reached


def test_money_moves_only_from_planned() -> None:
    """The one event that opens an attempt is legal in one state only."""
    opening = [(state, kind) for state, kind in TABLE if kind.outcome is Outcome.OPEN]

    assert [(State.PLANNED, e.SubmitStarted)] == opening


def test_every_decision_says_why() -> None:
    """An event that allows one more purchase carries a reason."""
    assert all(issubclass(kind, e.Explained) for kind in EVENTS.values() if kind.is_decision)


def test_fold_replays_a_whole_story() -> None:
    """The words of a delivered job lead to saved; no word at all is a planned row."""
    assert State.PLANNED == fold([])
    assert State.SAVED == fold(["submit_started", "submit_accepted", "render_finished", "images_staged", "images_saved"])


@pytest.mark.parametrize("words", [["submit_accepted"], ["submit_started", "no_such_event"]])
def test_fold_refuses_an_impossible_story(words: list[str]) -> None:
    """A word that its state does not allow, or that no event has, is an error."""
    with pytest.raises(IllegalTransitionError, match=r"SubmitAccepted|no_such_event"):
        fold(words)


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=30))
def test_fold_and_advance_agree(words: list[str]) -> None:
    """Replaying the legal ones of any events, word by word or event by event, gives the same state."""
    state, legal = State.PLANNED, []
    for word in words:
        if (state, EVENTS[word]) in TABLE:
            state = advance(state, event(EVENTS[word]))
            legal.append(word)

    assert state == fold(legal)


def test_the_diagram_shows_every_edge_and_event() -> None:
    """Each edge is one line that names its events."""
    lines = mermaid().splitlines()

    assert "stateDiagram-v2" == lines[0]
    assert len(edges()) + 3 == len(lines)
    for (before, kind), after in TABLE.items():
        assert any(line.startswith(f"    {before} --> {after}: ") and kind.__name__ in line.replace(",", "").split() for line in lines)


class RandomStories(RuleBasedStateMachine):
    """Any events in any order against a table of rows: what is stored is the fold of what was recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = FakeLedger()
        self.ledger.add([job()])
        self.job_id = JobId(1)

    @rule(word=st.sampled_from(sorted(EVENTS)), is_current=st.booleans())
    def something_happens(self, word: str, is_current: bool) -> None:
        """Record an event, sometimes for a version that is no longer there."""
        row = self.ledger.rows[self.job_id]
        is_legal = is_current and (row.state, EVENTS[word]) in TABLE
        change = Change(
            job_id=row.id,
            version=row.version - (not is_current),
            event=event(EVENTS[word], **_fresh_id(word, row.version)),
            at=datetime.now(UTC),
        )

        error = self.ledger.record(change).exception()

        assert is_legal == (error is None)
        assert is_legal == (row != self.ledger.rows[self.job_id])

    @precondition(lambda self: self.ledger.changes)
    @invariant()
    def the_row_is_the_fold_of_its_events(self) -> None:
        """Fold the recorded words and compare."""
        row = self.ledger.rows[self.job_id]
        assert row.state == fold(self.ledger.events(row.id))
        assert row.version == len(self.ledger.changes)


def _fresh_id(word: str, version: int) -> dict[str, str]:
    return {"task_id": f"task-{version}"} if "task_id" in EVENTS[word].__dataclass_fields__ else {}


TestRandomStories = RandomStories.TestCase
