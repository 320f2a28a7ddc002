"""The one way from the worker to the job table."""

from contextlib import suppress

import pytest

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import (
    BatchgenError,
    FileError,
    IllegalTransitionError,
    NotSentError,
    OutcomeUnknownError,
    StaleJobError,
    StoreAwayError,
    StoreError,
)
from batchgen.core.jobs import Change, Job
from batchgen.core.money import Micros
from batchgen.core.ports import Settled
from batchgen.core.states import Outcome, State
from tests.support.builders import Rig, event, job, limits, rendered, rig, submitted
from tests.support.fake_clock import START, run_warped

NO_ROOM = StoreError("no room left")


def _failing(run: Rig, kind: type[e.Event], *, error: StoreError = NO_ROOM) -> None:
    """Let the table refuse the first event of that kind."""
    left = [error]

    def fails(change: Change) -> StoreError | None:
        return left.pop() if isinstance(change.event, kind) and left else None

    run.ledger.fails = fails


@pytest.mark.parametrize("error", [StoreAwayError("the connection to the database was lost"), StoreError("no room left")])
def test_a_table_that_takes_nothing_stops_the_run(error: StoreError) -> None:
    """The ledger has waited for a table that is away; the run stops with 7, the id is in the diary, the row is still submitting."""
    run = rig([job()])
    _failing(run, e.SubmitAccepted, error=error)

    stop = run.run()

    assert stop is not None
    assert (7, "storage") == (stop.exit_code, stop.reason)
    assert [State.SUBMITTING] == run.states()
    assert ["task-1"] == [line.facts["task_id"] for line in run.log.called("job.not_recorded")]


def test_a_full_disk_stops_at_once_and_the_next_start_takes_the_task_id_from_the_journal() -> None:
    """The id is forced into the journal, one POST in all; the next run records it, fetches the image, and nothing is ordered again."""
    run = rig([job()])
    _failing(run, e.SubmitAccepted)

    stop = run.run()

    assert stop is not None
    assert (7, "storage") == (stop.exit_code, stop.reason)
    assert run.clock.seconds < 5
    assert ("task-1", 1) == (run.journal.outcomes[1].task_id, run.journal.syncs)
    assert ["00000000 is task task-1, kept in the journal; the next start records it"] == list(run.progress.unrecorded.values())

    assert run.again().run() is None
    assert [State.SAVED] == run.states()
    assert 1 == len(run.client.orders)
    assert {1} == run.journal.known


def test_an_order_that_the_journal_does_not_take_is_not_sent() -> None:
    """No journal, no spending: the row is planned again, the run stops with 7."""
    run = rig([job()])
    run.journal.fails = lambda line: FileError("no room for the journal") if line == "intent" else None

    stop = run.run()

    assert stop is not None
    assert (7, "no room for the journal") == (stop.exit_code, stop.message)
    assert [] == run.client.orders
    assert [State.PLANNED] == run.states()


def test_an_answer_that_neither_table_nor_journal_takes_is_shown() -> None:
    """The task id is the last thing that is left of a paid order: it stands in the diary and in the report."""
    run = rig([job()])
    run.journal.fails = lambda line: FileError("read-only") if line == "outcome" else None
    _failing(run, e.SubmitAccepted)

    run.run()

    assert ["00000000 is task task-1, kept here only"] == list(run.progress.unrecorded.values())
    assert [{"key": job().key, "attempt": 1, "task_id": "task-1", "why": "read-only"}] == [
        line.facts for line in run.log.called("journal.not_written")
    ]


def test_an_answer_whose_journal_cannot_be_forced_to_the_disk_is_shown() -> None:
    """The report does not promise that the next start finds it."""
    run = rig([job()])
    run.journal.fails = lambda line: FileError("I/O error") if line == "sync" else None
    _failing(run, e.SubmitAccepted)

    run.run()

    assert ["00000000 is task task-1, kept here only: I/O error"] == list(run.progress.unrecorded.values())
    assert {
        "key": job().key,
        "attempt": 1,
        "fact": "submit_accepted",
        "task_id": "task-1",
        "kept": "here only: I/O error",
        "why": "no room left",
    } == run.log.called("job.not_recorded")[0].facts


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        (r.Accepted(task_id="task-1", cost=Micros(5)), [Settled(outcome=Outcome.ACCEPTED, task_id="task-1", cost=Micros(5))]),
        (r.Rejected(reason="refused", message="bad ratio"), [Settled(outcome=Outcome.REFUSED)]),
        (NotSentError("no route"), [Settled(outcome=Outcome.NOT_SENT)]),
        (OutcomeUnknownError("reset"), []),
    ],
)
def test_the_journal_is_told_every_answer_that_is_certain(answer: r.SubmitReading | BaseException, outcomes: list[Settled]) -> None:
    """What it does not know is an unknown answer."""
    run = rig([job()], limits=limits(attempts=1))
    run.client.on_order = lambda _: answer

    run.run()

    assert outcomes == list(run.journal.outcomes.values())


def test_the_journal_learns_at_once_what_the_table_has_taken() -> None:
    """An order that is settled in the table is no longer open in the journal."""
    run, told = rig([job()]), []
    run.ledger.fails = lambda change: told.append(set(run.journal.known)) if isinstance(change.event, e.RenderFinished) else None

    run.run()

    assert [{1}] == told


def test_the_answer_is_in_the_journal_before_the_table_is_told() -> None:
    """Whatever kills the process in between, the next start finds the task id."""
    run = rig([job()])
    told: list[bool] = []
    run.ledger.fails = lambda change: told.append(1 in run.journal.outcomes) if isinstance(change.event, e.SubmitAccepted) else None

    run.run()

    assert [True] == told


def test_the_diary_does_not_say_of_a_result_that_the_journal_keeps_it() -> None:
    """Only answers to orders stand there; a result is asked for again."""
    run = rig([job()])
    _failing(run, e.RenderFinished)

    run.run()

    (line,) = run.log.called("job.not_recorded")
    assert "kept" not in line.facts
    assert 0 == run.journal.syncs


@pytest.mark.parametrize("error", [StaleJobError("moved"), IllegalTransitionError("impossible")])
def test_a_task_id_without_a_place_is_kept_in_the_diary(error: BatchgenError) -> None:
    """When the row can never take the task id of a paid order, the diary still names it."""
    run = rig([job()])
    run.ledger.fails = lambda change: error if isinstance(change.event, e.SubmitAccepted) else None

    with suppress(IllegalTransitionError):
        run.run()

    assert ["task-1"] == [line.facts["task_id"] for line in run.log.called("job.not_recorded")]


def test_every_transition_is_one_line_of_the_diary() -> None:
    """Key, states and attempt stand in each line; what fails is a warning."""
    run = rig([job()])

    run.run()

    lines = [line for line in run.log.lines if line.event.startswith("job.")]
    assert ["job." + word for word in run.events()] == [line.event for line in lines]
    assert {"info"} == {line.level for line in lines}
    assert {"key": job().key, "before": "planned", "after": "submitting", "attempt": 1} == {
        name: lines[0].facts[name] for name in ("key", "before", "after", "attempt")
    }
    assert "task-1" == lines[1].facts["task_id"]


@pytest.mark.parametrize(
    ("answer", "word", "reason", "detail"),
    [
        (r.Rejected(reason="refused", message="bad ratio"), "job.submit_rejected", "refused", "bad ratio"),
        (OutcomeUnknownError("reset"), "job.submit_unknown", "no_answer", "reset"),
    ],
)
def test_a_setback_is_a_warning_with_its_reason(answer: r.SubmitReading | BaseException, word: str, reason: str, detail: str) -> None:
    """Whoever reads the diary sees what went wrong with which row."""
    run = rig([job()])
    run.client.on_order = lambda _: answer

    run.run()

    (line,) = run.log.called(word)
    assert ("warning", reason, detail) == (line.level, line.facts["reason"], line.facts["detail"])
    assert "info" == run.log.called("job.submit_started")[0].level


@pytest.mark.parametrize(
    ("row", "happened", "level"),
    [
        (rendered(), event(e.DownloadDeferred, next_at=None), "warning"),
        (rendered(), event(e.DownloadDeferred, next_at=START), "info"),
        (rendered(), event(e.DriftSeen), "warning"),
        (submitted(), event(e.TaskStalled), "warning"),
        (submitted(), event(e.RenderFinished), "info"),
    ],
)
def test_what_waits_for_a_person_is_a_warning(row: Job, happened: e.Event, level: str) -> None:
    """A download without another date, a task that stands still, an answer never heard of; what goes on by itself is none."""
    run = rig([row])

    run_warped(run.clock, run.engine.steps.recorder.record(row, happened))

    assert [level] == [line.level for line in run.log.lines]


def test_counters_follow_the_records() -> None:
    """The counts by state are those of the table."""
    run = rig([job(1), job(2)])
    run.progress.by_state[State.PLANNED] = 2

    run.run()

    assert {State.SAVED: 2} == {state: count for state, count in run.progress.by_state.items() if count}
    assert (2, 2, 0) == (run.progress.saved, run.progress.orders, run.progress.failed)
    assert 120_000 == run.progress.spent
    assert {"runner"} == {change.actor for change in run.ledger.changes}
