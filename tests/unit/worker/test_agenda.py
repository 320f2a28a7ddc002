"""The agenda: fetches before questions, each no earlier than its time."""

from batchgen.worker.agenda import Agenda, Followed
from tests.support.builders import rendered, submitted


def test_fetches_come_before_questions() -> None:
    """Of two steps that are due, the fetch is taken first, though the question was due earlier."""
    agenda = Agenda()
    question, fetch = Followed(job=submitted(1), ordered_at=0), Followed(job=rendered(2), ordered_at=0)
    agenda.put(question, 1)
    agenda.put(fetch, 2)

    taken = [agenda.take(2, questions=True), agenda.take(2, questions=True), agenda.take(2, questions=True)]

    assert [fetch, question, None] == taken


def test_nothing_is_taken_before_its_time() -> None:
    """A step still ahead is neither ripe nor given, and its instant is known."""
    agenda = Agenda()
    agenda.put(Followed(job=rendered(), ordered_at=0), 5)

    assert agenda.take(4.9, questions=True) is None
    assert not agenda.has_ripe(4.9)
    assert 5 == agenda.next_at()
    assert agenda.has_ripe(5)
    assert agenda.next_at() is None


def test_questions_wait_where_they_are_while_none_may_be_asked() -> None:
    """A due question stays on the agenda and is given once asking is allowed."""
    agenda = Agenda()
    question = Followed(job=submitted(), ordered_at=0)
    agenda.put(question, 0)

    assert agenda.take(1, questions=False) is None
    assert [question] == list(agenda.followed())
    assert question is agenda.take(1, questions=True)


def test_steps_of_the_same_instant_keep_their_order() -> None:
    """What was put first is taken first."""
    agenda = Agenda()
    first, second = Followed(job=submitted(1), ordered_at=0), Followed(job=submitted(2), ordered_at=0)
    agenda.put(first, 3)
    agenda.put(second, 3)

    assert [first, second] == [agenda.take(3, questions=True), agenda.take(3, questions=True)]


def test_every_followed_job_is_listed() -> None:
    """Ripe or not, fetch or question, each job on the agenda is gone through once."""
    agenda = Agenda()
    for number, at in enumerate((0, 0, 9), start=1):
        agenda.put(Followed(job=rendered(number) if number == 1 else submitted(number), ordered_at=0), at)
    agenda.has_ripe(1)

    assert [1, 2, 3] == sorted(followed.job.id for followed in agenda.followed())
