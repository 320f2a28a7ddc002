"""What a pool and ``status`` ask a PostgreSQL server again and again, and how the server goes about it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from batchgen.core.sharing import Share
from batchgen.core.states import State
from batchgen.store import commands, ledger, pool, prospects, queries, runs
from tests.support.databases import START

RUN = 2
"""The run that asks; run 1 has half of the live jobs in its hands."""
LARGE: Final = frozenset({"job", "attempt", "event", "artifact"})
"""The tables that grow with the jobs."""

Ask = Callable[[Connection], object]


def _claim(connection: Connection) -> object:
    query = ledger.claim_query(1, now=START, limit=100)
    return ledger._claimed(connection, query, RUN, frozenset())


def _meet(connection: Connection) -> object:
    visitor = pool.Visitor(run_id=RUN, batch_id=1, vendor="painter", held={})
    return pool.meet(connection, visitor, lambda _part, _others: {"": Share(in_flight=4)})


def _looked(read: Callable[[Engine], object]) -> Ask:
    """Ask by a function that opens its own connection."""
    return lambda connection: read(connection.engine)


QUESTIONS: Final[Mapping[str, Ask]] = {
    "claim 100": _claim,
    "next due": lambda c: ledger._next_due(1, None, (), RUN, c),
    "next due, none left": lambda c: c.scalar(ledger._in_other_hands(1, RUN, None)),
    "orphans": lambda c: ledger._orphans(c, batch_id=1, run_id=RUN, key_name="painter"),
    "bury a run": lambda c: runs.bury(c, [1], at=START),
    "batches that want workers": lambda c: pool.wanting(c, at=START),
    "unfinished batches": pool.unfinished,
    "meeting of runs": _meet,
    "pause": lambda c: commands.pause(c, 1),
    "status: totals": _looked(lambda engine: queries.totals(engine, 1)),
    "status: doubts": _looked(lambda engine: queries.doubts(engine, 1)),
    "status: failures": _looked(lambda engine: queries.rows_of(engine, "v_failures", batch="night")),
    "status: lost answers": _looked(lambda engine: queries.rows_of(engine, "v_ambiguous", batch="night")),
    "status: oldest task": _looked(lambda engine: queries.oldest_task(engine, 1)),
    "undecided": _looked(lambda engine: prospects.undecided(engine, 1)),
    "open orders": _looked(queries.open_orders),
    "live jobs": lambda c: ledger.live_jobs(c, batch_id=1),
    "jobs in doubt": lambda c: ledger.live_jobs(c, batch_id=1, states=[State.AMBIGUOUS]),
    "sign of life": lambda c: runs.bury_dead(c, is_gone=lambda _row: False, judges_silent=True, at=START),
    "progress": runs.progress,
}
"""Questions that are to cost the same however many jobs have ended."""


@dataclass(frozen=True, slots=True)
class Step:
    """A place where the server reads a table: how, of which, and by which index."""

    kind: str
    table: str
    index: str = ""

    def __str__(self) -> str:
        """Tell it in a few words."""
        return f"{self.kind} {self.index or self.table}"


def steps(engine: Engine, ask: Ask) -> list[Step]:
    """Say how the server finds what is asked, each way once; what it changes is rolled back."""
    found: dict[Step, None] = {}
    with _heard(engine) as statements, engine.connect() as connection:
        ask(connection)
        connection.rollback()
    with engine.connect() as connection:
        for statement, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
            found |= dict.fromkeys(_reads(json.loads(plan) if isinstance(plan, str) else plan))
    return list(found)


@contextmanager
def _heard(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Listen to the statements on the engine that look for rows."""
    statements: list[tuple[str, Any]] = []

    def hear(_connection: Connection, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def _reads(plan: Any) -> Iterator[Step]:
    """Walk a plan and give every place where a table is read; a bitmap is told by its indexes."""
    if isinstance(plan, list):
        for part in plan:
            yield from _reads(part)
        return
    node = plan.get("Plan", plan)
    kind, table = node["Node Type"], node.get("Relation Name", "")
    if kind == "Bitmap Index Scan" or (table and "Index Name" in node):
        yield Step(kind, table, node["Index Name"])
    elif kind == "Seq Scan":
        yield Step(kind, table)
    yield from _reads(node.get("Plans", []))
