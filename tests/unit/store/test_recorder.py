"""What recording leaves in the tables: attempts, money, files, events."""

import json
from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core.errors import IllegalTransitionError, InputError
from batchgen.core.states import State
from batchgen.store.recorder import ATTEMPTS_PER_JOB, path_key
from tests.support.databases import PRICE, START, OpenTable, Table, image

SUBMITTED = (e.SubmitStarted, e.SubmitAccepted)
RENDERED = (*SUBMITTED, e.RenderFinished)


def money(table: Table) -> tuple[int, int, int, int]:
    """Give spent, reserved, held and the number of orders."""
    totals = table.totals()
    return totals.spent, totals.reserved, totals.held, totals.orders


def attempts(table: Table, number: int = 1) -> list[tuple[object, ...]]:
    """Give number, outcome and whether superseded of each order of a job."""
    return [(row["n"], row["outcome"], row["superseded"]) for row in table.story(number)["attempts"]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((e.SubmitStarted,), (0, PRICE, 0, 1)),
        (SUBMITTED, (PRICE, 0, 0, 1)),
        ((e.SubmitStarted, e.SubmitNotSent), (0, 0, 0, 0)),
        ((e.SubmitStarted, e.SubmitUnreachable), (0, 0, 0, 0)),
        ((e.SubmitStarted, e.SubmitRefused), (0, 0, 0, 0)),
        ((e.SubmitStarted, e.SubmitRejected), (0, 0, 0, 0)),
        ((e.SubmitStarted, e.SubmitUnproven), (0, 0, PRICE, 1)),
        ((e.SubmitStarted, e.SubmitGivenUp), (0, 0, PRICE, 1)),
        ((e.SubmitStarted, e.SubmitUnknown), (0, 0, PRICE, 1)),
        ((e.SubmitStarted, e.SubmitUnknown, e.TaskAttached), (PRICE, 0, 0, 1)),
        ((e.SubmitStarted, e.SubmitUnknown, e.ResubmitAllowed), (0, 0, PRICE, 1)),
        ((e.SubmitStarted, e.SubmitUnknown, e.ResubmitAllowed, *SUBMITTED), (PRICE, 0, PRICE, 2)),
        ((e.SubmitStarted, e.SubmitUnknown, e.BillingDisproved), (0, 0, 0, 0)),
        ((e.SubmitStarted, e.SubmitUnknown, e.JobAbandoned), (0, 0, PRICE, 1)),
        ((*SUBMITTED, e.RenderFailed, e.RetryAllowed, *SUBMITTED), (2 * PRICE, 0, 0, 2)),
    ],
)
def test_money_lies_where_the_outcome_says(table: Table, path: tuple[type[e.Event], ...], expected: tuple[int, ...]) -> None:
    """Spent, reserved, held and the number of orders follow from what is known of each order."""
    table.walk(1, *path)

    assert expected == money(table)
    assert [] == table.violations()


def test_a_refund_lowers_what_was_spent(table: Table) -> None:
    """A failed task whose cost becomes nothing gives the money back, and still counts as an order."""
    table.walk(1, *SUBMITTED)

    table.record(1, e.RenderFailed, cost=0)

    assert (0, 0, 0, 1) == money(table)


def test_an_unpriced_order_weighs_its_estimate(table: Table) -> None:
    """Until a cost is told, the estimate is what counts."""
    table.record(1, e.SubmitStarted)
    table.record(1, e.SubmitAccepted, cost=None)

    assert (PRICE, 0, 0, 1) == money(table)
    assert str(PRICE / 1_000_000) == table.story(1)["job"]["cost"]


def test_without_price_and_cap_nothing_is_reserved(table: Table) -> None:
    """Unknown is not zero: the order counts, the money stays unknown."""
    table.record(1, e.SubmitStarted, reserved=None)
    table.record(1, e.SubmitAccepted, cost=None)

    assert (0, 0, 0, 1) == money(table)
    assert table.story(1)["job"]["cost"] is None


def test_an_order_notes_the_cap_it_fitted_under(table: Table) -> None:
    """An auditor can see what was committed when each order went out."""
    table.record(1, e.SubmitStarted, cap_cost=3 * PRICE)
    table.record(2, e.SubmitStarted, cap_cost=3 * PRICE)

    (attempt,) = table.story(2)["attempts"]

    assert (3 * PRICE, 2 * PRICE, PRICE) == (attempt["cap_micros"], attempt["committed_micros"], attempt["est_micros"])


def test_every_order_is_an_attempt_of_its_own(table: Table) -> None:
    """An order that is followed by another is superseded, and stays in the table."""
    table.walk(1, e.SubmitStarted, e.SubmitNotSent, e.SubmitStarted, e.SubmitUnproven, *RENDERED)

    assert [(1, "not_sent", True), (2, "unproven", True), (3, "accepted", False)] == attempts(table)


def test_an_attempt_is_named_by_job_and_number(table: Table) -> None:
    """The id of an attempt is known before it is written."""
    table.walk(2, e.SubmitStarted, e.SubmitNotSent)

    recorded = table.record(2, e.SubmitStarted)

    assert 2 * ATTEMPTS_PER_JOB + 2 == recorded.attempt_id


def test_an_attempt_remembers_run_body_and_outcome(table: Table) -> None:
    """Who sent what, when, and what came of it."""
    table.record(1, e.SubmitStarted, at=START)
    table.record(1, e.SubmitUnknown, at=START + timedelta(seconds=3), reason="read_timeout", detail="no answer in 180 s")

    (attempt,) = table.story(1)["attempts"]

    assert table.run_id == attempt["run_id"]
    assert ("ambiguous", "read_timeout", "no answer in 180 s") == (attempt["outcome"], attempt["reason"], attempt["detail"])
    assert ("2026-11-22T01:02:03.000000Z", "2026-11-22T01:02:06.000000Z") == (attempt["opened_at"], attempt["settled_at"])


def test_an_order_that_is_out_says_nothing_yet(table: Table) -> None:
    """Until an answer comes it has no task, no cost, no instants, no addresses and no words."""
    table.walk(1, e.SubmitStarted)

    columns = "task_id, cost_micros, settled_at, rendered_at, expires_at, result_urls, reason, detail, superseded"
    rows = table.sql(f"SELECT {columns} FROM attempt")  # noqa: S608 - our names
    assert [(None, None, None, None, None, "", "", "", 0)] == [tuple(row) for row in rows]


def test_result_urls_are_wiped_once_the_file_is_saved(table: Table) -> None:
    """A signed URL lives in one column, and only as long as it is needed."""
    table.walk(1, *RENDERED)
    before = table.sql("SELECT result_urls FROM attempt")

    table.record(1, e.ImagesSaved)

    assert "signature=secret" in before[0][0]
    assert [("",)] == table.sql("SELECT result_urls FROM attempt")


def test_events_hold_no_signed_url(table: Table) -> None:
    """The audit trail is for sharing: URLs are counted there, never copied."""
    table.walk(1, *RENDERED, e.ImagesStaged, e.ImagesSaved)

    trail = json.dumps(table.story(1)["events"])

    assert "signature" not in trail
    assert [1] == [event["detail"]["urls"] for event in table.story(1)["events"] if event["event"] == "render_finished"]


def test_the_planning_is_the_first_event(table: Table) -> None:
    """Every story begins with seq 0, though no row is stored for it."""
    table.record(1, e.SubmitStarted)

    story = [(row["seq"], row["before"], row["after"], row["event"], row["actor"]) for row in table.story(1)["events"]]

    assert [(0, None, "planned", "job_planned", "planner"), (1, "planned", "submitting", "submit_started", "runner")] == story


def test_an_event_tells_who_and_why(table: Table) -> None:
    """A decision carries its actor, its reason and the words given for it."""
    table.walk(1, *SUBMITTED, e.RenderFailed)
    table.record(1, e.RetryAllowed, actor="operator:ana", reason="decided", detail="the vendor had an outage")

    last = table.story(1)["events"][-1]

    assert ("operator:ana", "decided", True) == (last["actor"], last["reason"], last["is_decision"])
    assert {"detail": "the vendor had an outage"} == last["detail"]


def test_staged_files_become_verified_ones(table: Table) -> None:
    """A file is known before it is linked to its path, and once more after it stands there."""
    table.walk(1, *RENDERED)
    table.record(1, e.ImagesStaged, images=(image("main/a.png"),))
    staged = table.story(1)["files"]

    table.record(1, e.ImagesSaved, images=(image("main/a.png"),))

    (verified,) = table.story(1)["files"]
    assert [("staged", "main/a.png")] == [(row["state"], row["path"]) for row in staged]
    assert ("verified", "main/a.png", 1000) == (verified["state"], verified["path"], verified["bytes"])


@pytest.mark.parametrize("leaving", [e.FreshUrlWanted, e.DownloadFailed])
def test_staged_files_do_not_outlive_the_rendered_state(table: Table, leaving: type[e.Event]) -> None:
    """Bytes that were given up are not offered again."""
    table.walk(1, *RENDERED, e.ImagesStaged, leaving)

    assert [] == table.story(1)["files"]


def test_a_deferred_download_keeps_the_staged_files(table: Table) -> None:
    """Waiting changes nothing about bytes that are complete."""
    table.walk(1, *RENDERED, e.ImagesStaged, e.DownloadDeferred)

    assert 1 == len(table.live()[0].staged)


def test_a_remark_keeps_the_staged_files(table: Table) -> None:
    """What nobody has heard of is no reason to fetch complete bytes once more."""
    table.walk(1, *RENDERED, e.ImagesStaged, e.DriftSeen)

    assert 1 == len(table.live()[0].staged)


def test_a_result_needs_an_accepted_order(table: Table) -> None:
    """A job that failed before any task existed cannot get a late result."""
    table.walk(1, e.SubmitStarted, e.SubmitRejected)

    with pytest.raises(IllegalTransitionError):
        table.record(1, e.RenderFinished)


def test_a_taken_task_id_cannot_be_attached(table: Table) -> None:
    """An operator's typo that names another job's task is refused."""
    table.record(1, e.SubmitStarted)
    table.record(1, e.SubmitAccepted, task_id="img_1")
    table.walk(2, e.SubmitStarted, e.SubmitUnknown)

    with pytest.raises(InputError, match="img_1"):
        table.record(2, e.TaskAttached, task_id="img_1")

    assert State.AMBIGUOUS == table.story(2)["job"]["state"]


def test_a_repeated_task_id_within_one_group_is_seen(table: Table) -> None:
    """Two answers with one id that are recorded together: the second is ambiguous."""
    table.record(1, e.SubmitStarted)
    table.record(2, e.SubmitStarted)

    futures = [table.ledger.record(table.change(job_id, e.SubmitAccepted(task_id="img_1", cost=PRICE))) for job_id in (1, 2)]

    assert [State.SUBMITTED, State.AMBIGUOUS] == [future.result().state for future in futures]
    assert [] == table.violations()


def test_a_job_that_failed_always_has_a_reason(table: Table) -> None:
    """Even an empty word given from outside does not leave a failure unexplained."""
    table.walk(1, *SUBMITTED)

    table.record(1, e.RenderFailed, reason="")

    assert "render_failed" == table.story(1)["job"]["reason"]


def test_events_cannot_be_changed_or_removed(table: Table) -> None:
    """The audit trail is append-only, whoever asks."""
    table.record(1, e.SubmitStarted)

    for statement in ("UPDATE event SET actor = 'nobody'", "DELETE FROM event"):
        with pytest.raises(Exception, match="append-only"):
            table.sql(statement)


def test_totals_follow_every_change(open_table: OpenTable) -> None:
    """Counting costs the same at any size, and is right."""
    table = open_table(5)
    table.walk(1, *RENDERED, e.ImagesSaved)
    table.walk(2, e.SubmitStarted)
    table.walk(3, e.JobCancelled)

    states = {state.value: count for state, count in table.totals().states.items() if count}

    assert {"planned": 2, "submitting": 1, "saved": 1, "cancelled": 1} == states


@pytest.mark.parametrize(
    ("one", "other"), [("a/B.png", "A/b.png"), ("caf\u00e9.png", "cafe\u0301.png"), ("stra\u00dfe.png", "STRASSE.png")]
)
def test_paths_that_some_file_system_confuses_have_one_key(one: str, other: str) -> None:
    """Case and Unicode form do not tell files apart."""
    assert path_key(one) == path_key(other)


def test_a_job_cannot_be_ordered_for_ever(table: Table) -> None:
    """The numbers of attempts have an end, and a job that reaches it is left alone."""
    table.sql("UPDATE job SET attempts = 99999 WHERE id = 1")

    with pytest.raises(IllegalTransitionError, match="99999 times"):
        table.record(1, e.SubmitStarted)
