"""How the ledger asks the database."""

from datetime import timedelta

import pytest
from sqlalchemy import Select

from batchgen.core import events as e
from batchgen.core.states import State
from batchgen.store import runs
from batchgen.store.ledger import claim_query, live_jobs
from batchgen.store.queries import doubts_query
from tests.support.databases import START, OpenTable, Table


def query_plan(table: Table, query: Select[tuple[object, ...]]) -> str:
    """Give SQLite's way of answering."""
    with table.engine.connect() as connection:
        compiled = query.compile(dialect=table.engine.dialect, compile_kwargs={"literal_binds": True})
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return "; ".join(str(row[3]) for row in rows)


def test_claim_is_answered_by_the_partial_index_without_sorting(table: Table) -> None:
    """At a million rows this is the difference between a millisecond and seconds."""
    plan = query_plan(table, claim_query(table.batch_id, now=START, skip=[1, 2], full_models=["painter"]))

    assert plan.startswith("SEARCH job USING INDEX ix_job_planned (batch_id=?)")
    assert "TEMP B-TREE" not in plan


def test_doubtful_money_is_found_without_going_through_every_order(table: Table) -> None:
    """A status of a finished million does not read a million orders."""
    assert "USING INDEX ix_attempt_doubtful" in query_plan(table, doubts_query(table.batch_id))


@pytest.mark.parametrize("state", [State.SUBMITTING, State.SUBMITTED, State.RENDERED, State.AMBIGUOUS, State.FAILED])
def test_every_live_state_has_its_index(table: Table, state: State) -> None:
    """Looking for what is in hand never scans the table."""
    from batchgen.store.ledger import _ordered  # noqa: PLC0415 - the query behind live_jobs

    plan = query_plan(table, _ordered(table.batch_id, state))

    assert f"SEARCH job USING INDEX ix_job_{state.value} (batch_id=?)" in plan
    assert "TEMP B-TREE" not in plan


def test_jobs_of_other_states_can_be_listed_too(table: Table) -> None:
    """Recovery looks at ambiguous jobs by the same road."""
    table.walk(2, e.SubmitStarted, e.SubmitUnknown)

    with table.engine.connect() as connection:
        found = live_jobs(connection, batch_id=table.batch_id, states=[State.AMBIGUOUS])

    assert [2] == [job.id for job in found]


def test_batches_do_not_see_each_other(open_table: OpenTable) -> None:
    """A run works on its own batch only."""
    night, day = open_table(2), open_table(1, name="day")
    day.record(3, e.SubmitStarted)

    assert [1, 2] == [job.id for job in night.claim()]
    assert [] == night.live()
    assert [3] == [job.id for job in day.live()]


def test_a_run_is_written_down(table: Table) -> None:
    """Who ran, from when to when, and how it ended."""
    ending = runs.Ending(stop_reason="finished", exit_code=0, balance_after=5)
    later = START + timedelta(minutes=1)

    table.thread.call(lambda c: runs.beat(c, table.run_id, at=later)).result()
    table.thread.call(lambda c: runs.finish(c, table.run_id, ending, at=later)).result()
    row = table.thread.call(lambda c: runs.latest(c, table.batch_id)).result()

    assert row is not None
    assert ("night-1", 4711, "finished", 0, later, 5) == tuple(
        row[name] for name in ("host", "pid", "stop_reason", "exit_code", "ended_at", "balance_after")
    )


def test_a_run_that_never_ended_is_marked_when_the_next_begins(open_table: OpenTable) -> None:
    """Whoever holds the lock knows that earlier runs are dead."""
    table = open_table(1)
    process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
    table.thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START)).result()

    assert [("died",), ("",)] == table.sql("SELECT stop_reason FROM run ORDER BY id")
