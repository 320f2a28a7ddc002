"""Rows that are tried before the rest, on SQLite and on PostgreSQL."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection

from batchgen.core import events as e
from batchgen.core.jobs import Change, JobId, JobSpec
from batchgen.store import trials
from batchgen.store.ledger import SqlLedger
from tests.support.databases import PRICE, START, OpenTable, Table, event, spec

T = TypeVar("T")


def _in(table: Table, work: Callable[[Connection], T]) -> T:
    return table.thread.call(work).result()


def _rows() -> list[JobSpec]:
    """Give six rows: four of one cell in two samples of two prompts, and two of another sweep without a quality."""
    common, other = json.dumps({"model": "painter", "quality": "high"}), json.dumps({"model": "painter"})
    mains = [spec(number, params=common, sample=1 + (number - 1) % 2, prompt_id=f"p{(number - 1) // 2}") for number in range(1, 5)]
    return [*mains, *(spec(number, params=other, sweep="extra") for number in (5, 6))]


def test_rows_are_alike_but_for_prompt_and_sample(open_table: OpenTable) -> None:
    """In running order, with each axis that any row has; a parameter that a row lacks is a value of its own."""
    table = open_table(rows=_rows())

    main, extra = (choice.stratum for choice in _in(table, lambda c: trials.choices(c, table.batch_id)))

    assert [("sweep", "main"), ("operation", "image"), ("model", "painter"), ("quality", "high")] == main.values
    assert [("sweep", "extra"), ("operation", "image"), ("model", "painter"), ("quality", "")] == extra.values
    assert (4, 2) == (main.rows, extra.rows)


def test_different_prompts_are_tried_first(open_table: OpenTable) -> None:
    """The first sample of each prompt comes before any second one; rows that are planned no more are not there."""
    table = open_table(rows=_rows())
    table.walk(1, e.SubmitStarted)
    main = _in(table, lambda c: trials.choices(c, table.batch_id))[0]

    assert 3 == main.stratum.rows
    assert [3, 2] == _in(table, lambda c: trials.rows_alike(c, table.batch_id, main, 2))


def test_a_ledger_of_some_rows_claims_no_other(open_table: OpenTable) -> None:
    """When they are gone nothing is due, though other rows are planned."""
    table = open_table(rows=_rows())
    ledger = SqlLedger(table.thread, batch_id=table.batch_id, run_id=table.run_id, only=frozenset({2, 5}))

    claimed = ledger.claim(limit=10, now=START, skip=frozenset(), full_models=frozenset()).result()
    due = ledger.next_due().result()
    table.walk(2, e.JobCancelled)
    table.walk(5, e.JobCancelled)

    assert [2, 5] == [job.id for job in claimed]
    assert due is not None
    assert ledger.next_due().result() is None


def test_results_have_money_and_time(open_table: OpenTable) -> None:
    """A saved row has cost, estimate and the time from order to result; one that was refused has none of them."""
    table = open_table(2)
    for version, (kind, seconds) in enumerate([(e.SubmitStarted, 0), (e.SubmitAccepted, 1), (e.RenderFinished, 31), (e.ImagesSaved, 32)]):
        at = START + timedelta(seconds=seconds)
        table.ledger.record(Change(job_id=JobId(1), version=version, event=event(kind), at=at, actor="runner")).result()
    table.walk(2, e.SubmitStarted, e.SubmitRejected)

    saved, refused = _in(table, lambda c: trials.results(c, [1, 2]))

    assert (True, PRICE, PRICE, 30.0, "main/c1") == (saved.is_saved, saved.cost, saved.estimate, saved.latency_s, saved.cell)
    assert (False, None, None, None) == (refused.is_saved, refused.cost, refused.estimate, refused.latency_s)
