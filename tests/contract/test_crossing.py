"""Two processes that record in one batch at the same moment: what the one has looked at moves before it locks it. On PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from batchgen.core import events as e
from batchgen.core.errors import BudgetReachedError
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.store import runs
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from batchgen.store.writer import DatabaseThread
from tests.support.databases import PRICE, START, OpenTable, Table, opened, postgres_url

pytestmark = pytest.mark.postgres

LOCKS_BATCH = "FOR NO KEY UPDATE"
MOVES_ATTEMPT = "UPDATE attempt SET outcome"


@pytest.fixture
def open_table(postgres: str) -> Iterator[OpenTable]:
    """Open tables in a fresh database on the server."""
    with opened(postgres_url(postgres)) as open_one:
        yield open_one


@contextmanager
def beside(table: Table) -> Iterator[SqlLedger]:
    """Let another process work on the table."""
    engine = open_engine(table.url)
    process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
    with closing(DatabaseThread(engine)) as thread:
        started = thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START, lease_s=86_400.0))
        yield SqlLedger(thread, batch_id=table.batch_id, run_id=started.result())
    engine.dispose()


@contextmanager
def just_before(engine: Engine, words: str, act: Callable[[], object]) -> Iterator[list[str]]:
    """Do something once, when a statement with these words is about to begin; give the statements with them."""
    statements: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_rest: Any) -> None:
        if words in statement:
            statements.append(statement)
            if len(statements) == 1:
                act()

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def order(table: Table, job_id: int, cap: int) -> Any:
    """Build an order under a limit of cost."""
    return table.change(job_id, e.SubmitStarted, cap_cost=Micros(cap))


def test_an_order_that_does_not_fit_any_more_is_refused(open_table: OpenTable) -> None:
    """Both saw room for one: whoever locks the batch last starts again, and is told."""
    table = open_table(2)
    with beside(table) as other, just_before(table.engine, LOCKS_BATCH, lambda: other.record(order(table, 2, PRICE)).result()) as locks:
        refused = table.ledger.record(order(table, 1, PRICE)).exception()

    assert isinstance(refused, BudgetReachedError)
    assert not refused.is_final
    assert (2, 1) == (len(locks), table.totals().orders)
    assert {1: "planned", 2: "submitting"} == dict(table.sql("SELECT id, state FROM job ORDER BY id"))
    assert [] == table.violations()


def test_orders_that_both_fit_cross_without_starting_again(open_table: OpenTable) -> None:
    """The later one says of the batch's money what it is then, the earlier one's order included."""
    table = open_table(2)
    with beside(table) as other, just_before(table.engine, LOCKS_BATCH, lambda: other.record(order(table, 2, 2 * PRICE)).result()) as locks:
        table.ledger.record(order(table, 1, 2 * PRICE)).result()

    assert 1 == len(locks)
    assert {1: 2 * PRICE, 2: PRICE} == dict(table.sql("SELECT job_id, committed_micros FROM attempt"))
    assert [] == table.violations()


def test_the_batch_is_locked_after_all_that_is_a_groups_own(open_table: OpenTable) -> None:
    """Others wait for a few statements and a COMMIT, not for a group's reading and writing."""
    table = open_table(1)
    with just_before(table.engine, "", lambda: None) as statements:
        table.record(1, e.SubmitStarted)

    locked = next(number for number, statement in enumerate(statements) if LOCKS_BATCH in statement)
    after = [statement.split()[:2] for statement in statements[locked + 1 :]]
    assert [["SELECT", "purse.batch_id,"], ["UPDATE", "batch_total"], ["UPDATE", "batch"], ["INSERT", "INTO"]] == after


def test_a_task_id_that_comes_twice_at_once_is_doubted_once(open_table: OpenTable) -> None:
    """Neither saw the other's: the later answer is recorded as unknown, as if it had come later."""
    table = open_table(2)
    for job_id in (1, 2):
        table.record(job_id, e.SubmitStarted)
    accept = {job_id: table.change(job_id, e.SubmitAccepted, task_id="task-of-both") for job_id in (1, 2)}
    with beside(table) as other, just_before(table.engine, MOVES_ATTEMPT, lambda: other.record(accept[2]).result()):
        recorded = table.ledger.record(accept[1]).result()

    assert State.AMBIGUOUS == recorded.state
    assert [("task-of-both",)] == table.sql("SELECT task_id FROM attempt WHERE task_id IS NOT NULL")
    assert [] == table.violations()
