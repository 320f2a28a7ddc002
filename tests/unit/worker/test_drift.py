"""What nobody has heard of: kept once, told once, never a failure."""

import pytest

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.dialects import Call, Question
from batchgen.core.errors import ExchangeError, StaleJobError
from batchgen.core.jobs import JobId
from batchgen.core.states import State
from batchgen.worker.drift import Drift
from tests.support.builders import job, jobs, rig, submitted
from tests.support.fake_client import always, script


def test_each_name_is_given_once_a_run_and_to_the_job_that_brought_it() -> None:
    """Repeats within an answer, by the same job and by others are left out; what was taken is gone."""
    drift = Drift()
    drift.note(JobId(1), ["field data.eta", "status dreaming", "field data.eta"])
    drift.note(JobId(1), ["code 30001"])
    drift.note(JobId(2), ["status dreaming", "field a b"])

    first, second = drift.take(JobId(1)), drift.take(JobId(2))

    assert [("field", "data.eta"), ("status", "dreaming"), ("code", "30001")] == [(event.reason, event.detail) for event in first]
    assert [("field", "a b")] == [(event.reason, event.detail) for event in second]
    assert ([], []) == (drift.take(JobId(1)), drift.take(JobId(3)))


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (None, State.SUBMITTED),
        (r.Throttled(message="slow", retry_after_s=5.0), State.PLANNED),
        (r.Unreadable(message="?"), State.AMBIGUOUS),
        (r.Rejected(reason="refused", message="no"), State.FAILED),
    ],
)
def test_what_the_answer_to_an_order_brought_follows_its_outcome(answer: r.SubmitReading | None, state: State) -> None:
    """The remark comes after the outcome and leaves the job in the state, with the reason and the back-off that it has by then."""
    run = rig([job()])
    run.client.on_order, run.client.oddities = script(answer), ("field data.eta",)

    run.run()

    assert "drift_seen" == run.events()[2]
    outcome, remark = run.ledger.changes[1:3]
    assert (outcome.version + 1, e.DriftSeen(reason="field", detail="data.eta")) == (remark.version, remark.event)
    assert [state.value] * 2 == [line.facts[name] for line in run.log.called("job.drift_seen") for name in ("before", "after")]


def test_a_remark_about_a_waiting_row_does_not_make_it_due() -> None:
    """The back-off that the outcome set holds."""
    run = rig([job()])
    run.client.on_order, run.client.oddities = script(r.Busy(message="425", retry_after_s=None)), ("code 425",)

    run.run()

    assert run.client.orders[1].at - run.client.orders[0].answered_at >= 2.5
    assert State.SAVED is run.job().state


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (r.Running(status="?"), State.SUBMITTED),
        (None, State.RENDERED),
        (r.Ended(reason="remote", message="x"), State.FAILED),
        (r.Ended(reason="transient", message="x"), State.PLANNED),
    ],
)
def test_what_a_question_brought_follows_what_it_told(answer: r.PollReading | None, state: State) -> None:
    """Whatever a question told is recorded first; the remark changes none of it."""
    run = rig([submitted()])
    run.client.on_ask, run.client.oddities = script(answer), ("status dreaming",)

    run.run()

    assert [state.value] * 2 == [line.facts[name] for line in run.log.called("job.drift_seen") for name in ("before", "after")]
    assert 1 == run.events().count("drift_seen")


def test_the_next_run_tells_it_again() -> None:
    """Once a kind and run: a later run warns anew."""
    run = rig(jobs(3))
    run.client.oddities = ("field data.eta",)
    run.run()
    run.ledger.add([job(4)])
    after = run.again()

    after.run()

    assert [1, 1] == [len(one.log.called("job.drift_seen")) for one in (run, after)]


def test_a_remark_about_a_row_that_somebody_moved_is_dropped() -> None:
    """A stale remark is no trouble: the accepted order is followed and saved, and the run ends by itself."""
    run = rig([job(1), job(2)])
    run.client.oddities = ("field data.eta",)
    run.ledger.fails = lambda change: StaleJobError("moved") if isinstance(change.event, e.DriftSeen) else None

    assert run.run() is None

    assert [State.SAVED, State.SAVED] == run.states()
    assert 0 == run.places.total


# --- second questions ---


def _asking_for_result(task: str) -> Question:
    def read(reply: r.PollReading) -> r.PollReading:
        return reply.reading

    return Question(call=Call(method="GET", path=f"/tasks/{task}-result"), read=read)


def test_an_answer_may_ask_for_a_second_question() -> None:
    """Some vendors tell the end and the result apart: the second free answer is what counts."""
    run = rig([submitted()])
    run.client.on_ask = script(_asking_for_result("old-1"), r.Done(urls=("https://cdn.example/second.png",)))

    assert run.run() is None

    assert ["old-1", "old-1-result"] == [task for _, task in run.client.asked]
    assert "https://cdn.example/second.png" == run.client.fetched[0][1]
    assert State.SAVED is run.job().state


def test_a_second_question_that_fails_leaves_the_task_alone() -> None:
    """Trouble with the second answer is trouble with the question: both are asked again later."""
    run = rig([submitted()])
    run.client.on_ask = script(_asking_for_result("old-1"), ExchangeError("reset"), _asking_for_result("old-1"))

    assert run.run() is None

    assert ["old-1", "old-1-result"] * 2 == [task for _, task in run.client.asked]
    assert State.SAVED is run.job().state


def test_a_second_answer_brings_its_own_remarks() -> None:
    """What is unheard of in either answer is told once."""
    run = rig([submitted()])
    run.client.on_ask = script(_asking_for_result("old-1"))
    run.client.oddities = ("field result",)

    run.run()

    assert 1 == run.events().count("drift_seen")


def test_a_second_answer_may_end_the_task() -> None:
    """A result that turns out to be refused fails the job; nothing is bought again."""
    run = rig([submitted()])
    run.client.on_ask = script(_asking_for_result("old-1"), r.Ended(reason="moderated", message="no"))

    run.run()

    assert (State.FAILED, "moderated", []) == (run.job().state, run.job().reason, run.client.orders)


def test_a_question_in_trouble_forever_is_parked() -> None:
    """A vendor that always asks for a second question and never answers it does not hold the run for ever."""
    run = rig([submitted()])
    run.client.on_ask = lambda task: r.Trouble(message="502") if task.endswith("-result") else always(_asking_for_result(task))(task)

    assert run.run() is None

    assert ["task_stalled"] == run.events()
