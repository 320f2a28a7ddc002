"""Saving a plan, saving it again, and saying beforehand what that would do."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core.errors import StoreError
from batchgen.core.jobs import JobSpec
from batchgen.core.pricing import RowKind
from batchgen.core.states import State
from batchgen.store import plans, queries
from batchgen.store.engine import open_engine, reading
from batchgen.store.plans import PlanChange
from batchgen.store.schema import JOB_KEY_INDEX
from tests.support.databases import START, OpenTable, Table, new_plan, spec, specs

LATER = START + timedelta(hours=1)
SAVED = (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesSaved)


def save(table: Table, rows: list[JobSpec], *, retire: bool = True) -> PlanChange:
    """Save rows for the table's batch, after checking that ``compare`` foretells what is done."""
    foretold = plans.compare(table.engine, table.name, rows, retire=retire)
    change = plans.save(table.engine, new_plan(table.name), rows, at=LATER, retire=retire)
    assert foretold == change
    return change


def stored(table: Table) -> dict[str, object]:
    """Give the state of each row."""
    return {row["prompt_id"]: row["state"] for row in queries.jobs(table.engine, queries.JobFilter(batch=table.name))}


def test_a_fresh_plan_is_all_new(open_table: OpenTable) -> None:
    """Every row is stored as it was asked for, planned, in its place."""
    table = open_table(rows=[spec(1, prompt='  caf\u00e9 \t {argument name="x"} \n'), spec(2, model="other")])

    jobs = list(queries.jobs(table.engine, queries.JobFilter()))

    assert ['  caf\u00e9 \t {argument name="x"} \n', "A neon sign that says 2"] == [job["prompt"] for job in jobs]
    assert [("painter", "planned", 1), ("other", "planned", 2)] == [(job["model"], job["state"], job["position"]) for job in jobs]
    assert [] == table.violations()


def test_what_is_new_is_counted_by_model(table: Table) -> None:
    """The price of new rows depends on their models."""
    change = save(table, [*specs(3), spec(4), spec(5, model="other")])

    assert (2, 3, 0) == (change.new, change.kept, change.retired)
    assert {"painter": 1, "other": 1} == change.new_by_model
    assert {"never_planned": 2, "planned": 3} == change.reasons


def test_what_is_new_is_counted_by_what_it_orders(table: Table) -> None:
    """Operation, model, parameters and the number of references set the price; names and prompts do not."""
    two = '[{"name":"a","sha256":"aa"},{"name":"b","url":"https://example.com/b.png"}]'
    edit = spec(7, operation="edit", model="other", params="{}", references=two, prompt="else")
    rows = [*specs(4), spec(5, sweep="signs", labels="{}"), spec(6, references=two), edit, spec(8, params="{}")]

    change = save(table, rows)

    usual = spec(1).params
    assert {
        RowKind("image", "painter", usual, 0): 2,
        RowKind("image", "painter", usual, 2): 1,
        RowKind("edit", "other", "{}", 2): 1,
        RowKind("image", "painter", "{}", 0): 1,
    } == change.new_by_order
    assert {"painter": 4, "other": 1} == change.new_by_model


def test_the_same_plan_again_changes_nothing(table: Table) -> None:
    """Planning twice buys nothing and retires nothing."""
    table.walk(1, *SAVED)

    change = save(table, specs(3))

    assert (0, 3, 0, 1, 0) == (change.new, change.kept, change.changed, change.done, change.retired)
    assert {"saved": 1, "planned": 2} == change.reasons


def test_renamed_rows_keep_their_state_and_take_the_new_names(table: Table) -> None:
    """Names, labels and order follow the new plan; the job and its image stay."""
    table.walk(1, *SAVED)

    change = save(table, specs(3, sweep="signs", labels='{"animal":"heron"}'))

    job = table.story(1)["job"]
    assert (0, 3, 3) == (change.new, change.kept, change.changed)
    assert ("signs", {"animal": "heron"}, "saved") == (job["sweep"], job["labels"], job["state"])


def test_a_new_order_is_no_change_of_a_row(table: Table) -> None:
    """Only the running order follows the new plan."""
    change = save(table, [spec(number, position=10 - number) for number in (1, 2, 3)])

    assert (0, 3, 0) == (change.new, change.kept, change.changed)
    assert [3, 2, 1] == [job.id for job in table.claim()]


def test_rows_no_longer_asked_for_are_retired(table: Table) -> None:
    """Rows not yet sent are cancelled by a recorded event; the others keep their files."""
    table.walk(1, *SAVED)

    change = save(table, specs(1, first=3))

    assert (1, 2) == (change.kept, change.retired)
    assert {"planned": 1, "retired_unsent": 1, "retired_kept": 1} == change.reasons
    assert {"p1": "saved", "p2": "cancelled", "p3": "planned"} == stored(table)
    assert ["job_planned", "job_retired"] == [event["event"] for event in table.story(2)["events"]]
    assert table.story(1)["job"]["retired_at"] is not None
    assert [] == table.violations()


def test_retired_rows_come_back(table: Table) -> None:
    """Asked for again, a cancelled row is planned once more, and a saved one is simply wanted again."""
    table.walk(1, *SAVED)
    save(table, specs(1, first=3))

    change = save(table, specs(3))

    assert (0, 2, 1, 0) == (change.new, change.kept, change.restored, change.retired)
    assert {"p1": "saved", "p2": "planned", "p3": "planned"} == stored(table)
    assert [None] * 3 == [row["retired_at"] for row in queries.jobs(table.engine, queries.JobFilter())]
    assert [] == table.violations()


def test_rows_that_an_operator_cancelled_stay_cancelled(table: Table) -> None:
    """Only what the planner dropped does the planner bring back."""
    table.walk(2, e.JobCancelled)

    change = save(table, specs(3))

    assert (3, 0) == (change.kept, change.restored)
    assert "cancelled" == stored(table)["p2"]


def test_a_partial_plan_retires_nothing(table: Table) -> None:
    """Asking for some of the rows says nothing about the others."""
    change = save(table, specs(1), retire=False)

    assert (1, 0) == (change.kept, change.retired)
    assert {"planned"} == set(stored(table).values())


def test_rows_bought_in_another_batch_are_counted(open_table: OpenTable) -> None:
    """A copy of a manifest under a new name would buy its images again; that is said before."""
    first = open_table(3)
    first.walk(1, *SAVED)
    first.walk(2, *SAVED[:2])
    second = open_table(rows=[], name="copy")

    change = save(second, specs(3))

    assert (3, 2) == (change.new, change.elsewhere)
    assert [] == second.violations()


def test_comparing_writes_nothing(table: Table) -> None:
    """A look ahead leaves the tables as they are."""
    before = table.sql("SELECT * FROM job")

    plans.compare(table.engine, "night", specs(1, first=9))
    plans.compare(table.engine, "another", specs(1))

    assert before == table.sql("SELECT * FROM job")


def test_a_plan_that_fails_half_way_leaves_nothing(url: str) -> None:
    """A crash or an error while saving leaves the database as it was."""

    def rows() -> Iterator[JobSpec]:
        yield from specs(2500)
        raise FloatingPointError

    engine = open_engine(url)
    with pytest.raises(FloatingPointError):
        plans.save(engine, new_plan(), rows(), at=START)

    assert [] == queries.batches(engine)
    with reading(engine).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'ux_job_key'").scalar() == 1
    engine.dispose()


def test_the_same_row_twice_is_refused(url: str) -> None:
    """Two rows with one key in one plan would be one image bought twice."""
    engine = open_engine(url)

    with pytest.raises(StoreError, match="UNIQUE"):
        plans.save(engine, new_plan(), [spec(1), spec(1)], at=START)

    assert [] == queries.batches(engine)
    engine.dispose()


def test_the_plan_itself_is_kept(table: Table) -> None:
    """Resuming needs nothing but the database."""
    plans.save(table.engine, new_plan(source=b"version: 1\r\nname: night\r\n", settings='{"a": 1}'), specs(3), at=LATER)

    plan = queries.latest_plan(table.engine, table.batch_id)

    assert (b"version: 1\r\nname: night\r\n", '{"a": 1}', "0.1.0") == (plan.manifest, plan.settings, plan.tool_version)
    assert 2 == len(table.sql("SELECT id FROM plan"))


def test_a_moved_output_folder_is_followed(table: Table) -> None:
    """The batch's folder is that of its latest plan."""
    plans.save(table.engine, new_plan(output_dir="/elsewhere"), specs(3), at=LATER)

    assert "/elsewhere" == queries.batch_named(table.engine, "night").output_dir


def test_progress_is_told_per_chunk(url: str) -> None:
    """A long save can be watched."""
    engine = open_engine(url)
    seen: list[int] = []

    plans.save(engine, new_plan(), specs(2500), at=START, on_progress=seen.append)

    assert [1000, 2000, 2500] == seen
    engine.dispose()


def test_a_hundred_thousand_rows_are_saved_and_changed(url: str) -> None:
    """A large plan is loaded, counted, partly retired and found sound; its unique index is back in place."""
    engine = open_engine(url)
    plans.save(engine, new_plan(), (spec(number) for number in range(100_000)), at=START)

    change = plans.save(engine, new_plan(), (spec(number) for number in range(5_000, 100_010)), at=LATER)

    totals = queries.totals(engine, 1).states
    assert (10, 95_000, 5_000) == (change.new, change.kept, change.retired)
    assert (95_010, 5_000) == (totals[State.PLANNED], totals[State.CANCELLED])
    with reading(engine).connect() as connection:
        indexes = {row[1] for row in connection.exec_driver_sql("PRAGMA index_list(job)")}
    assert JOB_KEY_INDEX.name in indexes
    engine.dispose()
