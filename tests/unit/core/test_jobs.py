"""Values, and following a job through what was recorded."""

import dataclasses
from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core.events import fields_of
from batchgen.core.jobs import Recorded, follow
from batchgen.core.machine import EVENTS, TABLE
from batchgen.core.states import State
from tests.support.builders import event, image, job, rendered
from tests.support.fake_clock import START


@pytest.mark.parametrize(("before", "kind"), TABLE, ids=lambda value: getattr(value, "__name__", str(value)))
def test_follow_takes_state_version_and_attempt_from_the_database(before: State, kind: type[e.Event]) -> None:
    """Whatever the event, the job is what the database says, and the reason is the event's; a mere remark leaves the reason alone."""
    recorded = Recorded(state=TABLE[before, kind], version=8, attempt_id=3)

    after = follow(job(state=before, version=7, reason="old"), event(kind), recorded, at=START)

    assert (recorded.state, 8, 3) == (after.state, after.version, after.attempt_id)
    expected = "old" if kind is e.DriftSeen else "because" if issubclass(kind, e.Explained) else ""
    assert expected == after.reason


def test_follow_notes_the_task_of_an_accepted_order() -> None:
    """The task id and the time of the answer are the job's; earlier unsent tries no longer count."""
    recorded = Recorded(state=State.SUBMITTED, version=2, attempt_id=1)

    after = follow(job(state=State.SUBMITTING, not_sent=3), event(e.SubmitAccepted, task_id="t9"), recorded, at=START)

    assert ("t9", START, 0) == (after.task_id, after.submitted_at, after.not_sent)


def test_follow_notes_urls_and_staged_files() -> None:
    """URLs come with the finished render, files with their staging."""
    expires_at = START + timedelta(hours=1)
    recorded = Recorded(state=State.RENDERED, version=3, attempt_id=1)

    after = follow(job(state=State.SUBMITTED), event(e.RenderFinished, urls=("u",), expires_at=expires_at), recorded, at=START)
    staged = follow(after, event(e.ImagesStaged, images=(image("x.png"),)), recorded, at=START)

    assert (("u",), expires_at, ()) == (after.urls, after.expires_at, after.staged)
    assert (image("x.png"),) == staged.staged


def test_follow_forgets_a_dead_url_and_what_came_from_it() -> None:
    """When a fresh URL is wanted, the old one and its staged bytes are void."""
    recorded = Recorded(state=State.SUBMITTED, version=4, attempt_id=1)

    after = follow(rendered(staged=(image(),)), event(e.FreshUrlWanted), recorded, at=START)

    assert ((), None, (), "old-1") == (after.urls, after.expires_at, after.staged, after.task_id)


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS.keys())
def test_events_are_frozen_and_give_their_fields(kind: type[e.Event]) -> None:
    """A fact cannot be altered, and its fields can be stored by name."""
    fact = event(kind)

    assert {field.name for field in dataclasses.fields(fact)} == set(fields_of(fact))
    assert fact == kind(**fields_of(fact))
    for name in fields_of(fact):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(fact, name, None)


def test_an_events_word_follows_from_its_class() -> None:
    """Log names and stored names are the class's name in snake case."""
    assert ["submit_accepted", "fresh_url_wanted"] == [e.SubmitAccepted.word(), e.FreshUrlWanted.word()]


def test_a_remark_leaves_the_job_as_it_is() -> None:
    """Whatever an answer held that nobody has heard of: all but the version stays."""
    before = rendered(staged=(image(),), reason="old", next_at=START, not_sent=2)
    recorded = Recorded(state=State.RENDERED, version=9, attempt_id=before.attempt_id)

    after = follow(before, event(e.DriftSeen), recorded, at=START + timedelta(hours=1))

    assert dataclasses.replace(before, version=9) == after


@pytest.mark.parametrize(
    ("task_id", "attempt_id", "is_answered"),
    [("sync-100001", 100001, True), (None, 100001, False), ("img_1", 100001, False), ("sync-7", 100001, False), ("sync-", None, False)],
)
def test_only_an_id_of_our_own_says_that_the_answer_was_the_result(task_id: str | None, attempt_id: int | None, is_answered: bool) -> None:
    """A vendor that happens to begin its ids like ours is still asked after its task."""
    assert is_answered == job(task_id=task_id, attempt_id=attempt_id).is_answered


@pytest.mark.parametrize(
    ("urls", "is_inline"),
    [
        ((), False),
        (("https://cdn.example/a.png",), False),
        (("HTTPS://cdn.example/a.png",), False),
        (("data:image/png;base64,aaaa",), True),
        (("part:4-8",), True),
    ],
)
def test_bytes_that_came_with_the_answer_are_told_from_addresses(urls: tuple[str, ...], is_inline: bool) -> None:
    """Whatever the case of the scheme, an address is fetched and nothing else."""
    assert is_inline == job(urls=urls).is_inline
