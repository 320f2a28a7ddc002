"""What a run has brought home, by its events, on SQLite and on PostgreSQL."""

from datetime import timedelta

from batchgen.core import events as e
from batchgen.core.jobs import SYNCHRONOUS, Change, JobId
from batchgen.core.states import State
from batchgen.store import runs
from batchgen.store.harvest import harvest, lately
from batchgen.store.ledger import SqlLedger
from tests.support.databases import START, OpenTable, Table, event

SAVED = (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesStaged, e.ImagesSaved)


def _later_run(table: Table) -> Table:
    """Let another process work on the same table."""
    process = runs.Process(host="night-1", pid=4712, boot_id="b00t", tool_version="0.1.0")
    table.run_id = table.thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START)).result()
    table.ledger = SqlLedger(table.thread, batch_id=table.batch_id, run_id=table.run_id)
    return table


def test_each_run_has_what_it_saved_itself(open_table: OpenTable) -> None:
    """Two jobs of the first run are none of the second's, which fetches a task of the first and does one of its own."""
    table = open_table(4)
    first = table.run_id
    table.walk(1, *SAVED)
    table.walk(2, *SAVED)
    table.walk(3, e.SubmitStarted, e.SubmitAccepted)
    second = _later_run(table).run_id
    table.walk(3, e.RenderFinished, e.ImagesStaged, e.ImagesSaved)

    found = {run: harvest(table.engine, run) for run in (first, second)}

    assert {first: 2, second: 1} == {run: each.saved for run, each in found.items() if each is not None}
    assert [2, 1] == [len(each.durations["painter"]) for each in found.values() if each is not None]


def test_a_run_that_did_nothing_has_nothing(open_table: OpenTable) -> None:
    """Neither in a fresh table nor after another run's work."""
    table = open_table(1)
    before = harvest(table.engine, table.run_id)
    table.walk(1, *SAVED)

    after = harvest(table.engine, _later_run(table).run_id)

    assert before is not None
    assert after is not None
    assert [(0, {}), (0, {})] == [(each.saved, each.durations) for each in (before, after)]


def test_a_task_lasts_from_its_acceptance_and_an_answer_from_its_sending(open_table: OpenTable) -> None:
    """Thirty seconds of a task after two for its order; all thirty-two where the answer was the result."""
    table = open_table(2)
    for number, task in ((1, "task-1"), (2, f"{SYNCHRONOUS}200001")):
        facts = [event(e.SubmitStarted), event(e.SubmitAccepted, task_id=task), event(e.RenderFinished)]
        for version, (happened, seconds) in enumerate(zip(facts, (0, 2, 32), strict=True)):
            change = Change(job_id=JobId(number), version=version, event=happened, at=START + timedelta(seconds=seconds), actor="runner")
            table.ledger.record(change).result()

    found = harvest(table.engine, table.run_id)

    assert found is not None
    assert [30.0, 32.0] == sorted(found.durations["painter"])


def test_lately_tells_images_and_setbacks_of_the_run_alone(open_table: OpenTable) -> None:
    """The latest come first; what an earlier run met is left out, and so is an event that only remarks on a failed job."""
    table = open_table(5)
    table.walk(1, *SAVED)
    table.walk(2, e.SubmitStarted, e.SubmitRejected)
    _later_run(table)
    table.walk(3, e.SubmitStarted, e.SubmitUnknown)
    table.walk(4, e.SubmitStarted, e.SubmitAccepted, e.RenderFailed)
    table.walk(5, *SAVED)

    found = lately(table.engine, table.run_id)

    assert [START] == found.saved_at
    assert [(4, State.FAILED, "because"), (3, State.AMBIGUOUS, "because")] == [(int(key), *rest) for key, *rest in found.setbacks]
