"""What is recorded for each answer to an order."""

from datetime import timedelta

import pytest

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import FileError
from batchgen.core.money import Micros
from batchgen.worker.verdicts import Judge, Lost, NotSent, SubmitAnswer
from tests.support.builders import job, limits
from tests.support.fake_clock import START

_JUDGE = Judge(limits=limits())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (r.Accepted(task_id="t", cost=Micros(5)), e.SubmitAccepted(task_id="t", cost=Micros(5))),
        (r.Throttled(message="slow"), e.SubmitRefused(reason="throttled", detail="slow")),
        (r.Stopped(kind="balance", message="empty"), e.SubmitRefused(reason="balance", detail="empty")),
        (r.Stopped(kind="auth", message="who"), e.SubmitRefused(reason="auth", detail="who")),
        (r.Rejected(reason="moderated", message="no"), e.SubmitRejected(reason="moderated", detail="no")),
        (r.Rejected(reason="refused", message="bad"), e.SubmitRejected(reason="refused", detail="bad")),
        (r.Unreadable(message="<html>"), e.SubmitUnknown(reason="unreadable", detail="<html>")),
        (Lost(message="reset"), e.SubmitUnknown(reason="no_answer", detail="reset")),
    ],
)
def test_a_clear_answer_has_one_event(answer: SubmitAnswer, expected: e.Event) -> None:
    """What an answer means does not depend on the job's history."""
    assert expected == _JUDGE.submitted(answer, job(not_sent=3, unproven=1), now=START, chance=0.0)


@pytest.mark.parametrize(
    "answer", [r.Delivered(parts=(0,), cost=Micros(5)), r.Delivered(urls=("https://cdn.example/a.png",), cost=Micros(5))]
)
def test_a_delivered_order_is_accepted_under_the_number_of_its_attempt(answer: r.Delivered) -> None:
    """An answer that is the result has no task at the vendor: the id is our own, and no two orders have the same."""
    expected = e.SubmitAccepted(task_id="sync-100007", cost=Micros(5))

    assert expected == _JUDGE.submitted(answer, job(attempt_id=100_007), now=START, chance=0.0)


@pytest.mark.parametrize("answer", [Lost(message="full", error=FileError("full")), NotSent(message="full", error=FileError("full"))])
def test_a_disk_at_fault_changes_nothing_about_what_is_known_of_the_order(answer: Lost | NotSent) -> None:
    """Whoever was at fault: not sent is not sent, and lost is lost."""
    plain = type(answer)(message="full")

    assert _JUDGE.submitted(plain, job(), now=START, chance=0.0) == _JUDGE.submitted(answer, job(), now=START, chance=0.0)


@pytest.mark.parametrize(("answer", "reason"), [(NotSent(message="down"), "unreachable"), (r.Busy(message="later"), "busy")])
def test_an_order_that_was_not_carried_out_waits_longer_each_time(answer: SubmitAnswer, reason: str) -> None:
    """Tries back off by 5 s doubling; the last one that the manifest allows ends the job."""
    verdicts = [_JUDGE.submitted(answer, job(not_sent=tries), now=START, chance=0.999999) for tries in range(5)]

    assert [e.SubmitNotSent] * 4 + [e.SubmitUnreachable] == [type(verdict) for verdict in verdicts]
    assert {reason} == {verdict.reason for verdict in verdicts}
    assert [5, 10, 20, 40] == [round((verdict.next_at - START).total_seconds()) for verdict in verdicts[:4]]


def test_an_unproven_order_is_sent_again_twice_by_decision() -> None:
    """Two further orders are booked decisions, the third unproven answer ends the job."""
    answer = r.Unproven(message="-1")

    verdicts = [_JUDGE.submitted(answer, job(unproven=tries), now=START, chance=0.5) for tries in range(3)]

    assert [e.SubmitUnproven, e.SubmitUnproven, e.SubmitGivenUp] == [type(verdict) for verdict in verdicts]
    assert {"server"} == {verdict.reason for verdict in verdicts}
    assert verdicts[0].next_at > START + timedelta(seconds=2)


def test_one_attempt_means_one_attempt() -> None:
    """With ``retry: {attempts: 1}`` nothing is ordered a second time."""
    judge = Judge(limits=limits(attempts=1))

    assert isinstance(judge.submitted(NotSent(message=""), job(), now=START, chance=0), e.SubmitUnreachable)
    assert isinstance(judge.submitted(r.Unproven(message=""), job(), now=START, chance=0), e.SubmitGivenUp)
    assert not judge.may_regenerate(e.RenderFailed(reason="transient"), job())
    assert Judge(limits=limits(attempts=2)).may_regenerate(e.RenderFailed(reason="transient"), job())


@pytest.mark.parametrize(
    ("reason", "regenerated", "allowed"), [("transient", 0, True), ("transient", 1, False), ("remote", 0, False), ("moderated", 0, False)]
)
def test_only_a_passing_failure_may_be_bought_again_and_once(reason: str, regenerated: int, allowed: bool) -> None:
    """Moderation and unknown failures are never regenerated."""
    assert allowed == _JUDGE.may_regenerate(e.RenderFailed(reason=reason), job(regenerated=regenerated))
