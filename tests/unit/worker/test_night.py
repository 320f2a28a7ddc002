"""A whole night in jumping time: twelve hours, one answer in ten a fault, the vendor away for a while, and a wall clock that is set."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import DownloadError, NotSentError, OutcomeUnknownError
from batchgen.core.limits import Pace
from batchgen.core.retry import Backoff
from batchgen.core.states import State
from tests.support.builders import Rig, jobs, limits, rig
from tests.support.fake_clock import START

ROWS = 3_000
NIGHT_S = 12 * 3600.0
SHARE = 0.1
AWAY = (4 * 3600.0, 5 * 3600.0)
SET_CLOCK = {2 * 3600.0: -3600.0, 6 * 3600.0: 7200.0, 7 * 3600.0: -4 * 86_400.0, 8 * 3600.0: 4 * 86_400.0}

ORDER_FAULTS: tuple[Callable[[], r.SubmitReading | BaseException], ...] = (
    lambda: NotSentError("no route"),
    lambda: OutcomeUnknownError("reset"),
    lambda: r.Throttled(message="slow down", retry_after_s=20.0),
    lambda: r.Unproven(message="internal error"),
    lambda: r.Busy(message="overloaded"),
    lambda: r.Unreadable(message="<html>"),
    lambda: r.Rejected(reason="refused", message="no"),
)
POLL_FAULTS: tuple[Callable[[], r.PollReading], ...] = (
    lambda: r.Trouble(message="bad gateway"),
    lambda: r.Throttled(message="slow down", retry_after_s=5.0),
    lambda: r.Ended(reason="transient", message="worker lost"),
    lambda: r.Ended(reason="moderated", message="unsafe"),
)


def _troubled(seed: int, in_flight: int | None) -> Rig:
    """Build a night of one order every eleven seconds or so."""
    run = rig(
        jobs(ROWS),
        limits=limits(
            pace=Pace(in_flight=in_flight, submits_per_s=0.09),
            attempts=20,
            backoff=Backoff(initial_s=5.0, max_s=900.0),
            deadline=START + timedelta(seconds=NIGHT_S),
        ),
    )
    random, clock = Random(seed), run.clock
    run.client.render_s = 40.0

    def order(_: object) -> r.SubmitReading | BaseException | None:
        if AWAY[0] <= clock.seconds < AWAY[1]:
            return NotSentError("no route")
        return random.choice(ORDER_FAULTS)() if random.random() < SHARE else None

    def ask(_: str) -> r.PollReading | None:
        return random.choice(POLL_FAULTS)() if random.random() < SHARE else None

    def fetch(_: str) -> BaseException | None:
        return DownloadError("reset", host="cdn.example") if random.random() < SHARE else None

    run.client.on_order, run.client.on_ask, run.client.on_fetch = order, ask, fetch
    return run


def _set_by(clock_of: Rig, seconds: float) -> Callable[[], None]:
    def set_clock() -> None:
        clock_of.clock.wall_ahead_s += seconds

    return set_clock


@pytest.mark.parametrize("in_flight", [12, None])
def test_a_night_with_faults_buys_nothing_twice_and_loses_nothing(in_flight: int | None) -> None:
    """Every order has its record, every paid task its picture or its reason; the vendor away for an hour costs a handful of orders.

    Orders that are throttled by chance make no run slow for long, also where it looks for a limit by itself.
    """
    run = _troubled(seed=1, in_flight=in_flight)

    stop = run.run(later={at: _set_by(run, seconds) for at, seconds in SET_CLOCK.items()})

    states = Counter(run.states())
    accepted = {attempt.job_id for attempt in run.ledger.attempts if attempt.task_id is not None}
    assert stop is None or stop.reason == "deadline"
    assert set(states) <= {State.SAVED, State.FAILED, State.AMBIGUOUS, State.PLANNED}
    assert states[State.SAVED] > ROWS * 0.8
    assert len(run.client.orders) == sum(attempt.outcome.is_chargeable or attempt.task_id is None for attempt in run.ledger.attempts)
    bought = Counter(attempt.job_id for attempt in run.ledger.attempts if attempt.outcome.is_chargeable)
    allowed = Counter(change.job_id for change in run.ledger.changes if isinstance(change.event, e.RetryAllowed | e.SubmitUnproven))
    assert {} == {job_id: count for job_id, count in bought.items() if count > 1 + allowed[job_id]}
    assert set() == {
        row.id for row in run.ledger.rows.values() if row.state is State.PLANNED and row.id in accepted and not allowed[row.id]
    }
    away = [order for order in run.client.orders if AWAY[0] <= order.at < AWAY[1]]
    assert len(away) <= 20
    assert run.clock.seconds <= NIGHT_S + 3 * 3600
