"""The views, the plans, the invariants and the lock behave the same on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from batchgen.core import events as e
from batchgen.core.columns import Kind
from batchgen.core.errors import InputError, LockedError, SchemaError, StoreError
from batchgen.core.jobs import Change, JobId
from batchgen.core.pricing import RowKind
from batchgen.core.states import State
from batchgen.store import plans, prospects, queries, runs
from batchgen.store.engine import open_engine
from batchgen.store.faults import RefusedError, translated
from batchgen.store.lock import RunLock
from batchgen.store.views import VIEWS
from tests.support.databases import PRICE, START, OpenTable, Table, event, image, new_plan, opened, postgres_url, spec, specs, sqlite_url

SUBMITTED = (e.SubmitStarted, e.SubmitAccepted)
SAVED = (*SUBMITTED, e.RenderFinished, e.ImagesStaged, e.ImagesSaved)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make a fresh database of one kind."""
    return sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url(request.getfixturevalue("postgres"))


@pytest.fixture
def open_table(url: str) -> Iterator[OpenTable]:
    """Plan rows in the database and open a table on them."""
    with opened(url) as open_one:
        yield open_one


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_has_the_documented_columns(url: str, view: Any) -> None:
    """The columns and their order are what the documentation says, and can be read."""
    engine = open_engine(url)
    with engine.connect() as connection:
        columns = list(connection.execute(text(f"SELECT * FROM {view.name}")).keys())  # noqa: S608 - our own names
    engine.dispose()

    assert list(view.columns) == columns


def test_a_view_is_read_with_its_columns_and_kinds(open_table: OpenTable) -> None:
    """Every view is streamed with its documented columns, and what is in them has the kind that is said, on every engine."""
    table = open_table(3)
    table.walk(1, *SAVED)
    table.walk(2, *SUBMITTED, e.RenderFailed)
    table.walk(3, e.SubmitStarted, e.SubmitUnknown)
    types = {Kind.TEXT: str, Kind.JSON: str, Kind.WHOLE: int, Kind.REAL: float, Kind.CLAIM: bool}

    for view in VIEWS:
        rows = list(queries.view_rows(table.engine, view.name, batch="night"))

        assert rows, view.name
        assert {tuple(view.columns)} == {tuple(row) for row in rows}
        for name, kind in queries.kinds_of(view.name).items():
            assert {types[kind], type(None)} >= {type(row[name]) for row in rows}, (view.name, name)


def test_views_come_batch_by_batch_and_job_by_job(open_table: OpenTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """What belongs to a job comes together and in its order, though pages end in between and another batch has the same keys."""
    monkeypatch.setattr(queries, "_IDS", 2)
    night, day = open_table(5), open_table(2, name="day")
    for job_id in (5, 1, 3):
        night.walk(job_id, *SUBMITTED)
    day.walk(7, e.SubmitStarted)

    told = [(row["batch"], int(row["key"], 16), row["seq"]) for row in queries.view_rows(night.engine, "v_events")]

    planned = [("night", 1), ("night", 2), ("night", 3), ("night", 4), ("night", 5), ("day", 1), ("day", 2)]
    moved = {("night", 1): 2, ("night", 3): 2, ("night", 5): 2, ("day", 2): 1}
    assert [(*job, seq) for job in planned for seq in range(moved.get(job, 0) + 1)] == told
    assert [job for job in planned if job[0] == "day"] == [
        (row["batch"], int(row["key"], 16)) for row in queries.view_rows(night.engine, "v_jobs", batch="day")
    ]


def test_a_view_that_is_none_is_named(url: str) -> None:
    """So is a batch that is not there; tables are no views."""
    engine = open_engine(url)

    with pytest.raises(InputError, match="there is no view job; there are: v_jobs, v_attempts"):
        queries.kinds_of("job")
    with pytest.raises(InputError, match="there is no batch day"):
        list(queries.view_rows(engine, "v_jobs", batch="day"))
    engine.dispose()


def test_short_views_add_up(open_table: OpenTable) -> None:
    """Failures, cost, doubt and throughput tell of the same jobs."""
    table = open_table(5)
    table.walk(1, *SAVED)
    table.walk(2, *SUBMITTED, e.RenderFailed)
    table.walk(3, e.SubmitStarted, e.SubmitUnknown)
    table.walk(4, e.SubmitStarted, e.SubmitRejected)

    rows = {name: queries.rows_of(table.engine, name, batch="night") for name in ("v_failures", "v_cost_by_model", "v_throughput_5m")}
    (doubt,) = queries.rows_of(table.engine, "v_ambiguous")

    assert [("because", 2, PRICE)] == [(row["reason"], row["jobs"], row["cost_micros"]) for row in rows["v_failures"]]
    assert [(3, 2 * PRICE, PRICE, 0)] == [
        (row["orders"], row["cost_micros"], row["held_micros"], row["unpriced"]) for row in rows["v_cost_by_model"]
    ]
    assert [("2026-11-22T01:00:00Z", 2, 1, 1, 2)] == [
        (row["bucket"], row["submitted"], row["rendered"], row["saved"], row["failed"]) for row in rows["v_throughput_5m"]
    ]
    assert (f"{3:032x}", PRICE, "because") == (doubt["key"], doubt["at_risk_micros"], doubt["reason"])


def test_a_remark_about_a_failed_job_is_no_second_failure(open_table: OpenTable) -> None:
    """What nobody has heard of in the answer that ended a job does not count as another job that failed."""
    table = open_table(1)
    table.walk(1, *SUBMITTED, e.RenderFailed, e.DriftSeen)

    (row,) = queries.rows_of(table.engine, "v_throughput_5m")

    assert (1, 1) == (row["submitted"], row["failed"])


def test_latency_is_ranked(open_table: OpenTable) -> None:
    """The middle and the ninth of ten are real durations."""
    table = open_table(10)
    for job_id in range(1, 11):
        table.walk(job_id, *SUBMITTED)
        table.record(job_id, e.RenderFinished, at=START + timedelta(seconds=job_id))

    (row,) = queries.rows_of(table.engine, "v_latency", batch="night")

    assert [10, 1, 5, 9, 10] == [round(row[name], 3) for name in ("tasks", "min_s", "median_s", "p90_s", "max_s")]


def test_five_minutes_begin_on_the_five(open_table: OpenTable) -> None:
    """Buckets have two digits for the minute."""
    table = open_table(3)
    for job_id, minute in ((1, 4), (2, 9), (3, 59)):
        table.record(job_id, e.JobCancelled, at=START.replace(minute=minute))

    buckets = sorted(row["bucket"][11:16] for row in queries.rows_of(table.engine, "v_throughput_5m"))

    assert ["01:00", "01:05", "01:55"] == buckets


def test_a_story_is_the_same_on_every_engine(open_table: OpenTable) -> None:
    """Types and values do not depend on the engine."""
    table = open_table(1)
    table.walk(1, *SUBMITTED, e.RenderFinished)
    table.record(1, e.ImagesSaved, images=(image("main/a.png"),))

    story = table.story(1)

    assert ("0.06", "main/a.png", "saved", 4) == tuple(story["job"][name] for name in ("cost", "path", "state", "version"))
    assert [False] == [attempt["superseded"] for attempt in story["attempts"]]
    assert [0, 1, 2, 3, 4] == [row["seq"] for row in story["events"]]
    assert {False} == {row["is_decision"] for row in story["events"]}


def test_invariants_hold_after_a_night(open_table: OpenTable) -> None:
    """All kinds of endings leave nothing broken."""
    table = open_table(8)
    table.walk(1, *SAVED)
    table.walk(2, *SUBMITTED, e.RenderFailed, e.RetryAllowed, *SAVED)
    table.walk(3, e.SubmitStarted, e.SubmitUnknown, e.ResubmitAllowed, *SUBMITTED)
    table.walk(4, e.SubmitStarted, e.SubmitUnproven, e.SubmitStarted, e.SubmitUnproven, e.SubmitStarted, e.SubmitGivenUp)
    table.walk(5, e.SubmitStarted, e.SubmitUnknown, e.BillingDisproved, e.JobCancelled)
    table.walk(6, e.SubmitStarted, e.SubmitRefused, e.SubmitStarted)
    table.walk(7, *SUBMITTED, e.RenderFailed, e.RenderFinished, e.ImagesStaged)

    assert [] == table.violations()
    assert (1, 1) == (table.totals().states[State.SUBMITTING], table.totals().states[State.PLANNED])


@pytest.mark.parametrize("path", [(), (e.SubmitStarted, e.SubmitUnknown), SUBMITTED, SAVED[:3], SAVED[:4], (*SUBMITTED, e.RenderFailed)])
def test_a_remark_is_an_event_and_nothing_else(open_table: OpenTable, path: tuple[type[e.Event], ...]) -> None:
    """The trail holds it with its words; job row, attempt, files, money and totals are as before, and every invariant holds."""
    table = open_table(1)
    for kind in path:
        table.record(1, kind)
    before, money = table.story(1), table.totals()

    table.record(1, e.DriftSeen(reason="field", detail="data.eta"), at=START + timedelta(seconds=9))

    after = table.story(1)
    remark = after["events"].pop()
    assert before["job"] | {"version": before["job"]["version"] + 1} == after["job"]
    assert (before["attempts"], before["files"], before["events"], money) == (
        *(after[part] for part in ("attempts", "files", "events")),
        table.totals(),
    )
    assert ("drift_seen", "field", {"detail": "data.eta"}, False) == tuple(
        remark[name] for name in ("event", "reason", "detail", "is_decision")
    )
    assert remark["before"] == remark["after"] == before["job"]["state"]
    assert before["attempts"][-1:] == [] or before["attempts"][-1]["attempt_id"] == remark["attempt_id"]
    assert [] == table.violations()


def test_a_job_with_remarks_goes_on_to_its_end(open_table: OpenTable) -> None:
    """Remarks between all steps of a delivered job: it is saved with its file, and its events fold to that."""
    table = open_table(1)

    state = table.walk(1, e.DriftSeen, *SUBMITTED, e.DriftSeen, *SAVED[2:4], e.DriftSeen, e.DriftSeen, e.ImagesSaved)

    assert (State.SAVED, 9) == (state, table.story(1)["job"]["version"])
    assert ["verified"] == [row["state"] for row in table.story(1)["files"]]
    assert [] == table.violations()


def test_a_plan_is_saved_changed_and_restored(open_table: OpenTable) -> None:
    """Rows come, go and come back by recorded events."""
    table = open_table(rows=specs(2500))
    table.walk(1, *SAVED)

    fewer = plans.save(table.engine, new_plan(), specs(500, first=2001), at=START)
    again = plans.save(table.engine, new_plan(), specs(2501), at=START)

    assert (500, 2000) == (fewer.kept, fewer.retired)
    assert (1, 501, 1999) == (again.new, again.kept, again.restored)
    assert 2500 == table.totals().states[State.PLANNED]
    assert [] == table.violations()


def test_the_same_row_twice_is_refused(url: str) -> None:
    """The unique key holds while a plan is loaded."""
    engine = open_engine(url)
    with pytest.raises(RefusedError):
        plans.save(engine, new_plan(), [spec(1), spec(1)], at=START)

    assert [] == queries.batches(engine)
    engine.dispose()


def test_events_are_append_only(open_table: OpenTable) -> None:
    """The schema itself refuses to change the trail."""
    table = open_table(1)
    table.record(1, e.SubmitStarted)

    for statement in ("UPDATE event SET actor = 'nobody'", "DELETE FROM event"):
        with pytest.raises(DBAPIError, match="append-only"):
            table.sql(statement)


def test_two_processes_race_for_one_job(open_table: OpenTable) -> None:
    """Two connections record for the same job at once: one wins, and the order is counted once."""
    one, other = open_table(1), open_table(1)
    changes = [Change(job_id=JobId(1), version=0, event=event(e.SubmitStarted), at=START) for _ in range(2)]

    futures = [table.ledger.record(change) for table, change in zip((one, other), changes, strict=True)]

    assert ["NoneType", "StaleJobError"] == sorted(type(future.exception()).__name__ for future in futures)
    assert 1 == one.totals().orders


def test_two_processes_share_one_budget(open_table: OpenTable) -> None:
    """However many work on a batch, its cap is one."""
    one, other = open_table(20), open_table(20)
    futures = [
        (one if job_id % 2 else other).ledger.record(one.change(job_id, e.SubmitStarted, cap_cost=7 * PRICE)) for job_id in range(1, 21)
    ]

    refused = [future for future in futures if future.exception()]

    assert 13 == len(refused)
    assert (7 * PRICE, 7) == (one.totals().reserved, one.totals().orders)


def test_one_runner_a_file_and_many_a_server(url: str) -> None:
    """The second runner of a file is refused until the first is gone; a server has as many as come."""
    with RunLock(url), nullcontext() if url.startswith("postgres") else pytest.raises(LockedError):
        RunLock(url).acquire()
    with RunLock(url):
        pass


def test_a_file_name_collision_fails_alone(open_table: OpenTable) -> None:
    """Two images at one path in one commit: only the second is refused."""
    table = open_table(2)
    for job_id in (1, 2):
        table.walk(job_id, *SUBMITTED, e.RenderFinished)
    files = (image("main/a.png"), image("main/A.png"))
    futures = [table.ledger.record(table.change(job_id, e.ImagesSaved(images=(file,)))) for job_id, file in enumerate(files, 1)]

    assert [False, True] == [isinstance(future.exception(), StoreError) for future in futures]
    assert [] == table.violations()


@pytest.mark.postgres
def test_a_forgetful_server_is_refused(postgres: str) -> None:
    """A server that reports a commit before it is on disk cannot hold a ledger, but can be looked at."""
    url = postgres_url(postgres)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET synchronous_commit = off"))
    engine.dispose()

    with pytest.raises(StoreError, match="synchronous_commit off"):
        open_engine(url)

    open_engine(url, readonly=True).dispose()


def test_a_readonly_engine_writes_nothing(url: str) -> None:
    """Commands that only look cannot change anything, even by mistake."""
    engine = open_engine(url, readonly=True)

    with pytest.raises(StoreError), translated("here"), engine.begin() as connection:
        connection.execute(text("DELETE FROM batch"))

    engine.dispose()


def test_a_server_without_tables_says_so(open_table: OpenTable) -> None:
    """A missing table is a matter of the schema, not of the data."""
    table = open_table(1)

    with pytest.raises(SchemaError, match="no batchgen tables"):
        table.thread.call(lambda connection: connection.execute(text("SELECT * FROM nowhere"))).result()


def test_prospects_tell_what_is_left(open_table: OpenTable) -> None:
    """Rows still to be ordered by what they order, the mean size of images, and what waits for a decision."""
    plain, other = (spec(number, model=model) for number, model in ((1, "painter"), (3, "other")))
    shoes = [spec(4, references='[{"name":"shoe"}]'), spec(6, references='[{"name":"boot"}]')]
    table = open_table(rows=[plain, spec(2), other, shoes[0], spec(5), shoes[1]])
    before = prospects.outlook(table.engine, "night")
    table.walk(1, *SAVED)
    table.walk(2, e.SubmitStarted, e.SubmitUnknown)
    table.walk(5, *SUBMITTED, e.RenderFailed)

    after = prospects.outlook(table.engine, "night")

    plain_kind, with_shoe, other_kind = (
        RowKind("image", model, plain.params, refs) for model, refs in (("painter", 0), ("painter", 1), ("other", 0))
    )
    assert ({plain_kind: 3, with_shoe: 2, other_kind: 1}, None) == (before.planned, before.mean_bytes)
    assert ({with_shoe: 2, other_kind: 1}, 1000) == (after.planned, after.mean_bytes)
    assert 2 == prospects.undecided(table.engine, table.batch_id)


def test_a_plan_keeps_its_prices(open_table: OpenTable) -> None:
    """A list saved with a plan stays; one noted later only fills a plan that has none."""
    table = open_table(1)
    bare = queries.latest_plan(table.engine, table.batch_id)
    for prices in ("later", "too late"):
        table.thread.call(lambda c, prices=prices: plans.note_prices(c, bare.id, prices)).result()
    noted = queries.latest_plan(table.engine, table.batch_id)
    plans.save(table.engine, new_plan(prices="at once"), specs(1), at=START)
    priced = queries.latest_plan(table.engine, table.batch_id)
    table.thread.call(lambda c: plans.note_prices(c, priced.id, "too late")).result()

    assert ("", "later", "at once") == (bare.prices, noted.prices, queries.latest_plan(table.engine, table.batch_id).prices)
    assert [("later",), ("at once",)] == [tuple(row) for row in table.sql("SELECT prices FROM plan ORDER BY id")]


def test_a_run_keeps_the_balances_around_it(open_table: OpenTable) -> None:
    """What the account held before and after is written down where the vendor told it; unknown stays empty."""
    table = open_table(1)
    assert (None, None) == _balances(table)

    table.thread.call(lambda c: runs.note_account(c, table.run_id, available=12_345_678_901, use=None)).result()
    table.thread.call(lambda c: runs.finish(c, table.run_id, runs.Ending(stop_reason="x", exit_code=0), at=START)).result()
    told = _balances(table)
    ending = runs.Ending(stop_reason="x", exit_code=0, balance_after=-5)
    table.thread.call(lambda c: runs.finish(c, table.run_id, ending, at=START)).result()

    assert ((12_345_678_901, None), (12_345_678_901, -5)) == (told, _balances(table))


def _balances(table: Table) -> tuple[int | None, int | None]:
    row = table.thread.call(lambda c: runs.latest(c, table.batch_id)).result()
    assert row is not None
    return row["balance_before"], row["balance_after"]
