"""Reads for the commands."""

import sqlite3
from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core.errors import InputError
from batchgen.core.pricing import PriceKind
from batchgen.core.states import State
from batchgen.store import queries
from batchgen.store.engine import parse
from batchgen.store.queries import JobFilter
from tests.support.databases import PRICE, START, OpenTable, Table, image, spec, specs

SAVED = (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesSaved)
PROMISED = {
    *("key", "batch", "sweep", "prompt_id", "prompt", "params", "sample", "state", "reason", "attempts", "task_id", "cost", "path"),
    *("sha256", "bytes", "width", "height", "planned_at", "submitted_at", "saved_at", "output_dir"),
}


def found(table: Table, **conditions: object) -> list[str]:
    """Name the rows that pass the filter."""
    return [job["prompt_id"] for job in queries.jobs(table.engine, JobFilter(**conditions))]  # type: ignore[arg-type] # any condition


def test_a_job_object_has_what_is_promised(table: Table) -> None:
    """The public job object, in full, for a saved job."""
    table.walk(1, *SAVED[:3])
    table.record(1, e.ImagesSaved, images=(image("main/a.png"),))

    job = next(queries.jobs(table.engine, JobFilter()))

    assert PROMISED <= set(job)
    assert ("main/a.png", 1000, 64, "0.06", 1) == tuple(job[name] for name in ("path", "bytes", "width", "cost", "attempts"))
    assert {"model": "painter", "quality": "high", "resolution": "1k"} == job["params"]
    assert "2026-11-22T01:02:03.000000Z" == job["saved_at"] == job["submitted_at"] == job["planned_at"]


def test_jobs_are_filtered(open_table: OpenTable) -> None:
    """Every condition that is given must hold."""
    rows = [
        spec(1),
        spec(2, model="other"),
        spec(3, sweep="signs"),
        spec(4, labels='{"animal":"heron"}'),
        spec(5, params='{"ratio":"1:1"}'),
    ]
    table = open_table(rows=rows)
    table.walk(1, e.SubmitStarted, e.SubmitAccepted, e.RenderFailed)

    assert ["p2"] == found(table, model="other")
    assert ["p3"] == found(table, sweep="signs", batch="night")
    assert ["p4"] == found(table, labels={"animal": "heron"})
    assert ["p5"] == found(table, params={"ratio": "1:1"})
    assert ["p1"] == found(table, states=[State.FAILED], reason="because")
    assert ["p2"] == found(table, prompt_id="p2")
    assert [] == found(table, batch="day")
    assert ["p1", "p3"] == found(table, keys=[f"{1:032x}", f"{3:032x}"])


def test_jobs_of_several_states_come_state_by_state(table: Table) -> None:
    """States given together are all answered, with one limit over all."""
    table.walk(3, *SAVED)

    assert ["p3", "p1", "p2"] == found(table, states=[State.SAVED, State.PLANNED])
    assert ["p3", "p1"] == found(table, states=[State.SAVED, State.PLANNED], limit=2)


def test_streaming_does_not_hold_up_the_writer(open_table: OpenTable, url: str) -> None:
    """A slow reader between two pages keeps no lock: a commit goes through at once."""
    table = open_table(2_500)
    stream = queries.jobs(table.engine, JobFilter())
    next(stream)

    other = sqlite3.connect(parse(url).database or "", timeout=0)
    other.execute("UPDATE job SET reason = 'x' WHERE id = 1")
    other.commit()
    other.close()

    assert 2_499 == len(list(stream))


def test_a_story_is_found_by_the_beginning_of_its_key(open_table: OpenTable) -> None:
    """Enough letters name a job; too few name nobody."""
    table = open_table(rows=[spec(1, key="abc1" + "0" * 28), spec(2, key="abc2" + "0" * 28)])

    assert "p2" == queries.story(table.engine, "abc2")["job"]["prompt_id"]
    with pytest.raises(InputError, match="more than one"):
        queries.story(table.engine, "abc")
    with pytest.raises(InputError, match="no job"):
        queries.story(table.engine, "ff")


def test_the_same_job_in_two_batches_is_told_apart(open_table: OpenTable) -> None:
    """One key in two batches: the batch decides."""
    night, _day = open_table(1), open_table(1, name="day")

    with pytest.raises(InputError, match="day"):
        queries.story(night.engine, f"{1:032x}")

    assert "day" == queries.story(night.engine, f"{1:032x}", batch="day")["job"]["batch"]


def test_events_are_streamed_from_a_point(table: Table) -> None:
    """Whoever follows the trail asks for what came since."""
    table.walk(1, *SAVED)
    every = list(queries.events(table.engine, batch="night"))

    later = list(queries.events(table.engine, after_id=every[1]["event_id"]))

    assert ["submit_started", "submit_accepted", "render_finished", "images_saved"] == [event["event"] for event in every]
    assert every[2:] == later
    assert [] == list(queries.events(table.engine, batch="day"))


def test_money_without_certainty_is_told(open_table: OpenTable) -> None:
    """Bought orders of this batch that have neither cost nor estimate, and unproven ones with their price; open ones are not bought yet."""
    table, other = open_table(5), open_table(1, name="day")
    for job_id, reserved, kind in (
        (1, None, e.SubmitAccepted),
        (2, None, e.SubmitUnknown),
        (3, 50, e.SubmitUnproven),
        (4, None, e.SubmitNotSent),
    ):
        table.record(job_id, e.SubmitStarted, reserved=reserved)
        table.record(job_id, kind, **({"cost": None} if kind is e.SubmitAccepted else {}))
    table.record(5, e.SubmitStarted, reserved=None)

    found = queries.doubts(table.engine, table.batch_id)

    assert queries.Doubts(unpriced=2, unproven=1, unproven_micros=50) == found
    assert queries.Doubts(unpriced=0, unproven=0, unproven_micros=None) == queries.doubts(other.engine, other.batch_id)


def test_the_only_batch_needs_no_name(open_table: OpenTable) -> None:
    """One batch is meant when none is named; with two the names are listed."""
    table = open_table(1)
    only = queries.batch_named(table.engine, None)
    open_table(1, name="day")

    assert "night" == only.name
    with pytest.raises(InputError, match="say which batch; in this database: night, day"):
        queries.batch_named(table.engine, None)
    with pytest.raises(InputError, match="no batch nigth"):
        queries.batch_named(table.engine, "nigth")


def test_the_last_known_cost_is_learned(open_table: OpenTable) -> None:
    """Prices come from what the vendor said last, kind by kind; an order of which no cost was told teaches nothing."""
    shoe = '[{"name":"shoe","sha256":"ab"}]'
    kinds = {
        1: spec(1),
        2: spec(2),
        3: spec(3, params="{}"),
        4: spec(4, references=shoe),
        5: spec(5, operation="generate", params='{"model":"painter","size":"1024x1024"}'),
        6: spec(6, params='{"model":"filmer","duration":"5"}'),
    }
    table = open_table(rows=kinds.values())
    for job_id, cost in ((1, 10), (2, 20), (3, None), (4, 40), (5, 50), (6, 60)):
        table.record(job_id, e.SubmitStarted)
        table.record(job_id, e.SubmitAccepted, cost=cost)

    assert {
        PriceKind("image", "painter", "1k", "high", "", "", 0): 20,
        PriceKind("image", "painter", "1k", "high", "", "", 1): 40,
        PriceKind("generate", "painter", "", "", "1024x1024", "", 0): 50,
        PriceKind("image", "filmer", "", "", "", "5", 0): 60,
    } == queries.learned_costs(table.engine)


def test_a_refund_is_no_price(table: Table) -> None:
    """A failed task that was refunded does not teach that images are free."""
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)
    table.record(1, e.RenderFailed, cost=0)

    assert {} == queries.learned_costs(table.engine)


def test_durations_are_learned(table: Table) -> None:
    """How long tasks took tells when to ask for the next one."""
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)
    table.record(1, e.RenderFinished, at=START + timedelta(seconds=12.5))

    assert {("painter", "1k"): [12.5]} == queries.learned_latency(table.engine)


def test_answers_that_were_the_result_teach_no_duration(open_table: OpenTable) -> None:
    """Between a synchronous order's answer and its reading lies no rendering: only tasks are learned from."""
    table = open_table(2)
    for job_id, task_id in ((1, "sync-100001"), (2, "img_2")):
        table.record(job_id, e.SubmitStarted)
        table.record(job_id, e.SubmitAccepted, task_id=task_id)
        table.record(job_id, e.RenderFinished, at=START + timedelta(seconds=job_id))

    assert {("painter", "1k"): [2.0]} == queries.learned_latency(table.engine)


def test_the_oldest_task_is_named(table: Table) -> None:
    """What has been with the vendor longest shows first."""
    assert queries.oldest_task(table.engine, table.batch_id) is None
    for job_id in (1, 2):
        table.record(job_id, e.SubmitStarted, at=START)
        table.record(job_id, e.SubmitAccepted, at=START - timedelta(minutes=job_id))

    oldest = queries.oldest_task(table.engine, table.batch_id)

    assert oldest is not None
    assert f"{2:032x}" == oldest["key"]


def test_known_files_are_streamed(open_table: OpenTable) -> None:
    """Everything that must be on disk is listed, staged files too."""
    table = open_table(rows=specs(2))
    table.walk(1, *SAVED)
    table.walk(2, *SAVED[:3], e.ImagesStaged)

    files = list(queries.known_files(table.engine, "night"))

    assert ["verified", "staged"] == [row["state"] for row in files]
    assert all(row["temp"] and len(row["sha256"]) == 64 for row in files)


def test_totals_have_every_state_and_the_money(table: Table) -> None:
    """A status needs one small query."""
    table.walk(1, e.SubmitStarted, e.SubmitUnknown)

    totals = table.totals()

    assert set(State) == set(totals.states)
    assert (3, PRICE, 1) == (totals.jobs, totals.held, totals.orders)
