"""Which events of a run under way are told, and how often."""

from collections.abc import Sequence
from typing import Any

import pytest

from batchgen.app.reports import Snapshot
from batchgen.app.telling.alarms import Alarms
from batchgen.core.money import Micros
from tests.support.snapshots import snapshot

MINUTE = 60.0


def _told(views: Sequence[tuple[float, dict[str, Any]]], **found: Any) -> list[tuple[float, str]]:
    """Show snapshots at so many seconds after the start of a run that found ``found``; give the events with their times."""
    alarms = Alarms.since(snapshot(**found), 0.0, stalled_after_s=15 * MINUTE)
    return [(at, event) for at, changes in views for event in alarms.due(_view(changes), at)]


def _view(changes: dict[str, Any]) -> Snapshot:
    return snapshot(**changes)


def test_a_stall_is_told_once_until_an_image_comes() -> None:
    """Nothing saved for fifteen minutes with tasks alive is one event; it is another one fifteen minutes after the next image."""
    quiet = [(minute * MINUTE, {"saved": 0}) for minute in range(40)]
    after = [(minute * MINUTE, {"saved": 1}) for minute in range(40, 80)]

    assert [(15 * MINUTE, "stalled"), (55 * MINUTE, "stalled")] == _told([*quiet, *after])


def test_images_that_come_now_and_then_are_no_stall() -> None:
    """What counts is the time since the last one."""
    assert [] == _told([(minute * MINUTE, {"saved": minute // 14}) for minute in range(100)])


@pytest.mark.parametrize(("in_flight", "pause", "is_told"), [(0, "", False), (0, "rate limited", True), (1, "", True)])
def test_a_stall_needs_something_to_wait_for(in_flight: int, pause: str, *, is_told: bool) -> None:
    """Tasks alive or orders that pause; rows that wait out their back-off are no stall."""
    told = _told([(16 * MINUTE, {"in_flight": in_flight, "pause": pause})])

    assert ([(16 * MINUTE, "stalled")] if is_told else []) == told


def test_lost_answers_are_told_at_once_and_then_in_bundles() -> None:
    """The first is an event, those of the next ten minutes are one together, and what stays as it is is none."""
    views = [(0.0, 0), (5.0, 1), (10.0, 2), (300.0, 4), (600.0, 4), (605.0, 4), (2000.0, 4)]

    told = _told([(at, {"ambiguous": number, "saved": int(at)}) for at, number in views])

    assert [(5.0, "ambiguous"), (605.0, "ambiguous")] == told


def test_what_was_ambiguous_before_the_run_is_no_news() -> None:
    """Its orders were told of by the run that lost the answers; one more is."""
    told = _told([(5.0, {"ambiguous": 3}), (10.0, {"ambiguous": 4})], ambiguous=3)

    assert [(10.0, "ambiguous")] == told


def test_a_decision_makes_room_for_news() -> None:
    """As many ambiguous orders as before are news when one of them was settled in between."""
    told = _told([(1000.0, {"ambiguous": 1, "saved": 1}), (1005.0, {"ambiguous": 2, "saved": 2})], ambiguous=2)

    assert [(1005.0, "ambiguous")] == told


def test_a_budget_is_told_once_from_four_fifths_on() -> None:
    """Exactly 80 % count, less does not, and what comes after is known already."""
    cap = Micros(1_000_001)
    views = [(0.0, None), (5.0, 800_000), (10.0, 800_001), (15.0, 999_999)]

    assert [(10.0, "budget")] == _told([(at, {"spent": spent, "cap": cap}) for at, spent in views])


def test_a_budget_that_was_nearly_spent_before_the_run_is_told() -> None:
    """The run that reached it may have died before it could tell."""
    nearly = {"spent": Micros(90), "cap": Micros(100)}

    assert [(0.0, "budget")] == _told([(0.0, nearly), (5.0, nearly)], **nearly)


@pytest.mark.parametrize("cap", [None, Micros(0)])
def test_no_budget_is_no_event(cap: Micros | None) -> None:
    """Nor is a budget of nothing, of which nothing can be spent."""
    assert [] == _told([(0.0, {"spent": Micros(90), "cap": cap})])
