"""Orders: what each answer means for the job and the run, and the limits that orders keep to."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from batchgen.core import readings as r
from batchgen.core.errors import NotSentError, OutcomeUnknownError
from batchgen.core.limits import Cap, Pace
from batchgen.core.money import Micros
from batchgen.core.states import Outcome, State
from tests.support.builders import Rig, job, jobs, limits, rendered, rig, submitted
from tests.support.fake_client import always, script
from tests.support.fake_clock import START


def _order_times(run: Rig) -> list[float]:
    return [order.at for order in run.client.orders]


# --- answers ---


@pytest.mark.parametrize(
    ("answer", "word", "wait_s"),
    [
        (NotSentError("refused"), "submit_not_sent", 2.5),
        (r.Busy(message="425"), "submit_not_sent", 2.5),
        (r.Unproven(message="-1"), "submit_unproven", 2.5),
        (r.Throttled(message="429", retry_after_s=7.0), "submit_refused", 7.0),
        (r.Throttled(message="429"), "submit_refused", 5.0),
    ],
)
def test_an_order_that_did_not_happen_is_sent_again_later(answer: r.SubmitReading | BaseException, word: str, wait_s: float) -> None:
    """The answer is recorded, the row waits, the second order delivers."""
    run = rig([job()])
    run.client.on_order = script(answer)

    assert run.run() is None

    assert ["submit_started", word, "submit_started", "submit_accepted"] == run.events()[:4]
    assert [State.SAVED] == run.states()
    first, second = _order_times(run)
    assert first + wait_s <= second <= first + 2 * wait_s + 3


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (r.Rejected(reason="refused", message="bad ratio"), State.FAILED, "refused"),
        (r.Rejected(reason="moderated", message="policy"), State.FAILED, "moderated"),
        (r.Unreadable(message="<html>"), State.AMBIGUOUS, "unreadable"),
        (OutcomeUnknownError("read timeout"), State.AMBIGUOUS, "no_answer"),
    ],
)
def test_an_answer_that_ends_the_order_is_final(answer: r.SubmitReading | BaseException, state: State, reason: str) -> None:
    """Refused, moderated and lost orders are never sent again, and the other row is not concerned."""
    run = rig(jobs(2), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_order = script(answer)

    assert run.run() is None

    assert [state, State.SAVED] == run.states()
    assert reason == run.job().reason
    assert 2 == len(run.client.orders)
    assert 0 == run.places.total


def test_the_last_try_that_is_not_sent_fails_the_job() -> None:
    """After the five tries of the manifest nothing was bought and the job has failed as unreachable."""
    run = rig([job()])
    run.client.on_order = always(NotSentError("no route"))

    assert run.run() is None

    assert 5 == len(run.client.orders)
    assert (State.FAILED, "unreachable") == (run.job().state, run.job().reason)
    assert {Outcome.NOT_SENT} == {attempt.outcome for attempt in run.ledger.attempts}


def test_unproven_orders_are_booked_and_end_after_two_more() -> None:
    """Three orders without proof: each stays booked, the job has failed with the vendor's own trouble as its reason."""
    run = rig([job()])
    run.client.on_order = always(r.Unproven(message="server error"))

    run.run()

    assert [Outcome.UNPROVEN] * 3 == [attempt.outcome for attempt in run.ledger.attempts]
    assert (State.FAILED, "server") == (run.job().state, run.job().reason)
    assert [2, 1] == [run.events().count("submit_unproven"), run.events().count("submit_given_up")]


@pytest.mark.parametrize(("kind", "code"), [("balance", 6), ("quota", 6), ("config", 2)])
def test_a_vendor_that_takes_no_order_stops_orders_and_not_fetches(kind: r.StopKind, code: int) -> None:
    """Rows stay planned with their reservation freed, and what is paid for is still asked after and fetched."""
    run = rig([submitted(1), rendered(2), *[job(number) for number in range(3, 30)]], limits=limits(pace=Pace(in_flight=3)))
    run.client.ready_at["old-1"] = 300.0
    run.client.on_order = always(r.Stopped(kind=kind, message="no more"))

    stop = run.run()

    assert stop is not None
    assert (code, kind) == (stop.exit_code, stop.reason)
    assert {State.SAVED: 2, State.PLANNED: 27} == Counter(run.states())
    assert len(run.client.orders) <= 3
    assert not any(attempt.booked for attempt in run.ledger.attempts if attempt.outcome is Outcome.REFUSED)


def test_a_rejected_key_stops_questions_too_but_fetches_go_on() -> None:
    """With 20001 on an order, no further question goes out; the rendered image is still fetched and the task waits for the next run."""
    run = rig([submitted(1), rendered(2), job(3)])
    run.client.ready_at["old-1"] = 10_000.0
    run.client.on_order = always(r.Stopped(kind="auth", message="key"))

    stop = run.run()

    assert stop is not None
    assert (4, "auth") == (stop.exit_code, stop.reason)
    assert [State.SUBMITTED, State.SAVED, State.PLANNED] == run.states()
    assert run.clock.seconds < 60


def test_moderation_never_halts_the_run() -> None:
    """Thirty refusals by moderation in a row, with halt set to 2: every row is tried once and the run ends by itself."""
    run = rig(jobs(30), limits=limits(halt_after_failures=2))
    run.client.on_order = always(r.Rejected(reason="moderated", message="safety"))

    assert run.run() is None
    assert (30, {State.FAILED}) == (len(run.client.orders), set(run.states()))


# --- throttling and trouble ---


def test_one_throttled_order_quiets_everybody() -> None:
    """After Retry-After no order goes out before its time is over, whoever asked."""
    run = rig(jobs(12), limits=limits(pace=Pace(in_flight=4)))
    run.client.on_order = script(None, r.Throttled(message="slow", retry_after_s=100.0))

    run.run()

    times = _order_times(run)
    assert {State.SAVED} == set(run.states())
    assert all(at < 1 or at >= 100.5 for at in times)
    assert min(at for at in times if at > 1) <= 100.5 + 20 + 2
    assert 1 == run.progress.throttled
    assert 100.0 <= run.progress.throttled_s <= 120.0


def test_a_broken_network_pauses_all_and_probes_with_one() -> None:
    """Five unsent orders in a row pause everything for 30 s, then single orders go out until one succeeds."""
    run = rig(jobs(8), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_order = lambda _: NotSentError("down") if run.clock.seconds < 100 else None

    run.run()

    times = _order_times(run)
    assert {State.SAVED} == set(run.states())
    assert times[5] - times[4] >= 30
    assert times[6] - times[5] >= 60


def test_orders_that_fail_together_pause_as_long_as_one_failure() -> None:
    """Eight orders under way when the network goes down open the breaker once: the probe goes out after 30 s, not minutes later."""
    run = rig(jobs(8))
    run.client.on_order = lambda _: NotSentError("down") if run.clock.seconds < 5 else None

    run.run()

    assert {State.SAVED} == set(run.states())
    assert 30 <= _order_times(run)[8] <= 40


def test_lost_answers_pause_all_and_probe_with_one() -> None:
    """Three lost answers in a row stop further orders for 30 s; one canary goes out, and its success lets the rest follow."""
    run = rig(jobs(10), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_order = script(*[OutcomeUnknownError("reset")] * 3)

    run.run()

    times = _order_times(run)
    assert {State.AMBIGUOUS: 3, State.SAVED: 7} == Counter(run.states())
    assert times[3] - times[2] >= 30
    assert 3 == run.progress.ambiguous


def test_five_lost_answers_in_ten_minutes_pause_all() -> None:
    """Lost answers with successes between them trip the ambiguity breaker too: money is not lost every other order all night."""
    run = rig(jobs(40), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_order = script(*[OutcomeUnknownError("reset"), None] * 20)
    run.client.render_s = 1.0

    run.run()

    lost_at = [order.at for number, order in enumerate(run.client.orders) if number % 2 == 0]
    assert lost_at[4] - lost_at[0] > 600 or lost_at[5] - lost_at[4] >= 30


def test_a_repeated_task_id_pauses_at_once() -> None:
    """A vendor that names the same task for two orders is not trusted further: after each such answer orders pause, ever longer."""
    run = rig(jobs(5), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_order = script(*[r.Accepted(task_id="same")] * 4)

    run.run()

    times = _order_times(run)
    assert {State.SAVED: 2, State.AMBIGUOUS: 3} == Counter(run.states())
    assert [True, True, True] == [
        later - earlier >= wait_s for (earlier, later), wait_s in zip(pairwise(times[1:]), (30, 60, 120), strict=True)
    ]
    assert "the vendor repeated a task id: same until " in str(run.log.called("run.pausing")[0].facts["detail"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NotSentError("down"), "nothing sent, network or vendor is down: down until "),
        (r.Busy(message="later"), "later until "),
        (r.Unproven(message="boom"), "server error, maybe billed: boom until "),
        (r.Throttled(message="slow", retry_after_s=1800.0), "rate limited until "),
    ],
)
def test_a_pause_is_told_with_its_reason(answer: r.SubmitReading | BaseException, said: str) -> None:
    """A long pause is a warning when it begins, and another when it grows."""
    run = rig(jobs(5))
    run.client.on_order = script(*[answer] * 5)

    run.run()

    told = [str(line.facts["detail"]) for line in run.log.called("run.pausing") if line.level == "warning"]
    assert {State.SAVED} == set(run.states())
    assert told
    assert all(line.startswith(said) for line in told)


def test_orders_refused_alike_stop_the_run() -> None:
    """Three of the first orders refused in the same words: the rest stays planned."""
    run = rig(jobs(9), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_order = always(r.Rejected(reason="refused", message="bad ratio"))

    stop = run.run()

    assert stop is not None
    assert (2, "refused") == (stop.exit_code, stop.reason)
    assert {State.FAILED: 3, State.PLANNED: 6} == Counter(run.states())


# --- limits ---


@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_in_flight_is_kept_and_used(in_flight: int) -> None:
    """Never more orders than allowed are with the vendor, and with enough rows that many are."""
    run = rig(jobs(30), limits=limits(pace=Pace(in_flight=in_flight)))

    run.run()

    assert in_flight == run.client.peak_alive()
    assert {State.SAVED} == set(run.states())


def test_tasks_of_earlier_runs_count_as_in_flight() -> None:
    """With two old tasks alive and three allowed, one order goes out at a time."""
    run = rig([submitted(1), submitted(2), *[job(number) for number in range(3, 7)]], limits=limits(pace=Pace(in_flight=3)))
    run.client.ready_at |= {"old-1": 500.0, "old-2": 500.0}

    run.run()

    assert 1 == run.client.peak_alive()


def test_a_models_own_limit_is_kept_and_does_not_hold_up_others() -> None:
    """Painter is held to two; rows of the other model further down are ordered meanwhile."""
    rows = [*[job(number) for number in range(1, 301)], *[job(number, model="other") for number in range(301, 311)]]
    run = rig(rows, limits=limits(per_model={"painter": Pace(in_flight=2)}))
    run.client.render_s = 1.0

    run.run()

    assert 2 == run.client.peak_alive("painter")
    assert run.client.peak_alive("other") >= 5
    assert {State.SAVED} == set(run.states())


def test_a_full_model_does_not_make_the_run_ask_the_database_in_a_spin() -> None:
    """While every row left is of a model that is full, the database is asked when a place falls free or every two seconds."""
    run = rig(jobs(10), limits=limits(per_model={"painter": Pace(in_flight=1)}))
    run.client.render_s = 60.0

    run.run()

    assert run.ledger.claims <= run.clock.seconds / 2 + 30


@pytest.mark.parametrize("rate", [0.5, 2.0, 10.0])
def test_the_submit_rate_is_kept_and_used(rate: float) -> None:
    """Orders are spaced by the rate: never faster, and not slower by more than a tenth."""
    run = rig(jobs(60), limits=limits(pace=Pace(in_flight=1000, submits_per_s=rate)))

    run.run()

    times = _order_times(run)
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairwise(times))
    assert (times[-1] - times[0]) <= 59 / rate * 1.1


def test_a_models_own_rate_is_kept_and_used() -> None:
    """Five a second for one model means five a second, though the rate for all is not limited."""
    run = rig(jobs(50), limits=limits(pace=Pace(in_flight=1000), per_model={"painter": Pace(submits_per_s=5.0)}))
    run.client.render_s = 1000.0

    run.run()

    times = _order_times(run)
    assert all(later - earlier >= 0.2 - 1e-6 for earlier, later in pairwise(times))
    assert times[-1] - times[0] <= 49 / 5.0 * 1.1


def test_rows_in_back_off_are_left_alone_until_they_are_due() -> None:
    """A planned row with a later ``next_at`` is ordered then, and not before."""
    run = rig([job(next_at=START + timedelta(seconds=90))])

    assert run.run() is None

    assert 90 <= _order_times(run)[0] <= 92.1


def test_the_budget_of_orders_is_a_hard_stop() -> None:
    """With three allowed, exactly three are ordered and saved, and the run ends with 5."""
    run = rig(jobs(10), limits=limits(budget_jobs=3))

    stop = run.run()

    assert stop is not None
    assert (5, "budget") == (stop.exit_code, stop.reason)
    assert 3 == len(run.client.orders)
    assert {State.SAVED: 3, State.PLANNED: 7} == Counter(run.states())


def test_a_refused_order_gives_its_share_of_the_budget_back() -> None:
    """A reservation that is released lets another row take its place before the run ends."""
    run = rig(jobs(4), limits=limits(budget_jobs=2))
    run.client.on_order = script(r.Rejected(reason="refused", message="no"))

    stop = run.run()

    assert stop is not None
    assert 5 == stop.exit_code
    assert {State.FAILED: 1, State.SAVED: 2, State.PLANNED: 1} == Counter(run.states())


def test_the_budget_of_money_is_never_exceeded() -> None:
    """With prices named on the order, as many orders go out as fit under the cap, one first to learn the price."""
    run = rig(jobs(10), limits=limits(budget_cost=Micros(200_000), allow_unpriced=True))

    stop = run.run()

    assert stop is not None
    assert (5, "budget") == (stop.exit_code, stop.reason)
    assert 3 == len(run.client.orders)
    assert 180_000 == sum(attempt.booked for attempt in run.ledger.attempts)
    assert run.client.orders[1].at >= run.client.orders[0].answered_at


def test_a_model_that_has_used_up_its_own_limit_leaves_the_others_to_go_on() -> None:
    """Two of the one model, all of the other; then the run ends with 5 and names the model."""
    rows = [job(number, model="dear" if number % 2 else "cheap") for number in range(1, 13)]
    run = rig(rows, limits=limits(model_caps={"dear": Cap(orders=2)}))

    stop = run.run()

    assert stop is not None
    assert (5, "budget") == (stop.exit_code, stop.reason)
    assert "dear" in stop.message
    assert {"cheap": 6, "dear": 2} == Counter(row.model for row in run.ledger.rows.values() if row.state is State.SAVED)
    assert 8 == len(run.client.orders)


def test_a_model_waits_while_its_money_may_come_back() -> None:
    """A refused order of the model gives its share back, and another takes it."""
    run = rig([job(number, model="dear") for number in range(1, 5)], limits=limits(model_caps={"dear": Cap(orders=2)}))
    run.client.on_order = script(r.Rejected(reason="refused", message="no"))

    run.run()

    assert {State.FAILED: 1, State.SAVED: 2, State.PLANNED: 1} == Counter(run.states())


def test_a_days_limit_stops_the_run() -> None:
    """What went out today counts, whatever the model."""
    run = rig([job(1, model="a"), job(2, model="b"), job(3, model="a")], limits=limits(day_cap=Cap(orders=2)))

    stop = run.run()

    assert stop is not None
    assert (5, 2) == (stop.exit_code, len(run.client.orders))


def test_without_a_known_price_nothing_goes_out_under_a_cost_limit() -> None:
    """The sentence names the model and the ways on; with leave such rows go out one at a time."""
    run = rig(jobs(3), limits=limits(budget_cost=Micros(10**6), allow_unpriced=False))

    stop = run.run()

    assert stop is not None
    assert (5, 0) == (stop.exit_code, len(run.client.orders))
    assert "the price of painter is unknown" in stop.message
    assert "--allow-unpriced" in stop.message


@pytest.mark.parametrize(
    "answer", [NotSentError("no route"), r.Unproven(message="down"), r.Busy(message="down")], ids=lambda a: type(a).__name__
)
def test_a_dead_vendor_costs_few_orders_a_night(answer: r.SubmitReading | BaseException) -> None:
    """Eight hours, eight in flight: five and then probes, each pause twice as long, up to ten minutes."""
    run = rig(jobs(500), limits=limits(pace=Pace(in_flight=8), attempts=50, deadline=START + timedelta(hours=8)))
    run.client.on_order = always(answer)

    run.run()

    assert len(run.client.orders) <= 80
    assert 7 <= run.clock.seconds / 3600 <= 9


def test_a_vendor_that_comes_back_is_used_again_without_help() -> None:
    """Down for two hours, then all is ordered."""
    run = rig(jobs(50), limits=limits(pace=Pace(in_flight=8), attempts=50))
    run.client.on_order = lambda _: NotSentError("no route") if run.clock.seconds < 7200 else None

    assert run.run() is None

    assert {State.SAVED} == set(run.states())
    assert run.clock.seconds < 7200 + 1800


def test_what_moderation_refuses_never_pauses_a_run() -> None:
    """A set of prompts that are all refused is refused at full speed."""
    run = rig(jobs(200), limits=limits(pace=Pace(in_flight=8)))
    run.client.on_ask = always(r.Ended(reason="moderated", message="unsafe"))

    run.run()

    assert {State.FAILED} == set(run.states())
    assert "" == run.places.gate.why


def test_the_deadline_stops_orders_and_not_fetches() -> None:
    """After the deadline nothing is ordered; what runs is finished."""
    run = rig(jobs(20), limits=limits(pace=Pace(in_flight=2), deadline=START + timedelta(seconds=25)))

    stop = run.run()

    assert stop is not None
    assert (5, "deadline") == (stop.exit_code, stop.reason)
    assert all(at < 25 for at in _order_times(run))
    assert {State.SAVED, State.PLANNED} == set(run.states())
    assert len(run.client.orders) == Counter(run.states())[State.SAVED]


def test_the_deadline_holds_while_a_refused_row_waits() -> None:
    """A row that went back to planned does not keep the orders of the page in hand from stopping at the deadline."""
    run = rig(jobs(60), limits=limits(pace=Pace(in_flight=2), deadline=START + timedelta(seconds=40)))
    run.client.on_order = script(None, r.Throttled(message="slow", retry_after_s=1.0))

    run.run()

    assert all(at < 40 for at in _order_times(run))


def test_the_halt_holds_while_a_refused_row_waits() -> None:
    """A row that went back to planned does not keep the run from halting after failures in a row."""
    run = rig(jobs(60), limits=limits(pace=Pace(in_flight=1), halt_after_failures=3))
    run.client.on_order = script(
        r.Throttled(message="slow", retry_after_s=1.0), *[r.Rejected(reason="refused", message=f"no {number}") for number in range(59)]
    )

    stop = run.run()

    assert stop is not None
    assert 5 == stop.exit_code
    assert 4 == len(run.client.orders)


def test_failures_in_a_row_halt_the_run() -> None:
    """After the third failed task in a row nothing more is ordered, and the exit code is 5."""
    run = rig(jobs(20), limits=limits(pace=Pace(in_flight=1), halt_after_failures=3))
    run.client.on_ask = always(r.Ended(reason="remote", message="broken"))

    stop = run.run()

    assert stop is not None
    assert (5, "halted") == (stop.exit_code, stop.reason)
    assert 3 == len(run.client.orders)


def test_a_disk_below_the_floor_stops_before_any_order() -> None:
    """No room for images: nothing is bought, rows stay planned, exit 7."""
    run = rig(jobs(3))
    run.shelf.free = 1024

    stop = run.run()

    assert stop is not None
    assert (7, "storage") == (stop.exit_code, stop.reason)
    assert [] == run.client.orders
    assert {State.PLANNED} == set(run.states())


def test_rows_go_out_in_the_order_of_their_position() -> None:
    """Positions, not ids, order the run."""
    run = rig([job(1, position=3), job(2, position=1), job(3, position=2)], limits=limits(pace=Pace(in_flight=1)))

    run.run()

    assert [job(2).key, job(3).key, job(1).key] == [order.key for order in run.client.orders]


def test_rows_planned_meanwhile_by_another_shell_are_noticed() -> None:
    """A row that appears while the run works is ordered in the same run."""
    run = rig([job(1)])

    run.run(later={5.0: lambda: run.ledger.add([job(2)])})

    assert [State.SAVED, State.SAVED] == run.states()
