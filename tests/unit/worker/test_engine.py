"""The run as a whole: what it picks up, how it ends, how it is interrupted, how much it holds."""

import asyncio
import signal
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import FileError, StopRunError, StoreError
from batchgen.core.jobs import Change
from batchgen.core.limits import Pace
from batchgen.core.states import State
from tests.support.builders import job, jobs, limits, rendered, rig, submitted
from tests.support.fake_client import always, script
from tests.support.fake_clock import START


def test_a_run_saves_every_row_and_ends_by_itself() -> None:
    """Fifty rows, fifty orders, fifty files, no stop."""
    run = rig(jobs(50))

    assert run.run() is None

    assert {State.SAVED} == set(run.states())
    assert (50, 50, 50) == (len(run.client.orders), len(run.shelf.files), run.progress.saved)
    assert 50 == len({order.key for order in run.client.orders})


def test_running_again_does_nothing() -> None:
    """A finished batch costs no order, no question and no record."""
    run = rig(jobs(5))
    run.run()
    before = len(run.ledger.changes), len(run.client.asked)

    assert run.again().run() is None

    assert (5, before) == (len(run.client.orders), (len(run.ledger.changes), len(run.client.asked)))


def test_an_empty_batch_ends_at_once() -> None:
    """Nothing to do takes no time."""
    run = rig([])

    assert run.run() is None
    assert 0 == run.clock.seconds


# --- what earlier runs left ---


def test_an_order_left_open_is_ambiguous_and_never_sent_again() -> None:
    """A row found submitting is recorded as ambiguous by the recovery, however short the outage."""
    run = rig([job(state=State.SUBMITTING, version=1, attempts=1, attempt_id=1), job(2)])

    assert run.run() is None

    assert [State.AMBIGUOUS, State.SAVED] == run.states()
    assert [job(2).key] == [order.key for order in run.client.orders]
    (unknown,) = [change for change in run.ledger.changes if change.job_id == 1]
    assert ("recovery", "interrupted") == (unknown.actor, unknown.event.reason)
    assert 1 == run.progress.ambiguous


def test_every_old_task_is_asked_after_before_any_new_order() -> None:
    """Forty old tasks are all asked once, oldest first, before the first POST."""
    old = [submitted(number, at=START - timedelta(minutes=number)) for number in range(1, 41)]
    run = rig([*old, *[job(number) for number in range(41, 45)]], limits=limits(pace=Pace(in_flight=100)))
    run.client.ready_at |= {f"old-{number}": 1000.0 for number in range(1, 41)}

    run.run()

    asked_first = {task for at, task in run.client.asked if at <= run.client.orders[0].at}
    assert 40 == len(asked_first)


def test_an_image_left_rendered_is_fetched_without_a_question() -> None:
    """A URL that is still good is used as it is."""
    run = rig([rendered()])

    assert run.run() is None

    assert ([], [State.SAVED]) == (run.client.asked, run.states())


def test_a_run_cut_anywhere_resumes_to_the_same_end() -> None:
    """Cut off at each tenth of a second of a small run and resumed, every row is saved or ambiguous, and no row ordered twice."""
    for tenth in range(1, 60):
        run = rig(jobs(4), limits=limits(pace=Pace(in_flight=2)))
        run.client.render_s = 1.0

        with suppress(KeyboardInterrupt):
            run.run(later={tenth / 10: _cut})
        after = run.again()

        assert after.run() is None
        assert set(after.states()) <= {State.SAVED, State.AMBIGUOUS}
        assert 4 == len({order.key for order in run.client.orders}) == len(run.client.orders)


def _cut() -> None:
    """Die like a process that is cut off: nothing is recorded any more."""
    raise KeyboardInterrupt


# --- interrupts ---


def test_the_first_interrupt_drains() -> None:
    """No new order; the answers of orders under way are waited for and recorded; exit 130; nothing is in doubt."""
    run = rig(jobs(30), limits=limits(pace=Pace(in_flight=4)))
    run.client.order_s = 20.0

    stop = run.run(later={5.0: run.interrupt})

    assert stop is not None
    assert (130, "interrupted") == (stop.exit_code, stop.reason)
    assert 4 == len(run.client.orders)
    assert {State.SUBMITTED: 4, State.PLANNED: 26} == Counter(run.states())
    assert run.clock.seconds == pytest.approx(20.0)


def test_an_interrupt_stops_downloads_cleanly() -> None:
    """A download under way is broken off: no temporary file, the row stays rendered, the next run fetches it."""
    run = rig([rendered()])
    run.client.fetch_s = 500.0

    stop = run.run(later={5.0: run.interrupt})

    assert stop is not None
    assert (130, {}, [State.RENDERED]) == (stop.exit_code, run.shelf.temps, run.states())
    assert run.clock.seconds < 10
    run.client.fetch_s = 0.2
    assert run.again().run() is None
    assert [State.SAVED] == run.states()


def test_an_interrupt_while_a_draft_is_opened_leaves_no_temporary_file() -> None:
    """The draft that the disk gives after the interrupt is discarded."""
    run = rig([rendered()])
    run.threads.work_s = 10.0

    run.run(later={5.0: run.interrupt})

    assert ({}, [State.RENDERED]) == (run.shelf.temps, run.states())


def test_file_work_under_way_is_seen_to_its_end() -> None:
    """An interrupt while a file is being published waits for the disk: staged and in place, and the next run saves without a download."""
    run = rig([rendered()])
    run.threads.work_s = 10.0

    run.run(later={25.0: run.interrupt})

    assert 1 == len(run.shelf.files)
    assert ["images_staged"] == run.events()
    assert run.again().run() is None
    assert ([State.SAVED], 1) == (run.states(), len(run.client.fetched))


def test_the_second_interrupt_leaves_at_once() -> None:
    """Orders under way are left open on disk; the next run finds them ambiguous and never sends them again."""
    run = rig(jobs(2))
    run.client.order_s = 1000.0

    stop = run.run(later={5.0: run.interrupt, 6.0: run.interrupt})

    assert stop is not None
    assert 130 == stop.exit_code
    assert run.clock.seconds < 7
    assert [State.SUBMITTING, State.SUBMITTING] == run.states()
    assert 0 == run.places.total
    run.again().run()
    assert [State.AMBIGUOUS, State.AMBIGUOUS] == run.states()
    assert 2 == len(run.client.orders)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_exit_code_names_the_signal(number: int) -> None:
    """128 + n, also while nothing is under way and while rows wait for their time."""
    run = rig([job(next_at=START + timedelta(hours=9))])

    stop = run.run(later={100.0: lambda: run.engine.interrupt(number)})

    assert stop is not None
    assert 128 + number == stop.exit_code
    assert run.clock.seconds <= 102


def test_an_interrupt_before_the_first_order_orders_nothing() -> None:
    """A signal that comes while the run picks up old work is obeyed."""
    run = rig([submitted(), job(2)])
    run.ledger.commit_s = 1.0

    stop = run.run(later={0.5: run.interrupt})

    assert stop is not None
    assert (130, 0) == (stop.exit_code, len(run.client.orders))


def test_an_interrupt_while_a_task_id_is_being_recorded_keeps_the_id() -> None:
    """The record of an accepted order is finished, whatever the user presses."""
    run = rig([job()])
    run.ledger.commit_s = 2.0

    run.run(later={9.0: run.interrupt, 9.1: run.interrupt, 9.2: run.interrupt})
    assert [State.SUBMITTING] == run.states()
    run.ledger.drain()

    assert ["submit_started", "submit_accepted"] == run.events()


# --- stops and bugs ---


def test_a_word_to_stop_from_a_step_carries_its_exit_code() -> None:
    """StopRunError says how the process ends; rows stay planned."""
    run = rig(jobs(3), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_fetch = always(StopRunError("no such thing", exit_code=2, reason="config"))

    stop = run.run()

    assert stop is not None
    assert (2, "config", "no such thing") == (stop.exit_code, stop.reason, stop.message)


def test_trouble_with_the_disk_stops_orders_and_not_questions() -> None:
    """One image that the disk refuses ends the orders; other tasks are followed to their end; exit 7."""
    run = rig([rendered(1), submitted(2), *[job(number) for number in range(3, 30)]], limits=limits(pace=Pace(in_flight=2)))
    run.client.ready_at["old-2"] = 500.0
    run.shelf.on_finish = script(FileError("no space left"))

    stop = run.run()

    assert stop is not None
    assert (7, "storage") == (stop.exit_code, stop.reason)
    assert [State.RENDERED, State.SAVED] == run.states()[:2]
    assert State.PLANNED in run.states()


def test_trouble_with_the_database_stops_orders_and_questions() -> None:
    """When nothing can be recorded, nothing more is asked for; exit 7; no POST without its intent."""
    run = rig([submitted(1), *[job(number) for number in range(2, 9)]])
    run.client.ready_at["old-1"] = 10_000.0
    run.ledger.fails = lambda _: StoreError("gone") if run.clock.seconds > 4 else None

    stop = run.run()

    assert stop is not None
    assert 7 == stop.exit_code
    assert len(run.client.orders) == len(run.ledger.attempts) - 1
    assert run.clock.seconds < 200


def test_a_bug_while_an_order_is_out_leaves_that_order_in_doubt_and_the_run_goes_on() -> None:
    """What came back is unknown: nothing is bought again, and the others are."""
    run = rig(jobs(8))
    run.client.on_order = script(ValueError("our bug"))

    assert run.run() is None

    assert {State.AMBIGUOUS: 1, State.SAVED: 7} == Counter(run.states())
    assert 8 == len(run.client.orders)
    (doubtful,) = (row for row in run.ledger.rows.values() if row.state is State.AMBIGUOUS)
    assert [doubtful.key] == [line.facts["key"] for line in run.log.called("job.bug")]


def test_five_bugs_in_a_row_stop_orders_and_are_raised_when_all_is_recorded() -> None:
    """The error that meets every order is raised as it is; no row is left open."""
    run = rig(jobs(8), limits=limits(pace=Pace(in_flight=8)))
    run.client.on_order = always(ValueError("our bug"))

    with pytest.raises(ValueError, match="our bug"):
        run.run()

    assert {State.AMBIGUOUS, State.PLANNED} >= set(run.states())
    assert 5 <= len(run.client.orders)
    assert run.progress.stopping == "unexpected ValueError"


def test_one_odd_row_tried_more_than_five_times_stops_no_run() -> None:
    """The last row of a night, which a dialect cannot put into an order, fails by itself, and the run ends."""
    run = rig(jobs(1), limits=limits(attempts=7))

    def submit(*_: object) -> None:
        raise KeyError("ratio")

    run.engine.steps.dialect.submit = submit

    assert run.run() is None

    assert [State.FAILED] == run.states()
    assert "bug" == run.job().reason


def test_a_bug_of_the_ledger_is_raised_after_orders_under_way_are_recorded() -> None:
    """An unexpected error outside the steps stops orders, lets the others come to their end, and is raised as it is."""
    run, broken = rig(jobs(8)), [ValueError("our bug")]

    def fails(change: Change) -> None:
        if isinstance(change.event, e.SubmitAccepted) and broken:
            raise broken.pop()

    run.ledger.fails = fails

    with pytest.raises(ValueError, match="our bug"):
        run.run()

    assert {State.SUBMITTING: 1, State.SAVED: 7} == Counter(run.states())


def test_a_stop_ends_while_rows_wait() -> None:
    """Rows in back-off do not keep a stopped run alive."""
    run = rig([job(1), job(2, next_at=START + timedelta(hours=9))])
    run.client.on_order = always(r.Stopped(kind="balance", message=""))

    stop = run.run()

    assert stop is not None
    assert 6 == stop.exit_code
    assert run.clock.seconds < 10


# --- how much is held ---


def test_a_large_batch_holds_only_what_is_alive() -> None:
    """With five thousand rows, followed jobs and tasks of the loop stay within the limits at all times."""
    run = rig(jobs(5000), limits=limits(pace=Pace(in_flight=100)))
    run.client.order_s, run.client.render_s = 0.05, 1.0
    tasks, followed = 0, 0

    def measure(_: str) -> None:
        nonlocal tasks, followed
        tasks = max(tasks, len(asyncio.all_tasks()))
        followed = max(followed, sum(1 for _ in run.agenda.followed()))

    run.client.on_order = measure

    assert run.run() is None

    assert {State.SAVED} == set(run.states())
    assert tasks <= 100
    assert followed <= 200
    assert 100 == run.client.peak_alive()


def test_an_idle_run_asks_the_database_seldom() -> None:
    """While one row waits for an hour, the database is asked about every two seconds, not in a spin."""
    run = rig([job(next_at=START + timedelta(hours=1))])

    run.run()

    assert run.ledger.claims < 2000


def test_a_pause_is_shown_while_it_lasts() -> None:
    """The view reads why orders wait, and nothing once they go out again."""
    run = rig(jobs(3), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_order = script(r.Throttled(message="slow", retry_after_s=50.0))
    seen: list[str] = []

    run.run(later={10.0: lambda: seen.append(run.progress.pause)})

    assert seen[0].startswith("rate limited; orders again in ")
    assert "" == run.progress.pause


def test_the_oldest_task_is_known() -> None:
    """The age counts from the order, also across runs; without a task it is 0."""
    run = rig([submitted(at=START - timedelta(minutes=5))])
    run.client.ready_at["old-1"] = 100.0
    ages: list[float] = []

    run.run(later={59.0: lambda: ages.append(run.engine.oldest_task_s())})

    assert [359.0] == ages
    assert 0.0 == run.engine.oldest_task_s()


def test_no_event_is_recorded_that_says_nothing() -> None:
    """A delivered job has five events, whatever the number of questions."""
    run = rig([job()])
    run.client.render_s = 200.0

    run.run()

    assert [e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesStaged, e.ImagesSaved] == [
        type(c.event) for c in run.ledger.changes
    ]
