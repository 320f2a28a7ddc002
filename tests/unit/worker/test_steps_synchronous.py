"""Orders whose answer is the result: what is kept on disk, what a crash leaves, and that nothing is bought twice."""

import copy
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

import pytest

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import BadImageError, BatchgenError, DownloadError, FileError, NotSentError, OutcomeUnknownError, StopRunError
from batchgen.core.jobs import Job
from batchgen.core.limits import Pace
from batchgen.core.states import Outcome, State
from tests.support.builders import Rig, answered, generate, job, jobs, limits, rendered, rig, submitted
from tests.support.fake_client import IMAGE, always, script
from tests.support.fake_clock import START
from tests.support.fake_ledger import FakeLedger
from tests.support.fake_shelf import FakeAnswer, FakeDraft, FakeShelf, answer_of

_OPEN = {"state": State.SUBMITTING, "version": 1, "attempts": 1, "attempt_id": 1}
"""What a run that died while an order was out leaves of its row."""


class _RefusingShelf(FakeShelf):
    """A folder in which no answer can be opened."""

    def answer(self, job: Job) -> FakeAnswer:
        raise FileError(f"no space for {job.key}")


# --- what came back ---


def test_an_answered_job_is_written_in_the_order_of_the_contract() -> None:
    """Intent, POST, answer on disk, its acceptance, its reading, staged bytes, publication, saved; the vendor is asked nothing."""
    run = rig([generate()], ledger=FakeLedger(commit_s=0.05))

    assert run.run() is None

    assert [
        "recorded submit_started",
        "ordered",
        "recorded submit_accepted",
        "recorded render_finished",
        "recorded images_staged",
        "published",
        "recorded images_saved",
    ] == list(dict.fromkeys(run.trace))
    assert [IMAGE] == list(run.shelf.files.values())
    assert ({}, {}) == (run.shelf.answers, run.shelf.temps)


def test_an_answered_job_has_a_task_id_of_our_own_and_places_instead_of_bytes() -> None:
    """The attempt's number names the task, and the record of the result says where in the answer it stands."""
    run = rig([generate()])

    run.run()

    rendered_event = run.ledger.changes[2].event
    assert isinstance(rendered_event, e.RenderFinished)
    assert f"sync-{run.ledger.attempts[0].id}" == run.job().task_id
    assert rendered_event.urls[0].startswith("part:")
    assert (60_000, 60_000) == (run.ledger.attempts[0].cost, run.prices.of(generate()))


def test_an_answer_that_names_a_url_is_fetched_from_there() -> None:
    """The URL in the answer leads to an ordinary download, and the answer is dropped once the image is saved."""
    run = rig([generate()])
    run.client.on_answer = always("url")

    assert run.run() is None

    assert ["https://cdn.example/sync.png"] == [url for _, url in run.client.fetched]
    assert ([State.SAVED], {}, []) == (run.states(), run.shelf.answers, run.client.asked)


def test_short_bytes_that_stand_in_the_answer_are_saved() -> None:
    """A data URL is decoded, not fetched."""
    run = rig([generate()])
    run.client.on_answer = always("data")

    assert run.run() is None

    assert ([b"image"], []) == (list(run.shelf.files.values()), run.client.fetched)


def test_an_answer_that_cannot_be_read_stays_on_disk() -> None:
    """It may hold a paid image: the order is ambiguous, the bytes are left for a person to look at, nothing is ordered again."""
    run = rig([generate()])
    run.client.on_answer = always("unreadable")

    assert run.run() is None
    assert run.again().run() is None

    assert ([State.AMBIGUOUS], "unreadable", 1) == (run.states(), run.job().reason, len(run.client.orders))
    assert [answer_of(run.job())] == list(run.shelf.answers)


def test_an_answer_that_is_a_refusal_is_not_kept() -> None:
    """What the vendor clearly did nothing for leaves no file behind."""
    run = rig([generate()])
    run.client.on_answer = always("refused")

    assert run.run() is None

    assert ([State.FAILED], "refused", {}) == (run.states(), run.job().reason, run.shelf.answers)


def test_an_answer_that_is_cut_is_never_followed_by_a_second_order() -> None:
    """Half an answer is no answer: ambiguous, booked, held by this run and the next."""
    run = rig([generate()])
    run.client.on_answer = always(OutcomeUnknownError("reset"))

    assert run.run() is None
    assert run.again().run() is None

    assert ([State.AMBIGUOUS], "no_answer", 1) == (run.states(), run.job().reason, len(run.client.orders))
    assert ({}, Outcome.AMBIGUOUS) == (run.shelf.answers, run.ledger.attempts[0].outcome)


def test_an_order_that_was_not_sent_is_sent_later() -> None:
    """A place that was opened for an answer which never came is used again by the next order."""
    run = rig([generate()])
    run.client.on_answer = script(NotSentError("no route"))

    assert run.run() is None

    assert ["submit_started", "submit_not_sent", "submit_started", "submit_accepted"] == run.events()[:4]
    assert ([State.SAVED], {}) == (run.states(), run.shelf.answers)


def test_an_order_that_the_client_refuses_to_send_stops_the_run() -> None:
    """Nothing was sent: the row is planned again, no answer is left, exit 2."""
    run = rig([generate()])
    run.client.on_answer = always(StopRunError("certificate", exit_code=2, reason="config"))

    stop = run.run()

    assert stop is not None
    assert (2, "config", [State.PLANNED], {}) == (stop.exit_code, stop.reason, run.states(), run.shelf.answers)


# --- the disk ---


def test_a_disk_that_refuses_before_the_order_costs_nothing() -> None:
    """No place for the answer, no POST: the row is planned again and the run stops with 7."""
    run = rig([generate(1), generate(2)], limits=limits(pace=Pace(in_flight=1)), shelf=_RefusingShelf())

    stop = run.run()

    assert stop is not None
    assert (7, "storage", []) == (stop.exit_code, stop.reason, run.client.orders)
    assert ([State.PLANNED, State.PLANNED], 0) == (run.states(), run.places.total)
    assert {Outcome.NOT_SENT} == {attempt.outcome for attempt in run.ledger.attempts}


def test_a_disk_that_refuses_the_answer_leaves_the_order_in_doubt() -> None:
    """The answer came and found no place: ambiguous, the run stops with 7, the next one orders nothing again."""
    run = rig([generate()])
    run.shelf.on_answer = always(FileError("no space left"))

    stop = run.run()
    run.again().run()

    assert stop is not None
    assert (7, "storage", "no space left") == (stop.exit_code, stop.reason, stop.message)
    assert ([State.AMBIGUOUS], 1, 0) == (run.states(), len(run.client.orders), run.places.total)


def test_an_answer_that_is_too_big_is_in_doubt_and_no_trouble_with_the_disk() -> None:
    """One vendor's flood does not stop the run; its order is ambiguous, the others go on."""
    run = rig([generate(1), generate(2)], limits=limits(pace=Pace(in_flight=1)))
    run.shelf.on_answer = script(BadImageError("larger than allowed", reason="too_big"))

    assert run.run() is None

    assert ([State.AMBIGUOUS, State.SAVED], {}) == (run.states(), run.shelf.answers)


# --- reading what was kept ---


def test_a_kept_answer_that_is_gone_loses_the_image_and_not_the_run() -> None:
    """Somebody emptied the folder: the job has failed as lost, the other rows are saved, nothing is bought again."""
    run = rig([answered(1), job(2)])

    assert run.run() is None

    assert ([State.FAILED, State.SAVED], "lost") == (run.states(), run.job().reason)
    assert (1, 1) == (len(run.client.orders), run.progress.failed)


def test_a_kept_answer_without_a_result_ends_the_job() -> None:
    """A file that now says something else is no result, and no reason to order again."""
    run = rig([answered()])
    run.keep_answer(answered(), "refused")

    assert run.run() is None

    assert ([State.FAILED], "remote", []) == (run.states(), run.job().reason, run.client.orders)


@pytest.mark.parametrize("kept", [None, "url"])
def test_a_place_in_an_answer_that_is_not_there_any_more_is_looked_up_again(kept: str | None) -> None:
    """An answer that was removed or changed after its reading never stops the run: it is read anew and taken for what it is."""
    run = rig([rendered(task_id="sync-1", operation="generate", urls=("part:900000-900004",)), job(2)])
    if kept is not None:
        run.keep_answer(answered(), kept)

    assert run.run() is None

    state = State.FAILED if kept is None else State.SAVED
    assert [state, State.SAVED] == run.states()
    assert "fresh_url_wanted" == run.events()[0]


def test_a_disk_that_does_not_give_the_answer_stops_the_run_and_keeps_it() -> None:
    """Trouble while reading is trouble with the disk: exit 7, the job stays rendered, the next run saves it."""

    class Unreadable(FakeShelf):
        is_broken = True

        def unpack(self, job: Job, part: tuple[int, int], draft: FakeDraft) -> None:
            if self.is_broken:
                raise FileError("input/output error")
            super().unpack(job, part, draft)

    shelf = Unreadable()
    run = rig([generate()], shelf=shelf)

    stop = run.run()
    assert stop is not None
    assert (7, [State.RENDERED], 1) == (stop.exit_code, run.states(), len(shelf.answers))

    shelf.is_broken = False
    assert run.again().run() is None
    assert ([State.SAVED], 1) == (run.states(), len(run.client.orders))


def test_an_answer_that_the_disk_does_not_give_up_stops_the_run_and_is_dropped_by_the_next() -> None:
    """The image stands, and ``saved`` is recorded only once nothing is left beside it; nothing is ordered again."""

    class Sticky(FakeShelf):
        is_sticky = True

        def drop_answer(self, job: Job) -> None:
            if self.is_sticky:
                raise FileError(f"read-only, {job.key} stays")
            super().drop_answer(job)

    run = rig([generate()], shelf=(shelf := Sticky()))

    stop = run.run()

    assert stop is not None
    assert (7, [State.RENDERED], 1) == (stop.exit_code, run.states(), len(shelf.answers))
    shelf.is_sticky = False
    assert run.again().run() is None
    assert ([State.SAVED], 0, 1) == (run.states(), len(shelf.answers), len(run.client.orders))


def _spoil_the_folder(run: Rig) -> None:
    run.shelf.on_finish = always(BadImageError("cut", reason="truncated"))


def _answer_no_base64(run: Rig) -> None:
    run.client.on_answer = always("no_base64")


@pytest.mark.parametrize("spoil", [_spoil_the_folder, _answer_no_base64])
def test_inline_bytes_that_are_no_image_end_the_job_at_once(spoil: Any) -> None:
    """Reading the same bytes again would give the same: failed, one try, and the answer stays for a person to look at."""
    run = rig([generate()])
    spoil(run)

    assert run.run() is None

    assert ([State.FAILED], "bad_image", 1) == (run.states(), run.job().reason, len(run.client.orders))
    assert ["render_finished", "download_failed"] == run.events()[2:]
    assert [answer_of(run.job())] == list(run.shelf.answers)
    assert {} == run.shelf.temps


def test_bytes_that_cannot_be_unpacked_end_the_job_at_once() -> None:
    """What the folder finds while decoding counts like a bad image."""

    class Garbled(FakeShelf):
        def unpack(self, job: Job, part: tuple[int, int], draft: FakeDraft) -> None:  # noqa: ARG002 - the port's signature
            raise BadImageError("two alphabets", reason="not_base64")

    run = rig([generate()], shelf=Garbled())

    assert run.run() is None

    assert ([State.FAILED], "bad_image", 1) == (run.states(), run.job().reason, len(run.shelf.answers))


def test_a_dead_url_of_an_answer_is_read_again_and_finally_given_up() -> None:
    """The disk can only give the same URL: five readings, then it waits parked; once its time is over the job has failed as expired."""
    run = rig([generate()])
    run.client.on_answer = always("url")
    run.client.on_fetch = always(DownloadError("403", expired=True))

    assert run.run() is None
    assert ([State.RENDERED], 1, 6) == (run.states(), run.progress.parked, len(run.client.fetched))
    assert 5 == run.events().count("fresh_url_wanted")

    run.clock.turn(timedelta(days=2).total_seconds())
    assert run.again().run() is None
    assert ([State.FAILED], "expired", 12) == (run.states(), run.job().reason, len(run.client.fetched))
    assert ([], 1) == (run.client.asked, len(run.client.orders))


def test_reading_an_answer_again_does_not_make_its_url_younger() -> None:
    """A URL lives from the answer on, however often and by whichever run the answer is read."""
    run = rig([answered(at=START - timedelta(hours=3))])
    run.keep_answer(answered(), "url")

    run.run()

    event = run.ledger.changes[0].event
    assert isinstance(event, e.RenderFinished)
    assert START - timedelta(hours=3) + timedelta(days=1) == event.expires_at


def test_wrong_bytes_behind_an_answers_url_are_finally_given_up() -> None:
    """Three tries by the URL of each of six readings, then the job has failed with a bad image: nothing is bought again."""
    run = rig([generate()])
    run.client.on_answer = always("url")
    run.shelf.on_finish = always(BadImageError("html", reason="html"))

    assert run.run() is None

    assert ([State.FAILED], "bad_image", 18) == (run.states(), run.job().reason, len(run.client.fetched))
    assert 1 == len(run.client.orders)


# --- places, durations, stops ---


def test_an_answered_order_holds_no_place() -> None:
    """With one order allowed in flight the next goes out as soon as the answer has come, though the disk still works on the first."""
    run = rig([generate(number) for number in range(1, 5)], limits=limits(pace=Pace(in_flight=1)))
    run.client.on_answer = always("url")
    run.client.fetch_s = 500.0

    assert run.run() is None

    assert (1, 0) == (run.client.peak_alive(), run.places.total)
    assert run.client.orders[-1].at < 10
    assert {State.SAVED} == set(run.states())


def test_a_kept_answer_of_an_earlier_run_holds_no_place() -> None:
    """Ten answers that a slow disk takes minutes to give do not keep the one order that is allowed in flight from going out."""
    run = rig([*[answered(number) for number in range(1, 11)], job(11)], limits=limits(pace=Pace(in_flight=1)))
    for number in range(1, 11):
        run.keep_answer(answered(number), "url")
    run.threads.work_s = 100.0

    run.run()

    assert run.client.orders[0].at < 1
    assert {State.SAVED} == set(run.states())


def test_answered_orders_teach_no_duration() -> None:
    """An answer that is read at once says nothing about how long tasks of the same shape take."""
    run = rig([generate(1), job(2)], limits=limits(pace=Pace(in_flight=1)))
    run.client.render_s = 100.0

    run.run()

    assert run.client.asked[0][0] - run.client.orders[1].answered_at > 0.9


def test_reading_an_answer_does_not_quiet_the_throttling_of_questions() -> None:
    """Only the vendor's own answers end the growth of the wait between questions."""
    run = rig([submitted(1), generate(2)])
    run.client.order_s = 4.9
    run.client.on_ask = script(r.Throttled(message="slow"), r.Throttled(message="slow"))

    run.run()

    first, second, third = (at for at, _ in run.client.asked[:3])
    assert third - second > 1.5 * (second - first)


def test_a_rejected_key_does_not_keep_kept_answers_from_being_saved() -> None:
    """No question may go out any more; what lies on disk is read and saved all the same, the task waits for a key that works."""
    run = rig([submitted(1), answered(2), answered(3), job(4)])
    run.keep_answer(answered(2), "inline")
    run.keep_answer(answered(3), "url")
    run.client.ready_at["old-1"] = 10_000.0
    run.engine.bearing.vendor_stopped("auth", "key")

    stop = run.run()

    assert stop is not None
    assert (4, "auth") == (stop.exit_code, stop.reason)
    assert [State.SUBMITTED, State.SAVED, State.SAVED, State.PLANNED] == run.states()
    assert ([], []) == (run.client.asked, run.client.orders)


def test_a_rejected_key_does_not_end_a_run_that_will_read_an_answer_again() -> None:
    """An answer whose URL is to be tried again in a minute is waited for: the vendor's key is not needed for it."""
    run = rig([answered()])
    run.keep_answer(answered(), "url")
    run.client.on_fetch = script(*[DownloadError("404", expired=True)] * 2)
    run.engine.bearing.vendor_stopped("auth", "key")

    stop = run.run()

    assert stop is not None
    assert (4, [State.SAVED], 3) == (stop.exit_code, run.states(), len(run.client.fetched))
    assert run.clock.seconds >= 60


def test_a_key_that_is_rejected_later_does_not_stop_an_answer_under_way() -> None:
    """The answer to an order that was out when the key was rejected is saved in the same run."""
    run = rig([generate(1), submitted(2)])
    run.client.order_s = 30.0
    run.client.ready_at["old-2"] = 1000.0
    run.client.on_ask = lambda _: r.Stopped(kind="auth", message="key") if run.clock.seconds > 5 else None

    stop = run.run()

    assert stop is not None
    assert (4, [State.SAVED, State.SUBMITTED]) == (stop.exit_code, run.states())


def test_a_drained_run_leaves_the_answer_for_the_next() -> None:
    """At the first signal the answer under way is waited for and recorded; the next run reads it from disk."""
    run = rig([generate()])
    run.client.order_s = 20.0

    stop = run.run(later={5.0: run.interrupt})
    assert stop is not None
    assert (130, [State.SUBMITTED], 1) == (stop.exit_code, run.states(), len(run.shelf.answers))

    assert run.again().run() is None
    assert ([State.SAVED], 1, []) == (run.states(), len(run.client.orders), run.client.asked)


# --- what a dead run left ---


@pytest.mark.parametrize("word", ["inline", "url", "data"])
def test_an_open_order_with_its_answer_is_settled_as_if_it_had_just_come(word: str) -> None:
    """The start after a crash accepts the order by recovery and saves the image; the vendor is not asked, nothing is ordered."""
    left = generate(**_OPEN)
    run = rig([left])
    run.keep_answer(left, word)

    assert run.run() is None

    assert ["submit_accepted", "render_finished", "images_staged", "images_saved"] == run.events()
    assert ("recovery", "runner") == (run.ledger.changes[0].actor, run.ledger.changes[1].actor)
    assert ([State.SAVED], [], [], {}) == (run.states(), run.client.orders, run.client.asked, run.shelf.answers)
    assert 0 == run.places.total


def test_an_open_order_without_an_answer_is_ambiguous() -> None:
    """No whole answer, no certainty: held, counted, never sent again."""
    run = rig([generate(**_OPEN)])

    assert run.run() is None

    assert ([State.AMBIGUOUS], "interrupted", 1) == (run.states(), run.job().reason, run.progress.ambiguous)
    assert [] == run.client.orders


def test_an_open_order_whose_answer_is_unreadable_is_ambiguous_and_keeps_it() -> None:
    """What nobody can read is left in doubt and on disk."""
    left = generate(**_OPEN)
    run = rig([left])
    run.keep_answer(left, "unreadable")

    assert run.run() is None

    assert ([State.AMBIGUOUS], "unreadable", 1) == (run.states(), run.job().reason, len(run.shelf.answers))


def test_an_open_order_that_was_refused_has_failed() -> None:
    """A refusal that the dead run had received ends the job: counted, its answer dropped, and nobody asks after a task without id."""
    left = generate(**_OPEN)
    run = rig([left])
    run.keep_answer(left, "refused")

    assert run.run() is None

    assert ([State.FAILED], "refused", 1) == (run.states(), run.job().reason, run.progress.failed)
    assert ({}, [], []) == (run.shelf.answers, run.client.asked, run.client.orders)


def test_an_open_order_that_was_throttled_is_ordered_again() -> None:
    """The vendor provably did nothing: the row is planned again, and this run delivers it."""
    left = generate(**_OPEN)
    run = rig([left])
    run.keep_answer(left, "throttled")

    assert run.run() is None

    assert ["submit_refused", "submit_started", "submit_accepted"] == run.events()[:3]
    assert ([State.SAVED], 1, []) == (run.states(), len(run.client.orders), run.client.asked)


# --- cut anywhere ---


@dataclass(slots=True)
class _Snapshot:
    """What is on disk at an instant: the table's rows and the folder's files."""

    ledger: dict[str, Any]
    shelf: dict[str, Any]

    @classmethod
    def of(cls, run: Rig) -> "_Snapshot":
        """Take everything durable."""
        ledger = {name: copy.copy(getattr(run.ledger, name)) for name in ("rows", "task_ids", "changes", "uploads")}
        ledger["by_id"] = {number: replace(attempt) for number, attempt in run.ledger.by_id.items()}
        return cls(ledger, {name: dict(getattr(run.shelf, name)) for name in ("answers", "files", "temps")})

    def restore(self, run: Rig) -> None:
        """Put the table and the folder back to it, as a machine that lost its power would find them."""
        assert {*self.ledger, *self.shelf} <= {f.name for kind in (FakeLedger, FakeShelf) for f in fields(kind)}
        for part, kept in ((run.ledger, self.ledger), (run.shelf, self.shelf)):
            for name, value in kept.items():
                setattr(part, name, value)
        run.ledger._queue.clear()


def _cut_run(word: str | BatchgenError | None, *, at: float) -> tuple[Rig, _Snapshot | None]:
    """Run one synchronous job of which every await takes 10 ms, and cut it at an instant; no snapshot when it was through before."""
    run = rig([generate()], ledger=FakeLedger(commit_s=0.01))
    run.threads.work_s, run.client.order_s, run.client.fetch_s = 0.01, 0.01, 0.01
    run.client.on_answer = always(word)
    taken: list[_Snapshot] = []

    def cut() -> None:
        taken.append(_Snapshot.of(run))
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        run.run(later={at: cut})
    return run, taken[0] if taken else None


def _instants() -> list[float]:
    return [0.0025 + 0.005 * number for number in range(34)]


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "cancelled"])
@pytest.mark.parametrize("word", ["inline", "url", "data"])
def test_a_synchronous_order_cut_anywhere_is_saved_or_in_doubt_and_never_sent_twice(word: str, is_killed: bool) -> None:
    """Cut at every await and resumed on the same table and folder: one POST in all; saved if its answer was kept, else ambiguous."""
    seen = set()
    for at in _instants():
        run, snapshot = _cut_run(word, at=at)
        if snapshot is not None and is_killed:
            snapshot.restore(run)
        run.ledger.drain()
        run.ledger.commit_s = 0.0
        state, had_answer, had_orders = run.job().state, bool(run.shelf.answers), len(run.client.orders)

        after = run.again()
        assert after.run() is None

        seen.add((state, had_answer))
        is_lost = state is State.SUBMITTING and not had_answer
        assert ([State.AMBIGUOUS] if is_lost else [State.SAVED]) == after.states(), at
        assert (1 if had_orders or not is_lost else 0) == len(run.client.orders), at
        assert ({}, 0) == (run.shelf.temps, after.places.total), at
        assert {} == run.shelf.answers, at
    always_seen = {(State.SUBMITTING, False), (State.SUBMITTED, True), (State.RENDERED, True)}
    assert seen >= always_seen | ({(State.SUBMITTING, True)} if is_killed else set())


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "cancelled"])
@pytest.mark.parametrize("word", ["refused", "unreadable", OutcomeUnknownError("reset")], ids=str)
def test_a_synchronous_order_without_a_result_cut_anywhere_is_never_sent_twice(word: str | BatchgenError, is_killed: bool) -> None:
    """Whatever the answer and wherever the cut, the job ends or waits for a decision; only what was refused is sent again, once."""
    for at in _instants():
        run, snapshot = _cut_run(word, at=at)
        if snapshot is not None and is_killed:
            snapshot.restore(run)
        run.ledger.drain()
        run.ledger.commit_s = 0.0

        after = run.again()
        assert after.run() is None

        ends = {State.FAILED, State.AMBIGUOUS} if word == "refused" else {State.AMBIGUOUS}
        assert set(after.states()) <= ends, at
        assert len(run.client.orders) <= (2 if word == "refused" else 1), at


def test_many_synchronous_orders_cut_anywhere_resume_to_the_same_end() -> None:
    """Cut at each tenth of a second of a small mixed run and resumed, every row is saved or ambiguous, and no row ordered twice."""
    for tenth in range(1, 30):
        rows = [*[generate(number) for number in (1, 2, 3)], *jobs(6)[3:]]
        run = rig(rows, limits=limits(pace=Pace(in_flight=2)))
        run.client.render_s = 0.3

        with suppress(KeyboardInterrupt):
            run.run(later={tenth / 10: _cut})
        after = run.again()

        assert after.run() is None
        assert set(after.states()) <= {State.SAVED, State.AMBIGUOUS}
        assert 6 == len({order.key for order in run.client.orders}) == len(run.client.orders)


def _cut() -> None:
    raise KeyboardInterrupt
