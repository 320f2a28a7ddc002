"""What a batch and its latest run come to, told for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from batchgen.app.figures import Deeds, Figures
from batchgen.cli.output import columns_of
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.store.harvest import Harvest
from batchgen.store.queries import Doubts, Totals

SURE = Doubts(unpriced=0, unproven=0, unproven_micros=None)


def _totals(*, spent: int = 2_850_000, held: int = 30_000, **jobs: int) -> Totals:
    return Totals(states={state: jobs.get(state.value, 0) for state in State}, spent=spent, reserved=0, held=held, orders=96)


def _failed(reason: str, jobs: int, *, model: str = "painter") -> dict[str, Any]:
    return {"reason": reason, "jobs": jobs, "model": model, "example_key": f"{model}-{reason}-and-more"}


def _lost(at_risk: int | None = 30_000) -> dict[str, Any]:
    return {"key": "3fa2b1c0" * 4, "at_risk_micros": at_risk}


def _deeds(durations: Mapping[str, Sequence[float]], *, saved: int = 60, **changes: Any) -> Deeds:
    return Deeds(**{"ran_s": 292.0, "harvest": Harvest(saved=saved, durations=durations)} | changes)


def _figures(**changes: Any) -> Figures:
    usual: dict[str, Any] = {
        "batch": "夜班-狐狸",
        "unit": "coin",
        "command": "batchgen",
        "is_at_work": False,
        "totals": _totals(saved=95, failed=7, ambiguous=1, planned=2),
        "doubts": SURE,
        "failures": [_failed("moderated", 2), _failed("moderated", 1, model="brush"), _failed("refused", 1), _failed("remote", 3)],
        "ambiguous": [_lost()],
        "deeds": _deeds({"画家": [40.0, 42.0, 60.0], "brush": [1.0]}, throttled_s=125.0),
        "cap": Micros(40_000_000),
        "estimate": (2_700_000, 2_850_000),
    }
    return Figures(**usual | changes)


def test_a_morning_is_told_line_by_line_in_eighty_columns() -> None:
    """What needs a decision with its command first, then what was done, refused, failed, paid, and how fast."""
    told = _figures()
    lines = [*told.decision(), *told.lines()]

    assert [
        "  1 needs a decision: answers were lost; money at risk: 0.03 coin",
        "    batchgen jobs 夜班-狐狸 --state ambiguous, then resolve KEY",
        "  60 saved in the latest run, 35 before it; 12.3 images/min over 4 min 52 s",
        "  4 refused: 3 moderated, such as painter-",
        "             1 refused, such as painter-",
        "  3 failed: 3 remote, such as painter-",
        "  budget 40 coin, 7 % of it taken",
        "  estimated 2.7 coin for what told its cost, and cost 2.85 coin (+6 %)",
        "  tasks of brush: half took up to 1.0 s, 95 % up to 1.0 s",
        "  tasks of 画家: half took up to 42.0 s, 95 % up to 60.0 s",
        "  no orders for 2 min 05 s: the vendor was asked too often",
    ] == lines
    assert max(map(columns_of, lines)) <= 80


def test_what_is_not_known_has_no_line() -> None:
    """Before the first run there is nothing to say; of a run too long to count neither number nor rate nor durations are made up."""
    unknown: dict[str, Any] = {"failures": [], "ambiguous": [], "cap": None, "estimate": None}

    assert [] == [*_figures(**unknown, deeds=None).decision(), *_figures(**unknown, deeds=None).lines()]
    assert [] == list(_figures(**unknown, deeds=Deeds(ran_s=9.0, harvest=None)).lines())
    assert ["  0 saved in the latest run, 95 before it"] == list(_figures(**unknown, deeds=_deeds({}, saved=0)).lines())


def test_many_reasons_are_bundled() -> None:
    """Five have a line each, the rest share one."""
    lines = list(_figures(failures=[_failed(f"r{n}", 9 - n) for n in range(7)], deeds=None, cap=None, estimate=None).lines())

    assert (6, "  42 failed: 9 r0, such as painter-") == (len(lines), lines[0])
    assert "             7 for 2 other reasons" == lines[-1]


def test_money_at_risk_is_never_less_than_it_may_be() -> None:
    """An order without a price makes the sum a least one for people, and unknown for programs."""
    told = _figures(ambiguous=[_lost(), _lost(None)])

    assert "at least 0.03 coin (1 order without a price)" == told.at_risk
    assert told.as_object()["at_risk"] is None
    assert next(told.decision(is_loud=True)).startswith("  2 NEED A DECISION: ")


def test_programs_get_the_same_figures() -> None:
    """Refusals as a number, failures by reason, money as decimal text, durations over all models and by model."""
    assert {
        "done_before": 35,
        "done_in_run": 60,
        "refused": 4,
        "failed": {"remote": 3},
        "at_risk": "0.03",
        "cost": "2.85",
        "cap": "40",
        "estimate": "2.7",
        "estimate_cost": "2.85",
        "unit": "coin",
        "ran_s": 292.0,
        "per_minute": 12.33,
        "p50_s": 40.0,
        "p95_s": 60.0,
        "latency_by_model": {"brush": {"tasks": 1, "p50_s": 1.0, "p95_s": 1.0}, "画家": {"tasks": 3, "p50_s": 42.0, "p95_s": 60.0}},
        "throttled_s": 125.0,
        "next": "batchgen resume 夜班-狐狸",
    } == _figures().as_object()


def test_programs_get_null_for_what_is_not_known() -> None:
    """No cost where no order told one, no rate and no time before the first run."""
    doubts = Doubts(unpriced=2, unproven=0, unproven_micros=None)
    told = _figures(totals=_totals(spent=0, saved=2), doubts=doubts, deeds=None, cap=None, estimate=None).as_object()

    unknown = {name for name, value in told.items() if value is None}
    assert {"done_in_run", "cost", "cap", "estimate", "estimate_cost", "ran_s", "per_minute", "p50_s", "p95_s", "throttled_s"} == unknown
    assert 2 == told["done_before"]


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"is_at_work": True}, "batchgen status 夜班-狐狸 --watch"),
        ({}, "batchgen resume 夜班-狐狸"),
        ({"totals": _totals(saved=9, submitted=1)}, "batchgen resume 夜班-狐狸"),
        ({"totals": _totals(saved=9)}, "batchgen show 3fa2b1c0"),
        ({"totals": _totals(saved=9), "ambiguous": []}, "batchgen jobs 夜班-狐狸 --state failed"),
        ({"totals": _totals(saved=9), "ambiguous": [], "failures": []}, "batchgen verify 夜班-狐狸"),
        ({"totals": _totals(), "ambiguous": [], "failures": []}, None),
    ],
)
def test_the_next_command_is_the_most_urgent_one(changes: dict[str, Any], command: str | None) -> None:
    """Watch what works, go on with what is left, decide, look at failures, verify."""
    assert command == _figures(**changes).next
