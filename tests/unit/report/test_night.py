"""The figures of a night."""

from datetime import UTC, datetime, timedelta

import pytest

from batchgen.report.night import STEPS, Axis, Night, running

START = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def at(after_s: float) -> str:
    """Give an instant as the database writes it."""
    return (START + timedelta(seconds=after_s)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def night(length_s: float = 60.0) -> Night:
    """Give an empty night."""
    return Night(Axis.over(START, START + timedelta(seconds=length_s)))


def event(word: str, after_s: float, before: str = "submitted", after: str = "rendered", reason: str = "") -> dict[str, object]:
    """Give a row of v_events."""
    return {"event": word, "at": at(after_s), "before": before, "after": after, "reason": reason}


def attempt(**changes: object) -> dict[str, object]:
    """Give a row of v_attempts: accepted after a second, rendered after ten."""
    row = {"model": "painter", "outcome": "accepted", "task_id": "t", "est_micros": 30, "cost_micros": 20}
    return row | {"opened_at": at(0), "settled_at": at(1), "rendered_at": at(10)} | changes


@pytest.mark.parametrize("length_s", [0, 1, 59, 60, 3_599, 8 * 3_600, 40 * 86_400, 3_000 * 86_400])
def test_time_is_cut_into_few_whole_steps_that_cover_it(length_s: int) -> None:
    """Both ends lie in it, and no chart has more points than it can show."""
    end = START + timedelta(seconds=length_s)
    axis = Axis.over(START, end)

    assert 1 <= axis.steps <= STEPS
    assert axis.begin_of(0) <= START
    assert axis.begin_of(axis.steps - 1) <= end < axis.begin_of(axis.steps)
    assert axis.steps - 1 == axis.step_of(at(length_s))


def test_steps_begin_where_a_clock_does() -> None:
    """A night of eight hours is cut into five minutes, from a full five minutes on."""
    axis = Axis.over(START, START + timedelta(hours=8))

    assert 300 == axis.step_s
    assert datetime(2026, 11, 22, 1, 0, tzinfo=UTC) == axis.begin_of(0)


def test_an_instant_outside_belongs_to_the_nearest_step() -> None:
    """A clock that was set back loses no row."""
    axis = Axis.over(START, START + timedelta(minutes=1))

    assert 0 == axis.step_of(at(-1000))
    assert axis.steps - 1 == axis.step_of(at(1000))


def test_tasks_in_flight_are_those_accepted_and_not_yet_ended() -> None:
    """In whatever order the events come; what never was in flight does not end."""
    found = night()
    for row in (
        event("render_failed", 30, after="failed", reason="remote"),
        event("submit_accepted", 1, before="submitting", after="submitted"),
        event("submit_accepted", 2, before="submitting", after="submitted"),
        event("render_finished", 20),
        event("render_finished", 40, before="failed"),
        event("task_attached", 50, before="ambiguous", after="submitted"),
    ):
        found.add_event(row)

    flights = found.in_flight()
    assert [2, 1, 0, 1] == [flights[found.axis.step_of(at(after_s))] for after_s in (10, 25, 45, 60)]


def test_failures_are_counted_by_their_cause_once_each_time() -> None:
    """A failed job whose late result fails again has not failed twice; an event without a reason lends its word."""
    found = night()
    found.add_event(event("render_failed", 5, after="failed", reason="moderated"))
    found.add_event(event("submit_given_up", 6, before="submitting", after="failed"))
    found.add_event(event("drift_seen", 7, before="failed", after="failed", reason="field"))

    assert {"moderated": 1, "submit_given_up": 1} == found.causes
    assert 2 == sum(found.failed)


def test_saved_and_throttled_are_counted_by_step() -> None:
    """Each in its own row."""
    found = night()
    found.add_event(event("images_saved", 5, after="saved"))
    found.add_event(event("submit_refused", 9, before="submitting", after="planned", reason="throttled"))

    assert 1 == found.saved[found.axis.step_of(at(5))] == sum(found.saved)
    assert 1 == found.throttled[found.axis.step_of(at(9))] == sum(found.throttled)


def test_money_adds_up_by_model_and_what_was_not_bought_costs_nothing() -> None:
    """Orders in doubt count with their estimate; the dearest model comes first."""
    found = night()
    found.add_attempt(attempt())
    found.add_attempt(attempt(outcome="refused", rendered_at=None))
    found.add_attempt(attempt(model="dear", outcome="ambiguous", cost_micros=None, settled_at=None, rendered_at=None))
    found.add_attempt(attempt(model="dear", cost_micros=0, est_micros=99))

    assert {"dear": 30, "painter": 20} == {model: micros[-1] for model, micros in found.spent().items()}
    assert ["dear", "painter"] == list(found.spent())


def test_latency_runs_from_the_accepted_order_and_from_the_sending_where_the_answer_was_the_result() -> None:
    """As the view v_latency has it; a clock that was set back gives nothing below zero."""
    found = night()
    found.add_attempt(attempt())
    found.add_attempt(attempt(model="quick", task_id="sync-100001"))
    found.add_attempt(attempt(model="quick", task_id="sync-100002", rendered_at=at(-5)))

    assert [("painter", 1, 9.0, 9.0), ("quick", 2, 0.0, 10.0)] == [
        (model, f.tasks, f.p50_s, f.p95_s) for model, f in found.latencies().items()
    ]


def test_a_pause_lasts_until_it_is_taken_back_or_the_night_ends() -> None:
    """Asking twice pauses once."""
    found = night()
    asked = [("pause", 5), ("pause", 6), ("limit", 7), ("unpause", 10), ("unpause", 11), ("pause", 20)]

    steps = found.pauses({"kind": kind, "at": at(after_s)} for kind, after_s in asked)

    axis = found.axis
    assert [(axis.step_of(at(5)), axis.step_of(at(10))), (axis.step_of(at(20)), axis.steps - 1)] == steps


def test_sums_run() -> None:
    """Each with all before it."""
    assert [1, 3, 3, 2] == running([1, 2, 0, -1])
