"""Following what was ordered: questions, downloads, and when to try again."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import BadImageError, DownloadError, NotSentError, OutcomeUnknownError, PathTakenError, StaleJobError
from batchgen.core.limits import Pace
from batchgen.core.money import Micros
from batchgen.core.states import State
from tests.support.builders import Rig, image, job, jobs, limits, rendered, rig, submitted
from tests.support.fake_client import always, script
from tests.support.fake_clock import START

_HOUR_S = 3600.0


def _ask_times(run: Rig) -> list[float]:
    return [at for at, _ in run.client.asked]


def _fetch_times(run: Rig) -> list[float]:
    return [at for at, _ in run.client.fetched]


# --- asking ---


def test_questions_that_find_a_task_running_write_nothing() -> None:
    """Many questions, one record: what changes nothing is not recorded."""
    run = rig([submitted()])
    run.client.ready_at["old-1"] = 120.0

    run.run()

    assert len(run.client.asked) > 5
    assert ["render_finished", "images_staged", "images_saved"] == run.events()


def test_the_first_question_waits_for_the_learned_duration() -> None:
    """Once a task of the shape has been seen, the next one is asked after about when it should be done."""
    run = rig(jobs(6), limits=limits(pace=Pace(in_flight=1)))
    run.client.render_s = 100.0

    run.run()

    questions = Counter(task for _, task in run.client.asked)
    assert questions["task-1"] > questions["task-6"]
    assert questions["task-6"] <= 3


def test_a_progress_that_proves_honest_saves_questions() -> None:
    """Tasks of different lengths whose progress is true are found done at the second question, or the third."""
    run = rig(jobs(60), limits=limits(pace=Pace(in_flight=1)))
    ordered_at, lasts_s = {}, {}

    def ask(task: str) -> r.PollReading | None:
        began = ordered_at.setdefault(task, next(order.answered_at for order in reversed(run.client.orders)))
        lasts = lasts_s.setdefault(task, 30.0 + 7 * (len(lasts_s) % 5))
        done = (run.clock.seconds - began) / lasts
        return None if done >= 1 else r.Running(status="processing", progress=max(1, int(100 * done)) / 100)

    run.client.on_ask, run.client.render_s = ask, 0.0

    run.run()

    questions = Counter(task for _, task in run.client.asked)
    assert {State.SAVED} == set(run.states())
    assert sum(questions[f"task-{number}"] for number in range(41, 61)) <= 20 * 3


def test_an_outage_teaches_no_durations() -> None:
    """Tasks that finished while no run was alive say nothing about how long tasks take: new orders are asked after soon."""
    old = [submitted(number, at=START - timedelta(hours=8)) for number in (1, 2, 3)]
    run = rig([*old, job(4)])

    run.run()

    assert {State.SAVED} == set(run.states())
    assert run.clock.seconds < 120


@pytest.mark.parametrize("answer", [OutcomeUnknownError("reset"), NotSentError("refused"), r.Trouble(message="502")])
def test_a_failed_question_is_asked_again_with_growing_gaps(answer: r.PollReading | BaseException) -> None:
    """Network trouble leaves the task alone; gaps grow, and never beyond a minute."""
    run = rig([submitted()])
    run.client.on_ask = script(*[answer] * 12)

    assert run.run() is None

    times = _ask_times(run)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert [State.SAVED] == run.states()
    assert gaps[0] < 2 < gaps[6]
    assert max(gaps) <= 61


def test_a_vendor_that_never_answers_questions_does_not_hold_the_run_for_ever() -> None:
    """Past the task's deadline a task that cannot be asked after is parked like one that never ends, and the run ends."""
    run = rig([submitted()])
    run.client.on_ask = always(r.Trouble(message="502"))

    assert run.run(later={7 * _HOUR_S: run.interrupt}) is None

    assert [State.SUBMITTED] == run.states()
    assert ["task_stalled"] == run.events()


def test_trouble_with_questions_is_told_after_five_minutes_and_not_more_often() -> None:
    """Nothing is said of a short outage; a long one is one warning in five minutes, however many tasks it concerns."""
    run = rig([submitted(number) for number in range(1, 5)])
    run.client.on_ask = lambda _: r.Trouble(message="502") if run.clock.seconds < 660 else None
    before: list[int] = []

    run.run(later={299.0: lambda: before.append(len(run.log.called("run.questions_fail")))})

    told = run.log.called("run.questions_fail")
    assert [0] == before
    assert ["warning", "warning"] == [line.level for line in told]
    assert "502" in str(told[0].facts["detail"])
    assert {State.SAVED} == set(run.states())


def test_a_vendor_that_throttles_every_question_does_not_hold_the_run_for_ever() -> None:
    """Past the task's deadline a task whose questions are always throttled is parked, and the run ends."""
    run = rig([submitted()])
    run.client.on_ask = always(r.Throttled(message="slow"))

    assert run.run(later={7 * _HOUR_S: run.interrupt}) is None

    assert [State.SUBMITTED] == run.states()


def test_a_throttled_question_quiets_all_questions() -> None:
    """After Retry-After no question of any job goes out before its time; all are delivered."""
    run = rig([submitted(number) for number in range(1, 6)])
    run.client.on_ask = script(r.Throttled(message="slow", retry_after_s=60.0))

    run.run()

    assert {State.SAVED} == set(run.states())
    assert all(at == 0 or at >= 60 for at in _ask_times(run))
    assert 1 == run.progress.throttled


def test_an_unknown_status_word_goes_on() -> None:
    """A word that the dialect has never heard of is no end: the task is asked after again at the normal pace."""
    run = rig([submitted()])
    run.client.on_ask = script(*[r.Running(status="warming_up", is_known_word=False)] * 3)

    assert run.run() is None

    assert [State.SAVED] == run.states()
    assert max(later - earlier for earlier, later in pairwise(_ask_times(run))) < 5


def test_what_nobody_has_heard_of_is_recorded_once_and_warned_of_once() -> None:
    """Five tasks whose every answer holds the same new word and field: one event and one warning for each, and all are saved."""
    run = rig([submitted(number) for number in range(1, 6)])
    run.client.oddities = ("status warming_up", "field data.eta")
    run.client.on_ask = script(*[r.Running(status="warming_up", is_known_word=False)] * 20)

    assert run.run() is None

    seen = [(change.event.reason, change.event.detail) for change in run.ledger.changes if isinstance(change.event, e.DriftSeen)]
    assert [("status", "warming_up"), ("field", "data.eta")] == seen
    assert ["warning", "warning"] == [line.level for line in run.log.called("job.drift_seen")]
    assert {State.SAVED} == set(run.states())


@pytest.mark.parametrize("reason", ["remote", "moderated"])
def test_a_task_that_ends_without_an_image_is_not_bought_again(reason: str) -> None:
    """The job has failed with the vendor's words, the cost is kept, no second order goes out."""
    run = rig([job()])
    run.client.on_ask = script(r.Ended(reason=reason, message="no image", cost=Micros(1)))

    assert run.run() is None

    failed = run.ledger.changes[-1].event
    assert 1 == len(run.client.orders)
    assert (State.FAILED, reason) == (run.job().state, run.job().reason)
    assert e.RenderFailed(reason=reason, detail="no image", cost=Micros(1)) == failed
    assert (1, 0) == (run.progress.failed, run.places.total)


@pytest.mark.parametrize("render_s", [0.0, 1.0, 2.5, 3.0, 10.0])
def test_a_passing_failure_is_bought_once_more_by_decision(render_s: float) -> None:
    """One regeneration in the same run, recorded as a decision of the policy; whenever the failure shows."""
    run = rig([job()])
    run.client.on_ask = lambda task: (
        r.Ended(reason="transient", message="s3 upload failed") if task == "task-1" and run.clock.seconds > render_s else None
    )
    run.client.render_s = render_s + 0.5

    assert run.run() is None

    decisions = [change for change in run.ledger.changes if isinstance(change.event, e.RetryAllowed)]
    assert [("policy", "regenerate")] == [(change.actor, change.event.reason) for change in decisions]
    assert [State.SAVED] == run.states()
    assert 2 == len(run.client.orders)


def test_a_second_passing_failure_is_final() -> None:
    """Regeneration happens once: the second failure ends the job."""
    run = rig(jobs(2), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_ask = always(r.Ended(reason="transient", message="timeout"))

    run.run()

    assert 4 == len(run.client.orders)
    assert [State.FAILED, State.FAILED] == run.states()


def test_a_finished_task_without_url_is_asked_again_then_parked() -> None:
    """Six more questions within ten minutes, then it is stalled, holds no place, and the run ends; it stays submitted and paid."""
    run = rig([submitted(), *[job(number) for number in range(2, 6)]], limits=limits(pace=Pace(in_flight=1)))
    run.client.on_ask = lambda task: r.Done(urls=()) if task == "old-1" else None

    assert run.run() is None

    questions = [at for at, task in run.client.asked if task == "old-1"]
    assert 7 == len(questions)
    assert 590 <= questions[-1] <= 610
    assert ["task_stalled"] == run.events()
    assert {State.SUBMITTED: 1, State.SAVED: 4} == Counter(run.states())
    assert (1, "no_url") == (run.progress.parked, run.job().reason)


def test_a_url_that_comes_late_is_fetched() -> None:
    """A finished task that names its URL at the third question is delivered."""
    run = rig([submitted()])
    run.client.on_ask = script(r.Done(urls=()), r.Done(urls=()))

    assert run.run() is None

    assert [State.SAVED] == run.states()
    assert 0 == run.places.total


def test_a_task_not_found_at_first_is_given_time() -> None:
    """Within two minutes of the order "not found" means "not yet"."""
    run = rig([submitted()])
    run.client.on_ask = lambda _: r.NotFound(message="no such task") if run.clock.seconds < 110 else None

    assert run.run() is None

    assert [State.SAVED] == run.states()


def test_a_task_not_found_for_half_an_hour_is_lost() -> None:
    """Ten questions over about half an hour, then the job has failed as lost; nothing is bought again."""
    run = rig([submitted()])
    run.client.on_ask = always(r.NotFound(message="no such task"))

    assert run.run() is None

    assert (State.FAILED, "lost") == (run.job().state, run.job().reason)
    assert 25 * 60 <= run.clock.seconds <= 40 * 60
    assert 0 == len(run.client.orders)
    assert [] == run.log.called("run.tasks_lost")


def test_two_lost_tasks_are_an_alarm() -> None:
    """The ids that the vendor's support needs stand in one error."""
    run = rig([submitted(1), submitted(2)])
    run.client.on_ask = always(r.NotFound(message="no such task"))

    run.run()

    (alarm,) = run.log.called("run.tasks_lost")
    assert "error" == alarm.level
    assert {"old-1", "old-2"} <= set(str(alarm.facts["detail"]).replace(",", "").split())


def test_tasks_that_fail_in_a_row_pause_orders_and_moderation_does_not() -> None:
    """Five tasks without an image make the next order wait half a minute; thirty that moderation refuses do not."""
    run = rig(jobs(8), limits=limits(pace=Pace(in_flight=1)))
    run.client.on_ask = script(*[r.Ended(reason="remote", message="E7731")] * 5)

    run.run()

    times = [order.at for order in run.client.orders]
    assert times[5] - times[4] >= 30
    assert {State.FAILED: 5, State.SAVED: 3} == Counter(run.states())
    assert "tasks fail: E7731 until " in str(run.log.called("run.pausing")[0].facts["detail"])

    calm = rig(jobs(30))
    calm.client.on_ask = always(r.Ended(reason="moderated", message="policy"))
    calm.run()

    assert [] == calm.log.called("run.pausing")


def test_more_images_than_asked_are_all_kept() -> None:
    """One image was asked, two are given: both are saved, and it is told."""
    run = rig([submitted()])
    run.client.on_ask = always(r.Done(urls=("https://cdn.example/a.png", "https://cdn.example/b.png")))

    run.run()

    (told,) = run.log.called("job.more_images")
    assert [State.SAVED] == run.states()
    assert 2 == len(run.client.fetched)
    assert "1 image asked, 2 given: all are kept" == told.facts["detail"]


def test_a_task_past_its_deadline_is_parked_and_the_run_ends() -> None:
    """A task that runs longer than allowed is recorded as stalled once, frees its place, and stays submitted."""
    run = rig([submitted(), job(2)], limits=limits(pace=Pace(in_flight=1), task_timeout_s=600.0))
    run.client.ready_at["old-1"] = 10 * _HOUR_S

    assert run.run() is None

    assert [State.SUBMITTED, State.SAVED] == run.states()
    assert ["task_stalled"] == run.events()
    assert 600 <= run.client.orders[0].at <= 640
    assert 1 == run.progress.parked


def test_a_parked_task_is_asked_after_every_hour() -> None:
    """While other work keeps the run alive, a parked task is asked hourly, and delivered when it ends."""
    run = rig([submitted(1), submitted(2)], limits=limits(task_timeout_s=600.0))
    run.client.ready_at |= {"old-1": 5000.0, "old-2": 1.0}
    run.client.on_ask = lambda task: r.Trouble(message="502") if task == "old-2" and run.clock.seconds < 590 else None
    run.ledger.add([job(3, next_at=START + timedelta(hours=3))])

    assert run.run() is None

    assert {State.SAVED} == set(run.states())
    assert 0 == run.progress.parked
    late = [at for at, task in run.client.asked if task == "old-1" and at > 700]
    assert all(later - earlier >= _HOUR_S for earlier, later in pairwise(late))


def test_a_parked_task_that_ends_is_wanted_again() -> None:
    """Once a parked task has its URL, a passing trouble with the download does not let the run end without the image."""
    other = job(2, params={"resolution": "2k"}, next_at=START + timedelta(seconds=4000))
    run = rig([submitted(), other], limits=limits(task_timeout_s=60.0))
    run.client.ready_at["old-1"] = 3000.0
    run.client.on_fetch = lambda url: DownloadError("reset") if "old-1" in url and run.clock.seconds < 4100 else None

    run.run()

    assert [State.SAVED, State.SAVED] == run.states()


def test_a_parked_task_teaches_no_duration() -> None:
    """Seen running at a minute and done an hour later, a task says too little: the next order of its shape is asked after soon."""
    run = rig([submitted(), job(2, next_at=START + timedelta(seconds=4000))], limits=limits(task_timeout_s=60.0))
    run.client.ready_at["old-1"] = 3000.0

    run.run()

    assert [State.SAVED, State.SAVED] == run.states()
    assert run.clock.seconds < 4100


def test_a_rejected_key_on_a_question_stops_the_run_and_keeps_the_task() -> None:
    """Exit 4; the task stays submitted and is delivered by the next run with a key that works."""
    run = rig([submitted()])
    run.client.on_ask = script(r.Stopped(kind="auth", message="key"))

    stop = run.run()
    assert stop is not None
    assert (4, State.SUBMITTED) == (stop.exit_code, run.job().state)

    assert run.again().run() is None
    assert State.SAVED is run.job().state


def test_other_stops_on_a_question_are_trouble() -> None:
    """An odd word about money on a free question is no reason to stop: it is asked again."""
    run = rig([submitted()])
    run.client.on_ask = script(r.Stopped(kind="balance", message="?"))

    assert run.run() is None

    assert [State.SAVED] == run.states()


# --- stale rows ---


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (r.Done(urls=("https://cdn.example/x.png",)), e.RenderFinished),
        (r.Ended(reason="remote", message="x"), e.RenderFailed),
        (r.NotFound(message="x"), e.RenderFailed),
        (r.Done(urls=()), e.TaskStalled),
        (r.Running(status="processing"), e.TaskStalled),
    ],
)
def test_a_row_moved_by_somebody_else_is_let_go_after_a_question(answer: r.PollReading, kind: type[e.Event]) -> None:
    """A stale record fails alone: the run goes on with the others and ends without a stop."""
    run = rig([submitted(), job(2)])
    run.client.on_ask = lambda task: answer if task == "old-1" else None
    run.ledger.fails = lambda change: StaleJobError("moved") if change.job_id == 1 and isinstance(change.event, kind) else None

    assert run.run() is None

    assert [State.SUBMITTED, State.SAVED] == run.states()
    assert 0 == run.places.total


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"image", e.ImagesStaged),
        (b"image", e.ImagesSaved),
        (DownloadError("reset"), e.DownloadDeferred),
        (DownloadError("gone", expired=True), e.FreshUrlWanted),
        (DownloadError("no", forbidden=True), e.DownloadDeferred),
        (BadImageError("big", reason="too_big"), e.DownloadFailed),
    ],
)
def test_a_row_moved_by_somebody_else_is_let_go_after_a_fetch(answer: bytes | BaseException, kind: type[e.Event]) -> None:
    """A stale record fails alone: the run goes on with the others and ends without a stop."""
    run = rig([rendered(), job(2)])
    run.client.on_fetch = lambda url: answer if "old-1" in url else None
    run.ledger.fails = lambda change: StaleJobError("moved") if change.job_id == 1 and isinstance(change.event, kind) else None

    assert run.run() is None

    assert [State.RENDERED, State.SAVED] == run.states()


# --- errors of our own ---


def _bug(marker: str) -> Callable[[str], None]:
    """Give what raises an error that nobody expects for the tasks or URLs that hold the marker."""

    def raises(asked: str) -> None:
        if marker in asked:
            raise KeyError(asked)

    return raises


@pytest.mark.parametrize("step", ["ask", "fetch"])
def test_an_error_of_ours_holds_its_job_after_two_more_tries_and_the_run_goes_on(step: str) -> None:
    """Three steps of the one job, then it is parked as it was recorded, with the reason; the others are saved."""
    run = rig([submitted() if step == "ask" else rendered(), *[job(number) for number in range(2, 5)]])
    run.client.on_ask = _bug("old-1") if step == "ask" else run.client.on_ask
    run.client.on_fetch = _bug("old-1") if step == "fetch" else run.client.on_fetch

    assert run.run() is None

    assert [State.SUBMITTED if step == "ask" else State.RENDERED, *[State.SAVED] * 3] == run.states()
    assert ("bug", 1) == (run.job().reason, run.progress.parked)
    assert 3 == len(run.log.called("job.bug"))
    assert 0 == run.places.total


def test_five_errors_of_ours_in_a_row_stop_the_run() -> None:
    """What meets every job is raised, after the first five steps."""
    run = rig([submitted(number) for number in range(1, 9)])
    run.client.on_ask = _bug("old-")

    with pytest.raises(KeyError):
        run.run()

    assert 4 == len(run.log.called("job.bug"))
    assert {State.SUBMITTED} == set(run.states())


# --- fetching ---


@pytest.mark.parametrize("reason", ["truncated", "empty", "html", "wrong_type", "undecodable"])
def test_spoiled_bytes_are_fetched_three_times_then_from_a_fresh_url(reason: str) -> None:
    """Three tries by the same URL with a back-off, a question for a fresh URL, then the image; never a second order."""
    run = rig([rendered()])
    run.shelf.on_finish = script(*[BadImageError("spoiled", reason=reason)] * 3)

    assert run.run() is None

    assert [
        "download_deferred",
        "download_deferred",
        "fresh_url_wanted",
        "render_finished",
        "images_staged",
        "images_saved",
    ] == run.events()
    assert {reason} == {change.event.reason for change in run.ledger.changes[:3]}
    assert [State.SAVED] == run.states()
    assert 0 == len(run.client.orders)
    assert 4 == len(run.client.fetched)


def test_a_download_that_fails_waits_before_the_next() -> None:
    """The wait is the manifest's back-off, and stands in the record."""
    run = rig([rendered()])
    run.client.on_fetch = script(DownloadError("reset"))

    run.run()

    first, second = _fetch_times(run)
    deferred = run.ledger.changes[0].event
    assert isinstance(deferred, e.DownloadDeferred)
    assert 2.5 <= second - first <= 5.5
    assert START + timedelta(seconds=2.5) <= deferred.next_at <= START + timedelta(seconds=5.5)


def test_a_dead_url_is_replaced() -> None:
    """403, 404 or 410 leads to a question for a fresh URL at once, and that one is fetched."""
    run = rig([rendered()])
    run.client.on_fetch = script(DownloadError("410", expired=True))
    run.client.on_ask = script(r.Done(urls=("https://cdn.example/fresh.png",)))

    assert run.run() is None

    assert "https://cdn.example/fresh.png" == run.client.fetched[-1][1]
    assert [State.SAVED] == run.states()


def test_fresh_urls_are_asked_for_a_minute_apart_and_five_times() -> None:
    """A vendor that only gives dead URLs is asked five times, at least a minute apart; then the image is parked, not given up."""
    run = rig([rendered()])
    run.client.on_fetch = always(DownloadError("403", expired=True))

    assert run.run() is None

    questions = _ask_times(run)
    assert 5 == len(questions)
    assert all(later - earlier >= 60 for earlier, later in pairwise(questions))
    assert (State.RENDERED, 1) == (run.job().state, run.progress.parked)


def test_an_image_past_its_expiry_is_given_up_only_after_fresh_urls() -> None:
    """When five fresh URLs were dead too and the last one's time is over, the job has failed as expired."""
    run = rig([rendered()])
    run.engine.steps.dialect.result_ttl_s = -1.0
    run.client.on_fetch = always(DownloadError("404", expired=True))

    assert run.run() is None

    assert (State.FAILED, "expired") == (run.job().state, run.job().reason)
    assert "expired, and what it cost is lost: 404" == run.ledger.changes[-1].event.detail
    assert 5 == len(run.client.asked)


def test_bytes_that_are_never_an_image_end_the_job() -> None:
    """Three tries from each of six URLs, then the job has failed with a bad image: paid, nothing bought again."""
    run = rig([rendered()])
    run.shelf.on_finish = always(BadImageError("html", reason="html"))

    assert run.run() is None

    assert (State.FAILED, "bad_image") == (run.job().state, run.job().reason)
    assert 18 == len(run.client.fetched)
    assert 0 == len(run.client.orders)


def test_a_download_that_never_works_is_parked() -> None:
    """A network that stays broken does not end a paid image: it is parked for later runs, and this run ends."""
    run = rig([rendered()])
    run.client.on_fetch = always(DownloadError("timeout"))

    assert run.run() is None

    assert (State.RENDERED, 1) == (run.job().state, run.progress.parked)

    run.client.on_fetch = always(None)
    run.again().run()

    assert State.SAVED is run.job().state


@pytest.mark.parametrize("reason", ["too_big", "too_many_pixels"])
def test_an_image_beyond_the_caps_is_given_up(reason: str) -> None:
    """Fetching again would give the same: the job has failed with a bad image after one download."""
    run = rig([rendered()])
    run.shelf.on_finish = always(BadImageError("enormous", reason=reason))

    assert run.run() is None

    assert (State.FAILED, "bad_image") == (run.job().state, run.job().reason)
    assert 1 == len(run.client.fetched)


def test_a_forbidden_address_is_parked_without_another_try() -> None:
    """A URL that our own guard refuses is held, and the run ends."""
    run = rig([rendered()])
    run.client.on_fetch = always(DownloadError("private address", forbidden=True))

    assert run.run() is None

    assert (State.RENDERED, "forbidden_address") == (run.job().state, run.job().reason)
    assert (1, 1) == (len(run.client.fetched), run.progress.parked)


def test_a_taken_path_is_left_alone_and_the_image_published_beside_it() -> None:
    """Other bytes that appear at the path while the image is on its way stay; the image is saved under another name."""
    run = rig([rendered()])

    def take(path: str) -> PathTakenError | None:
        if run.shelf.files.setdefault(path, b"somebody else's") == b"somebody else's":
            return PathTakenError(f"{path} holds something else")
        return None

    run.shelf.on_publish = lambda path: take(path) if "~" not in path else None

    assert run.run() is None

    assert [State.SAVED] == run.states()
    assert 2 == len(run.shelf.files)
    assert b"somebody else's" in run.shelf.files.values()


def test_a_path_that_is_always_taken_does_not_hold_the_run_for_ever() -> None:
    """When every name turns out to be taken, the image is tried a few times and the run ends with it rendered."""
    run = rig([rendered()])
    run.shelf.on_publish = always(PathTakenError("taken"))

    stop = run.run(later={_HOUR_S: run.interrupt})

    assert stop is None or stop.reason != "interrupted"
    assert run.states() in ([State.RENDERED], [State.SUBMITTED])
    assert len(run.client.fetched) <= 20


def test_staged_files_whose_path_is_taken_are_fetched_again() -> None:
    """A taken path found while finishing what a dead run had staged leads to a fresh fetch, not to a stop."""
    run = rig([rendered(staged=(image("a.png"),))])
    run.shelf.on_publish = script(PathTakenError("taken"))

    assert run.run() is None

    assert [State.SAVED] == run.states()


def test_downloads_outrank_questions_and_orders() -> None:
    """When more is due than may be under way, every fetch is begun before the last question, and every question before the first order."""
    old = [*[submitted(number) for number in range(1, 41)], *[rendered(number) for number in range(41, 81)]]
    run = rig([*old, job(81)], limits=limits(pace=Pace(in_flight=100)))
    run.client.ready_at |= {f"old-{number}": 1000.0 for number in range(1, 41)}

    run.run()

    begun = [note for note in run.trace[: run.trace.index("ordered")] if note in {"fetched", "asked"}]
    assert ["fetched"] * 24 == begun[:24]
    assert (40, 40) == (begun.count("fetched"), begun.count("asked"))


def test_losing_a_download_race_never_loses_a_place() -> None:
    """After a run with every kind of trouble no place is held."""
    run = rig(jobs(40))
    run.client.on_order = script(
        r.Throttled(message="", retry_after_s=1), OutcomeUnknownError("x"), r.Rejected(reason="refused", message="")
    )
    run.client.on_ask = script(r.Trouble(message=""), r.Ended(reason="remote", message=""), r.Done(urls=()), r.NotFound(message=""))
    run.client.on_fetch = script(DownloadError("gone", expired=True), DownloadError("reset"))

    assert run.run() is None

    assert 0 == run.places.total
    assert {0} == set(run.places.in_flight.values())
    assert {State.SAVED: 37, State.FAILED: 2, State.AMBIGUOUS: 1} == Counter(run.states())
