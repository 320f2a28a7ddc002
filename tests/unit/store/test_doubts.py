"""What the job table tells about orders whose answer was lost."""

from datetime import timedelta

from batchgen.core import events as e
from batchgen.core.reconciling import Evidence, Use
from batchgen.store import runs
from tests.support.databases import PRICE, START, OpenTable, Table

USE = Use(whose="key", micros=1_000_000)


def _begun(table: Table, *, use: Use | None = USE) -> Table:
    """Note what the vendor told when the run began."""
    table.thread.call(lambda c: runs.note_account(c, table.run_id, available=None, use=use)).result()
    return table


def _evidence(table: Table) -> Evidence:
    found = table.ledger.evidence().result()
    assert found is not None
    return found


def test_without_a_doubt_there_is_no_evidence(open_table: OpenTable) -> None:
    """Saved rows alone ask no question."""
    table = _begun(open_table(2))
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)

    assert table.ledger.evidence().result() is None
    assert [] == table.ledger.doubtful().result()


def test_the_known_costs_of_lasting_orders_are_added_up(open_table: OpenTable) -> None:
    """A saved order explains its cost; failed ones, repeated ones and those in doubt explain nothing."""
    table = _begun(open_table(5))
    table.walk(1, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesSaved)
    table.walk(2, e.SubmitStarted, e.SubmitUnknown)
    for job_id in (3, 4):
        table.walk(job_id, e.SubmitStarted, e.SubmitAccepted)
        table.record(job_id, e.RenderFailed, at=START + timedelta(seconds=1))
    table.walk(4, e.RetryAllowed, e.SubmitStarted, e.SubmitRejected)
    table.walk(5, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished)

    found = _evidence(table)

    assert (1, 2 * PRICE, 0, 0) == (found.doubtful, found.explained, found.unpriced, found.unfinished)
    assert (USE, START, False, False) == (found.use, found.since, found.others, found.failed_before)
    assert [2] == [job.id for job in table.ledger.doubtful().result()]


def test_whatever_makes_the_books_uncertain_is_counted(open_table: OpenTable) -> None:
    """An order without a cost, and one that still runs."""
    table = _begun(open_table(3), use=None)
    table.walk(1, e.SubmitStarted, e.SubmitUnknown)
    table.record(2, e.SubmitStarted)
    table.record(2, e.SubmitAccepted, cost=None)
    table.record(2, e.RenderFinished, cost=None)
    table.walk(3, e.SubmitStarted, e.SubmitAccepted)

    found = _evidence(table)

    assert (1, 1, None) == (found.unpriced, found.unfinished, found.use)


def test_failures_and_other_batches_in_between_are_told(open_table: OpenTable) -> None:
    """A failure that came shortly before, one that came since, and a run of another batch."""
    table = _begun(open_table(3))
    early, late = START - timedelta(minutes=5), START + timedelta(minutes=7)
    for job_id, at in ((1, early), (2, late)):
        table.walk(job_id, e.SubmitStarted, e.SubmitAccepted)
        table.record(job_id, e.RenderFailed, at=at)
    table.walk(3, e.SubmitStarted, e.SubmitUnknown)
    open_table(1, name="another")

    found = _evidence(table)

    assert (True, True, late) == (found.failed_before, found.others, found.last_failure)


def test_what_policy_had_ordered_again_is_added_up(open_table: OpenTable) -> None:
    """A person's decision is not the policy's."""
    table = open_table(3)
    for job_id in (1, 2, 3):
        table.walk(job_id, e.SubmitStarted, e.SubmitUnknown)
    table.record(1, e.ResubmitAllowed, actor="policy")
    table.record(2, e.ResubmitAllowed, actor="operator:ana")

    assert PRICE == table.ledger.repeated().result()
    assert [3] == [job.id for job in table.ledger.doubtful().result()]
    assert (1, 0) == tuple(job.regenerated for job in table.claim())
