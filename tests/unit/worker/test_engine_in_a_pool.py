"""A run among others: what it takes over from a dead one, what it leaves to the others, and that it lets go when it is taken for dead."""

from collections import Counter
from collections.abc import Callable

from batchgen.core.errors import FileError, InputError, LeaseLostError, StaleJobError
from batchgen.core.jobs import Change, Job
from batchgen.core.limits import Pace
from batchgen.core.ports import Settled
from batchgen.core.sharing import Share
from batchgen.core.states import Outcome, State
from batchgen.worker.bearing import Stop
from tests.support.builders import Rig, answered, job, jobs, limits, rendered, rig, submitted

LOST = LeaseLostError("others have taken over its work")


def _leaves_orphans(run: Rig, *orphans: Job) -> Callable[[], None]:
    """Give a function that lets a run die and its work be adopted."""

    def die() -> None:
        run.ledger.add(orphans)
        run.ledger.orphaned = list(orphans)
        run.engine.adopt_orphans()

    return die


# --- what a dead run leaves ---


def test_what_a_dead_run_left_is_followed_to_its_end() -> None:
    """Its task is asked after, its picture fetched, its open order held in doubt; nothing is ordered for them, and places are counted."""
    run = rig([submitted(9)], limits=limits(pace=Pace(in_flight=3)))
    run.client.ready_at |= {"old-9": 40.0, "old-1": 60.0}
    seen: list[int] = []
    orphans = submitted(1), rendered(2), job(3, state=State.SUBMITTING, version=1, attempts=1, attempt_id=3)

    stop = run.run(later={10.0: _leaves_orphans(run, *orphans), 30.0: lambda: seen.append(run.places.total)})

    assert stop is None
    assert [State.SAVED, State.SAVED, State.AMBIGUOUS, State.SAVED] == run.states()
    assert ([], [2], 0) == (run.client.orders, seen, run.places.total)


def test_a_run_with_nothing_else_to_do_does_not_end_while_it_adopts() -> None:
    """What it is about to take in hand keeps it at work, however long the table takes."""
    run = rig([submitted(9)])
    run.client.ready_at["old-9"] = 10.0
    die = _leaves_orphans(run, submitted(1))

    def slowly() -> None:
        run.ledger.commit_s = 20.0
        die()

    assert run.run(later={9.0: slowly}) is None

    assert [State.SAVED, State.SAVED] == run.states()


def test_nothing_is_adopted_twice_before_a_run_has_taken_over() -> None:
    """A sign of life may come before the first step: what is left then is found by the run itself, once."""
    run = rig([])
    run.ledger.orphaned = [submitted(1)]

    run.engine.adopt_orphans()

    assert [submitted(1)] == run.ledger.orphaned
    run.run()
    run.engine.adopt_orphans()
    assert [submitted(1)] == run.ledger.orphaned


def test_a_run_that_is_to_end_leaves_the_work_of_the_dead_to_others() -> None:
    """It fetches what it has in hand, and takes nothing more."""
    run = rig([submitted(9)])
    run.client.ready_at["old-9"] = 100.0
    stop = Stop(exit_code=5, reason="stopped", message="ana asked for it")

    run.run(later={5.0: lambda: run.engine.bearing.halt(stop), 6.0: _leaves_orphans(run, submitted(1))})

    assert [submitted(1)] == run.ledger.orphaned
    assert State.SAVED is run.job(9).state


def test_a_disk_that_keeps_an_orphan_from_being_read_stops_orders_only() -> None:
    """Exit 7, what the run has in hand is fetched, and the error does not silence its signs of life."""
    run = rig([submitted(9), *[job(number) for number in range(10, 40)]], limits=limits(pace=Pace(in_flight=1)))
    run.client.ready_at["old-9"] = 100.0
    run.journal.fails = lambda line: FileError("a journal is no ordinary file") if line == "settled" else None

    stop = run.run(later={10.0: _leaves_orphans(run, job(1, state=State.SUBMITTING, version=1, attempts=1, attempt_id=1))})

    assert stop is not None
    assert (7, "storage") == (stop.exit_code, stop.reason)
    assert State.SAVED is run.job(9).state


# --- what others want too ---


def test_a_run_takes_no_more_rows_in_hand_than_it_may_have_alive() -> None:
    """Where others may want rows as well, though none is there yet; on a database of its own it takes a page."""
    run, alone = rig(jobs(100)), rig(jobs(100))
    run.places.divide({"": Share(in_flight=8)}, 1, 0.0)
    taken: list[int] = []
    run.client.render_s = alone.client.render_s = 50.0

    run.run(later={20.0: lambda: taken.append(len(run.engine.orderer._page)), 21.0: run.interrupt})
    alone.run(later={20.0: lambda: taken.append(len(alone.engine.orderer._page)), 21.0: alone.interrupt})

    assert [0, 92] == taken


def test_a_paused_run_leaves_its_rows_to_the_others() -> None:
    """Within seconds it has none in hand that it has not begun; it does not end while there are some, and then orders as before."""
    run = rig(jobs(12), limits=limits(pace=Pace(in_flight=4)))
    run.places.divide({"": Share(in_flight=4)}, 2, 0.0)
    run.client.render_s = 50.0
    taken: list[int] = []

    def pause(why: str) -> None:
        run.engine.bearing.paused = why

    later = {5.0: lambda: pause("paused"), 8.0: lambda: taken.append(len(run.engine.orderer._page)), 100.0: lambda: pause("")}
    assert run.run(later=later) is None

    assert [0] == taken
    assert [] == [order.at for order in run.client.orders if 5.0 < order.at < 100.0]
    assert {State.SAVED} == set(run.states())


# --- taken for dead ---


def test_a_run_that_lost_its_lease_lets_go_and_ends() -> None:
    """It starts nothing more, neither orders nor questions nor fetches; exit 8, and what it had goes on elsewhere."""
    run = rig(jobs(30), limits=limits(pace=Pace(in_flight=4)))
    run.client.render_s = 100.0

    stop = run.run(later={20.0: lambda: run.engine.stop_for(LOST)})

    assert stop is not None
    assert (8, "lease_lost") == (stop.exit_code, stop.reason)
    assert run.clock.seconds == 20.0
    assert {State.SUBMITTED: 4, State.PLANNED: 26} == Counter(run.states())


def test_an_order_under_way_as_the_lease_is_lost_is_kept_in_the_journal() -> None:
    """Its answer is waited for; the table does not take it any more, so that the task stands in the journal, forced to the disk; exit 8."""
    run = rig(jobs(2), limits=limits(pace=Pace(in_flight=1)))
    run.client.order_s = 30.0
    run.ledger.fails = lambda _: LOST if run.clock.seconds > 10 else None

    stop = run.run(later={10.0: lambda: run.engine.stop_for(LOST)})

    assert stop is not None
    assert 8 == stop.exit_code
    assert 1 == len(run.client.orders)
    assert [(1, Outcome.ACCEPTED)] == [(attempt, settled.outcome) for attempt, settled in run.journal.outcomes.items()]
    assert (1, 1) == (run.journal.syncs, len(run.progress.unrecorded))
    assert [State.SUBMITTING, State.PLANNED] == run.states()


def test_a_run_that_learns_from_the_table_that_it_lost_its_lease_asks_no_more() -> None:
    """The first record that is refused so ends all: exit 8, long before its other task would have been ready."""
    run = rig([submitted(1), submitted(2), job(3)])
    run.client.ready_at |= {"old-1": 50.0, "old-2": 5000.0}

    def fails(_: Change) -> LeaseLostError | None:
        return LOST if run.clock.seconds > 40 else None

    run.ledger.fails = fails

    stop = run.run()

    assert stop is not None
    assert (8, "lease_lost") == (stop.exit_code, stop.reason)
    assert run.clock.seconds < 100


# --- an answer that came too late for its run ---


def _doubted(number: int = 1, **changes: object) -> Job:
    """Build a job whose order a dead run has left without an answer."""
    return job(number, **{"state": State.AMBIGUOUS, "version": 2, "attempts": 1, "attempt_id": number, "reason": "interrupted", **changes})


def _keep(run: Rig, number: int, task_id: str) -> None:
    """Let the journal of a run that was taken for dead tell the answer to an order."""
    run.journal.outcomes[number] = Settled(outcome=Outcome.ACCEPTED, task_id=task_id)


def test_an_order_in_doubt_whose_answer_stands_in_a_journal_is_fetched() -> None:
    """The next run attaches the task, as the recovery, and saves its picture; nothing is ordered, and others in doubt stay so."""
    run = rig([_doubted(1), _doubted(2)])
    _keep(run, 1, "late-1")

    assert run.run() is None

    assert [State.SAVED, State.AMBIGUOUS] == run.states()
    assert [] == run.client.orders
    assert ["task_attached", "render_finished", "images_staged", "images_saved"] == run.events(1)
    assert "recovery" == run.ledger.changes[0].actor
    assert 0 == run.places.total


def test_an_answer_is_recalled_once() -> None:
    """The run after finds nothing to do."""
    run = rig([_doubted(1)])
    _keep(run, 1, "late-1")
    run.run()
    before = len(run.ledger.changes)

    assert run.again().run() is None

    assert before == len(run.ledger.changes)


def test_what_somebody_has_decided_meanwhile_is_not_recalled() -> None:
    """Their decision came first, or the task has its order already: the run goes on without it."""
    moved, taken = rig([_doubted(1), job(2)]), rig([_doubted(1), job(2)])
    for run in (moved, taken):
        _keep(run, 1, "late-1")
    decided = _doubted(1, version=3)
    moved.ledger.fails = lambda change: _moved(moved, decided) if change.job_id == 1 else None
    taken.ledger.fails = lambda change: InputError("task late-1 already belongs to an order") if change.job_id == 1 else None

    assert (None, None) == (moved.run(), taken.run())

    for run in (moved, taken):
        assert [State.AMBIGUOUS, State.SAVED] == run.states()
        assert [] == run.events(1)


def _moved(run: Rig, to: Job) -> StaleJobError:
    """Let somebody else move a row, and say so."""
    run.ledger.rows[to.id] = to
    return StaleJobError("job 1 has moved")


def test_a_task_that_the_vendor_named_twice_is_not_recalled() -> None:
    """The journal tells the id that made the order doubtful: it belongs to another."""
    run = rig([_doubted(1, reason="repeated_task_id")])
    _keep(run, 1, "late-1")

    run.run()

    assert [State.AMBIGUOUS] == run.states()


def test_an_answer_that_was_the_result_is_adopted_from_the_disk() -> None:
    """Of a synchronous order the dead run has left the answer itself."""
    run = rig([submitted(9)])
    run.client.ready_at["old-9"] = 40.0
    orphan = answered(1, state=State.SUBMITTING, version=1, task_id=None, submitted_at=None)
    run.keep_answer(orphan)

    run.run(later={10.0: _leaves_orphans(run, orphan)})

    assert [State.SAVED, State.SAVED] == run.states()
    assert [] == run.client.orders
