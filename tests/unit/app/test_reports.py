"""How a run ended, told for people."""

from batchgen.app.reports import Report
from batchgen.core.states import State

AUTH = "the API key was rejected"


def _lines(*, reason: str, submitted: int) -> list[str]:
    report = Report(
        batch="night",
        exit_code=4,
        reason=reason,
        message=AUTH,
        totals={State.SUBMITTED: submitted},
        needs_decision=0,
        saved=0,
        unrecorded=(),
        missing=0,
        money="spent 0 coin",
        command="batchgen",
    )
    return list(report.lines())


def test_a_rejected_key_is_told_with_the_paid_tasks_that_wait_for_another() -> None:
    """P3: their number and where their time is told; nothing of it for another stop, or where none waits."""
    waiting = "paid tasks wait at the vendor; how long the results are kept: batchgen status night"

    assert f"2 {waiting}" in _lines(reason="auth", submitted=2)
    assert f"1 {waiting.replace('tasks wait', 'task waits')}" in _lines(reason="auth", submitted=1)
    assert not any("paid task" in line for line in (*_lines(reason="auth", submitted=0), *_lines(reason="balance", submitted=2)))
