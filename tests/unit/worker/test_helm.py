"""A run follows what an operator asks of it."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from batchgen.core.jobs import JobId
from batchgen.core.limits import Pace
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.core.steering import NOW, Budget, Deadline, InFlight, Kind, Limit, Rate, Request
from batchgen.worker.helm import Helm
from tests.support.builders import Rig, job, jobs, limits, rendered, rig, submitted
from tests.support.fake_client import USUAL_COST
from tests.support.fake_clock import START


def _helm(run: Rig) -> Helm:
    return Helm(engine=run.engine, unit="coin", go_on="batchgen unpause night")


def _request(kind: Kind, argument: str = "", *, run_id: int | None = None) -> Request:
    return Request(kind=kind, argument=argument, actor="operator:ana", asked_at=START, run_id=run_id)


def _asking(run: Rig, kind: Kind, *changes: Limit, argument: str = "") -> Callable[[], None]:
    helm = _helm(run)
    return lambda: helm.follow(_request(kind, argument), changes)


def _orders_after(run: Rig, seconds: float) -> int:
    return sum(order.at > seconds for order in run.client.orders)


def test_a_pause_lets_no_order_out_until_it_ends() -> None:
    """Between pause and unpause there is no order; then the rest goes out at once, and every row is saved."""
    run = rig(jobs(40), limits=limits(pace=Pace(in_flight=2)))

    assert run.run(later={5.0: _asking(run, Kind.PAUSE), 305.0: _asking(run, Kind.UNPAUSE)}) is None

    assert [] == [order.at for order in run.client.orders if 5.0 < order.at < 305.0]
    assert 0 < sum(305.0 <= order.at <= 306.0 for order in run.client.orders)
    assert {State.SAVED} == set(run.states())


def test_a_pause_does_not_keep_what_is_paid_for() -> None:
    """Tasks are asked after and images fetched while orders wait."""
    run = rig([submitted(1), rendered(2), job(3)])
    run.client.ready_at["old-1"] = 60.0
    _asking(run, Kind.PAUSE)()

    run.run(later={200.0: _asking(run, Kind.STOP)})

    assert [State.SAVED, State.SAVED, State.PLANNED] == run.states()
    assert [] == run.client.orders


def test_a_paused_run_says_who_paused_it_and_how_to_go_on() -> None:
    """The view's line and the diary have the operator, the time, and the command."""
    run = rig(jobs(3))
    _asking(run, Kind.PAUSE)()
    seen: list[str] = []

    run.run(later={10.0: lambda: seen.append(run.progress.pause), 20.0: _asking(run, Kind.UNPAUSE)})

    assert seen[0].startswith("paused by operator:ana since 2026-11-2")
    assert seen[0].endswith("go on with: batchgen unpause night")
    assert ["run.paused", "run.unpaused"] == [line.event for line in run.log.lines if "pause" in line.event]


def test_a_paused_run_ends_when_nothing_is_left() -> None:
    """Somebody cancels all rows from another shell: within seconds there is nothing to wait for."""
    run = rig(jobs(3))
    _asking(run, Kind.PAUSE)()

    def cancel() -> None:
        for number in (1, 2, 3):
            run.ledger.rows[JobId(number)] = job(number, state=State.CANCELLED, version=1)

    assert run.run(later={100.0: cancel}) is None
    assert run.clock.seconds <= 103.0
    assert [] == run.client.orders


def test_a_deadline_passes_in_a_pause_too() -> None:
    """A paused run does not wait beyond its own limit."""
    run = rig(jobs(3), limits=limits(deadline=START + timedelta(minutes=10)))
    _asking(run, Kind.PAUSE)()

    stop = run.run()

    assert stop is not None
    assert (5, "deadline") == (stop.exit_code, stop.reason)
    assert 600 <= run.clock.seconds <= 603


def test_an_interrupt_ends_a_paused_run() -> None:
    """Ctrl-C drains it as any other."""
    run = rig(jobs(3))
    _asking(run, Kind.PAUSE)()

    stop = run.run(later={10.0: run.interrupt})

    assert stop is not None
    assert (130, 10.0) == (stop.exit_code, run.clock.seconds)


def test_a_stop_fetches_what_is_paid_for() -> None:
    """No order goes out any more, every task is waited for, and the reason names the operator."""
    run = rig(jobs(30), limits=limits(pace=Pace(in_flight=4)))
    run.client.render_s = 100.0

    stop = run.run(later={5.0: _asking(run, Kind.STOP)})

    assert stop is not None
    assert (5, "stopped") == (stop.exit_code, stop.reason)
    assert stop.message.startswith("operator:ana asked for it at 2026-11-2")
    assert {State.SAVED: 4, State.PLANNED: 26} == Counter(run.states())


def test_a_stop_at_once_leaves_tasks_to_the_next_run() -> None:
    """It ends without a task's result, and the next run fetches it without an order."""
    run = rig(jobs(30), limits=limits(pace=Pace(in_flight=4)))
    run.client.render_s = 100.0

    stop = run.run(later={5.0: _asking(run, Kind.STOP, argument=NOW)})

    assert stop is not None
    assert (5, "stopped") == (stop.exit_code, stop.reason)
    assert run.clock.seconds < 10
    assert {State.SUBMITTED: 4, State.PLANNED: 26} == Counter(run.states())


@pytest.mark.parametrize(("before", "now", "alive"), [(2, 6, 6), (6, 2, 2)])
def test_the_ceiling_of_tasks_in_flight_moves_at_once(before: int, now: int, alive: int) -> None:
    """A higher one fills up at once, a lower one is kept as tasks end."""
    run = rig(jobs(40), limits=limits(pace=Pace(in_flight=before)))
    run.client.render_s = 50.0
    seen: list[int] = []
    look = {at: lambda: seen.append(run.places.total) for at in (40.0, 130.0 if now == 2 else 66.0)}

    run.run(later={60.0: _asking(run, Kind.LIMIT, InFlight(now)), **look})

    assert [before, alive] == seen
    assert {State.SAVED} == set(run.states())


def test_a_ceiling_does_not_undo_what_throttling_cut() -> None:
    """A vendor that made us cut down is approached again step by step."""
    run = rig([], limits=limits(pace=Pace(in_flight=8)))
    for _ in range(8):
        run.places.enter("painter", 0.0)
    run.places.throttled("painter", 0.0, asked_at=0.0, retry_after_s=None)
    for _ in range(8):
        run.places.leave("painter")

    _asking(run, Kind.LIMIT, InFlight(20))()

    assert 5 == run.places.room()


def test_without_a_ceiling_more_and_more_go_out() -> None:
    """As many as the vendor bears are found, though a number was fixed before."""
    run = rig(jobs(60), limits=limits(pace=Pace(in_flight=2)))
    run.client.render_s = 50.0
    seen: list[int] = []

    run.run(later={60.0: _asking(run, Kind.LIMIT, InFlight(None)), 160.0: lambda: seen.append(run.places.total)})

    assert seen[0] > 4
    assert {State.SAVED} == set(run.states())


def test_a_ceiling_where_none_was_fills_up_at_once() -> None:
    """What was being found no longer counts; what is alive does."""
    run = rig(jobs(60), limits=limits(pace=Pace()))
    run.client.render_s = 50.0
    seen: list[int] = []

    run.run(later={10.0: _asking(run, Kind.LIMIT, InFlight(20)), 12.0: lambda: seen.append(run.places.total)})

    assert [20] == seen
    assert {State.SAVED} == set(run.states())


def test_a_rate_counts_from_now_on() -> None:
    """From one order an hour to one a second: the next one goes out at once and not in an hour, and the others keep to it."""
    run = rig(jobs(10), limits=limits(pace=Pace(in_flight=8, submits_per_s=1 / 3600)))

    run.run(later={10.0: _asking(run, Kind.LIMIT, Rate(1.0))})

    late = [order.at for order in run.client.orders][1:]
    assert late[0] <= 11.1
    assert all(after - at >= 0.99 for at, after in pairwise(late))
    assert late[-1] <= 30


def test_a_raised_budget_lets_a_stopped_run_go_on() -> None:
    """While the last tasks of a run that reached its budget are fetched, more money makes it order again."""
    run = rig(jobs(10), limits=limits(pace=Pace(in_flight=2), budget_cost=Micros(4 * USUAL_COST), allow_unpriced=True))
    run.client.render_s = 100.0

    stop = run.run(later={150.0: _asking(run, Kind.LIMIT, Budget(Micros(100 * USUAL_COST)))})

    assert stop is None
    assert {State.SAVED} == set(run.states())


def test_a_lowered_budget_holds_for_the_next_order() -> None:
    """What is spent already may lie above it; nothing more is ordered."""
    run = rig(jobs(30), limits=limits(pace=Pace(in_flight=2)))

    stop = run.run(later={5.0: _asking(run, Kind.LIMIT, Budget(Micros(1)))})

    assert stop is not None
    assert "budget" == stop.reason
    assert 0 == _orders_after(run, 5.0)


def test_a_deadline_can_be_set_and_moved_by_the_clock_on_the_wall() -> None:
    """The first one stops orders at its instant; a later one, given while tasks are fetched, lets them go on to its own."""
    run = rig(jobs(500), limits=limits(pace=Pace(in_flight=2)))
    run.client.render_s = 20.0

    stop = run.run(
        later={
            5.0: _asking(run, Kind.LIMIT, Deadline(START + timedelta(seconds=60))),
            62.0: _asking(run, Kind.LIMIT, Deadline(START + timedelta(seconds=200))),
        }
    )

    assert stop is not None
    assert "deadline" == stop.reason
    assert 0 < _orders_after(run, 62.0)
    assert 0 == _orders_after(run, 200.0)


def test_rows_that_were_decided_about_are_looked_for_at_once() -> None:
    """A row that goes back to planned comes in its place, before the rest of those that the run has in hand."""
    run = rig([job(1, state=State.FAILED, version=4), *[job(number) for number in range(2, 30)]], limits=limits(pace=Pace(in_flight=1)))

    def retry() -> None:
        run.ledger.rows[JobId(1)] = job(1, version=5)
        _asking(run, Kind.LOOK)()

    run.run(later={10.0: retry})

    next_of_all = next(order for order in run.client.orders if order.at >= 10.0)
    assert job(1).key == next_of_all.key


def test_the_diary_has_what_a_limit_was_and_is() -> None:
    """One line with the operator and both values."""
    run = rig([], limits=limits(pace=Pace(in_flight=8)))

    _asking(run, Kind.LIMIT, InFlight(4), Rate(0.5))()

    (line,) = run.log.lines
    assert ("run.limited", "operator:ana", "in flight 8 -> 4, rate none -> 30/min") == (line.event, line.facts["by"], line.facts["detail"])


# --- one run of several ---


def test_a_number_for_one_run_changes_no_limit_of_the_batch() -> None:
    """Whoever shares the limits is told how many it may have alive, and again when that is lifted; the diary says so."""
    run, told = rig([], limits=limits(pace=Pace(in_flight=8))), list[int | None]()
    helm = _helm(run)
    helm.narrow = told.append

    helm.follow(_request(Kind.LIMIT, run_id=7), [InFlight(3)])
    helm.follow(_request(Kind.LIMIT, run_id=7), [InFlight(None)])
    helm.follow(_request(Kind.LIMIT, run_id=7), [Rate(1.0)])

    assert [3, None] == told
    assert limits(pace=Pace(in_flight=8)) == run.engine.bearing.limits
    assert ["at most 3", "as many as its share"] == [line.facts["detail"] for line in run.log.called("run.narrowed")]


@pytest.mark.parametrize(
    ("asked", "is_paused"),
    [
        ([(Kind.PAUSE, None), (Kind.UNPAUSE, 7)], True),
        ([(Kind.PAUSE, 7), (Kind.PAUSE, None), (Kind.UNPAUSE, 7)], True),
        ([(Kind.PAUSE, None), (Kind.PAUSE, 7), (Kind.UNPAUSE, 7)], True),
        ([(Kind.PAUSE, 7), (Kind.UNPAUSE, 7)], False),
        ([(Kind.PAUSE, 7), (Kind.UNPAUSE, None)], False),
        ([(Kind.PAUSE, None), (Kind.PAUSE, 7), (Kind.UNPAUSE, None)], False),
    ],
    ids=["all, then one", "one and all, then one", "all and one, then one", "one", "one, then all", "all and one, then all"],
)
def test_what_one_run_is_told_ends_no_pause_of_all(asked: list[tuple[Kind, int | None]], is_paused: bool) -> None:
    """A batch that is paused orders nothing, in none of its runs, until all are told so."""
    run = rig([])
    helm = _helm(run)

    for kind, run_id in asked:
        helm.follow(_request(kind, run_id=run_id))

    assert is_paused == bool(run.engine.bearing.paused)
