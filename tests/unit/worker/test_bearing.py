"""Where the run is heading."""

from datetime import timedelta
from random import Random

import pytest

from batchgen.worker.bearing import Bearing, Stop
from batchgen.worker.gate import Gate
from batchgen.worker.progress import Progress
from tests.support.builders import job, limits
from tests.support.fake_clock import START, FakeClock
from tests.support.fake_log import FakeLog

_OWN = Stop(exit_code=5, reason="deadline", message="too late")
_DISK = Stop(exit_code=7, reason="storage", message="disk full")


def _bearing(**changes: object) -> Bearing:
    return Bearing(limits=limits(**changes), clock=FakeClock(), log=FakeLog(), progress=Progress())


@pytest.mark.parametrize(
    ("stops", "expected"), [([_OWN, _DISK], _DISK), ([_DISK, _OWN], _DISK), ([_OWN, Stop(exit_code=5, reason="budget", message="x")], _OWN)]
)
def test_the_first_reason_stays_unless_it_is_a_limit_of_the_users_own(stops: list[Stop], expected: Stop) -> None:
    """Trouble outranks a limit; between equals the first one is told."""
    bearing = _bearing()

    for stop in stops:
        bearing.halt(stop)

    assert expected == bearing.stop
    assert expected.message == bearing.progress.stopping


@pytest.mark.parametrize(("kind", "code"), [("balance", 6), ("quota", 6), ("auth", 4), ("config", 2)])
def test_a_vendor_that_stops_sets_the_exit_code(kind: str, code: int) -> None:
    """Money is 6, key is 4, address is 2; only a rejected key forbids free questions."""
    bearing = _bearing()

    bearing.vendor_stopped(kind, "said so")

    assert bearing.stop is not None
    assert (code, kind) == (bearing.stop.exit_code, bearing.stop.reason)
    assert "said so" in bearing.stop.message
    assert (kind != "auth") == bearing.may_ask


def test_the_deadline_stops_at_its_instant() -> None:
    """Before the deadline nothing happens; from it on the run stops with 5, and says so once."""
    bearing = _bearing(deadline=START + timedelta(seconds=60))
    bearing.check_limits()
    assert bearing.stop is None

    bearing.clock.turn(60)
    bearing.check_limits()
    bearing.check_limits()

    assert bearing.stop is not None
    assert (5, "deadline") == (bearing.stop.exit_code, bearing.stop.reason)
    assert 1 == len(bearing.log.called("run.stopping"))


def test_failures_in_a_row_halt_and_moderation_does_not_count() -> None:
    """Two failures with a refusal by moderation between them are two in a row."""
    bearing = _bearing(halt_after_failures=2)
    for reason in ("remote", "moderated"):
        bearing.count_failure(job(reason=reason))
        bearing.check_limits()
        assert bearing.stop is None

    bearing.count_failure(job(reason="remote"))
    bearing.check_limits()

    assert bearing.stop is not None
    assert (5, "halted") == (bearing.stop.exit_code, bearing.stop.reason)
    assert 3 == bearing.progress.failed


def test_a_saved_image_ends_the_row_of_failures() -> None:
    """After an image the count of failures starts again."""
    bearing = _bearing(halt_after_failures=2)
    bearing.count_failure(job(reason="remote"))
    bearing.count_saved(job())
    bearing.count_failure(job(reason="remote"))

    bearing.check_limits()

    assert bearing.stop is None
    assert 1 == bearing.progress.saved


def _told(bearing: Bearing) -> list[tuple[str, str, str]]:
    return [(line.level, line.event, str(line.facts.get("detail"))) for line in bearing.log.lines]


def test_refusals_in_the_same_words_among_the_first_orders_stop_the_run() -> None:
    """Three alike within ten orders are the manifest's fault: exit 2, with the parameter that the words name and where it was set."""
    bearing, refused = _bearing(), job(params={"ratio": "7:1", "quality": "low"})
    for orders, message in ((2, "ratio 7:1"), (5, "quality"), (9, "ratio 7:1")):
        bearing.progress.orders = orders
        bearing.count_refusal(refused, message)
        assert bearing.stop is None

    bearing.progress.orders = 10
    bearing.count_refusal(refused, "ratio 7:1")

    assert bearing.stop is not None
    assert (2, "refused") == (bearing.stop.exit_code, bearing.stop.reason)
    assert "3 of the first 10 orders in the same words (ratio 7:1); ordered with ratio=7:1; " in bearing.stop.message
    assert f"--explain {refused.key[:8]}" in bearing.stop.message


def test_refusals_later_on_are_single_rows() -> None:
    """After ten orders a refusal says nothing about the others."""
    bearing = _bearing()
    bearing.progress.orders = 11

    for _ in range(5):
        bearing.count_refusal(job(), "no")

    assert bearing.stop is None


def test_a_refusal_that_names_no_parameter_is_told_with_all_of_them() -> None:
    """Whoever reads it has to look through the order."""
    bearing = _bearing()
    bearing.progress.orders = 3

    for _ in range(3):
        bearing.count_refusal(job(params={"resolution": "1k"}), "no")

    assert bearing.stop is not None
    assert "; ordered with model=painter, resolution=1k; " in bearing.stop.message


def test_the_second_lost_task_is_an_alarm_with_both_ids() -> None:
    """One task that a vendor forgot may be an accident; its support is asked about two."""
    bearing = _bearing()

    bearing.count_lost("img_1")
    assert [] == bearing.log.lines
    bearing.count_lost("img_2")

    assert [("error", "run.tasks_lost", "2 paid tasks are unknown to the vendor; ask its support about img_1, img_2")] == _told(bearing)


@pytest.mark.parametrize(("seconds", "level"), [(1.0, "info"), (30.0, "warning"), (7200.0, "warning")])
def test_a_pause_says_until_when(seconds: float, level: str) -> None:
    """A short one is for the diary only; a gate that is shut no longer than before is no news."""
    bearing, gate = _bearing(), Gate(Random(1))

    gate.shut(0.0, seconds, "rate limited")
    bearing.say_pause(gate, before=0.0)
    bearing.say_pause(gate, before=gate.shut_until)

    until = (START + timedelta(seconds=seconds)).astimezone()
    assert [(level, "run.pausing", f"rate limited until {until:%Y-%m-%d %H:%M}")] == _told(bearing)
