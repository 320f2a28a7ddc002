"""What a notice says."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from batchgen.app.reports import Report
from batchgen.app.telling.message import ending, sentence
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.planning.manifest import Event
from tests.support.fake_clock import START
from tests.support.snapshots import message, snapshot


def _sentence(event: Event, **changes: Any) -> str:
    return sentence(event, snapshot(**changes), at=START, batch="night", command="batchgen")


@pytest.mark.parametrize("event", get_args(Event))
def test_every_event_has_a_sentence_that_names_the_batch(event: Event) -> None:
    """A phone shows one line and nothing else."""
    told = _sentence(event)

    assert told.startswith("night: ")
    assert "\n" not in told


def test_a_stall_says_since_when_and_what_is_waited_for() -> None:
    """Quarter of an hour without an image, and why."""
    told = _sentence("stalled", last_saved_at=START - timedelta(minutes=16), pause="rate limited; orders again in 30 s")

    assert "night: nothing saved for 16 min; 2 in flight, oldest task 2 min, rate limited; orders again in 30 s" == told
    assert "night: nothing saved yet; 2 in flight, oldest task 2 min" == _sentence("stalled")


def test_lost_answers_come_with_the_command_that_lists_them() -> None:
    """What to type stands at the end of the line."""
    assert "1 order whose answer was lost needs a decision: batchgen jobs night" in _sentence("ambiguous", ambiguous=1)
    assert "2 orders whose answer was lost need a decision: batchgen jobs night" in _sentence("ambiguous", ambiguous=2)


def test_a_budget_is_told_with_its_figures() -> None:
    """What is spent, and of what."""
    assert "night: spent 0.3 coin of the budget of 0.35 coin" == _sentence("budget", cap=Micros(350_000))


def test_an_end_says_why_on_one_line() -> None:
    """The summary, and the reason where there is one."""
    report = Report(
        batch="night", exit_code=6, reason="balance", message="the balance is used up", totals={State.SAVED: 3}, needs_decision=0,
        saved=3, unrecorded=(), missing=0, money="spent 1 coin", command="batchgen",
    )  # fmt: skip

    assert "night: 3 saved; 3 saved now; spent 1 coin; stopped: the balance is used up" == ending(report)
    assert "night: 3 saved; 3 saved now; spent 1 coin" == ending(replace(report, message=""))


def test_the_document_is_what_the_contract_says() -> None:
    """Counts by state, money as decimal text with its unit, the instant in UTC, null for what is not known."""
    document = json.loads(replace(message("halted"), reason="balance", exit_code=6).document())

    assert {
        "schema": "batchgen.notify/1",
        "batch": "night",
        "event": "halted",
        "summary": "night: 3 saved",
        "at": "2026-11-22T22:00:00.000000Z",
        "counts": dict.fromkeys(State, 0) | {"planned": 5, "submitted": 2, "saved": 3},
        "money": {"spent": "0.3", "cap": None, "unit": "coin"},
        "reason": "balance",
        "exit_code": 6,
        "figures": None,
    } == document
    unknown = json.loads(replace(message(), seen=None, totals={}).document())
    assert (None, None) == (unknown["counts"], unknown["money"])
