"""T15: clocks that are wrong, that jump while a run works, that are turned back by law; and a process that slept."""

import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.failures.conftest import StartVendor
from tests.support.books import bill, books
from tests.support.cli import CommandLine, study, wait_until

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
pytestmark = pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")

PATIENCE_S = 100.0
"""How long a command may take to get somewhere on a machine that has much else to do."""


class Clock:
    """The wall clock of one process, as far from the true one as a file says; the monotonic one and file times stay true."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set("+0")

    def set(self, offset: str) -> None:
        """Put the clock that far from the true time: ``+4d``, ``-1h``, ``+90``."""
        self._file.write_text(offset)

    @property
    def environment(self) -> dict[str, str]:
        """Give the variables for a command that shall believe the clock."""
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Give a clock to turn."""
    return Clock(tmp_path)


def _prompts(count: int) -> list[str]:
    return [f"picture {number}" for number in range(1, count + 1)]


@pytest.mark.slow
def test_t15_runs_under_other_clocks_expire_nothing_and_order_nothing_twice(
    cli: CommandLine, start_vendor: StartVendor, clock: Clock
) -> None:
    """Begun four days ahead and gone on with four days late, an hour ahead and an hour late: all saved, each bought once: exit 0."""
    vendor = start_vendor(latency_s=1.0)
    cli.write(study(vendor.url, _prompts(16), limits={"in_flight": 2, "timeout": {"task": "3h"}}))

    for number, offset in enumerate(("+4d", "-4d", "+1h", "-1h"), start=1):
        clock.set(offset)
        with cli.background("run", "study.yaml", "-y", **clock.environment) as running:
            wait_until(lambda target=number * 3: vendor.posts >= target, timeout_s=PATIENCE_S)
            running.terminate()
            assert 143 == cli.finish(running).code
    ended = cli("resume", "-y")

    assert 0 == ended.code, ended.err
    assert {"saved": 16} == cli.states()
    assert "16 orders, 0.48 spent, 0 reserved, 0 held" == books(cli)
    assert "16 POSTs, 16 charges" == bill(vendor)
    assert 0 == cli("verify").code


@pytest.mark.slow
def test_t15_a_clock_that_jumps_in_mid_run_changes_nothing_but_the_times(cli: CommandLine, start_vendor: StartVendor, clock: Clock) -> None:
    """Four days back and four days on while orders, questions and downloads are under way: exit 0, events in order by their number."""
    vendor = start_vendor(latency_s=0.3, faults=("post.429_retry_after@3", "download.short@2"))
    cli.write(study(vendor.url, _prompts(10), limits={"in_flight": 2}))

    with cli.background("run", "study.yaml", "-y", **clock.environment) as running:
        wait_until(lambda: vendor.posts >= 2, timeout_s=PATIENCE_S)
        clock.set("-4d")
        wait_until(lambda: vendor.posts >= 5, timeout_s=PATIENCE_S)
        clock.set("+4d")
        ended = cli.finish(running)

    told: dict[str, list[str]] = {}
    for event in sorted(cli("events", "--jsonl").lines, key=lambda event: (event["key"], event["seq"])):
        told.setdefault(event["key"], []).append(event["event"])
    assert 0 == ended.code, ended.err
    assert {"saved": 10} == cli.states()
    assert all(events.index("submit_started") < events.index("submit_accepted") < events.index("images_saved") for events in told.values())
    assert "11 POSTs, 10 charges" == bill(vendor)
    assert 0 == cli("verify").code


@pytest.mark.slow
def test_t15_a_deadline_of_the_wall_clock_survives_the_end_of_summer_time(
    cli: CommandLine, start_vendor: StartVendor, clock: Clock
) -> None:
    """Ten to three comes twice that night: half an hour later 03:05 is still ahead, an hour and a quarter later it has passed: exit 5."""
    vendor = start_vendor(latency_s=0.0)
    cli.write(study(vendor.url, _prompts(60), limits={"in_flight": 1, "submit_rate": "120/min"}))
    ten_to_three = int(datetime(2026, 10, 25, 0, 50, tzinfo=UTC).timestamp() - time.time())
    clock.set(f"{ten_to_three:+d}")

    with cli.background("run", "study.yaml", "-y", "--until", "03:05", TZ="Europe/Berlin", **clock.environment) as running:
        wait_until(lambda: vendor.posts >= 2, timeout_s=PATIENCE_S)
        clock.set(f"{ten_to_three + 1800:+d}")
        before = vendor.posts
        wait_until(lambda: vendor.posts >= before + 3, timeout_s=PATIENCE_S)
        clock.set(f"{ten_to_three + 4500 + 60:+d}")
        ended = cli.finish(running)

    assert 5 == ended.code, ended.err
    assert "stopped: the deadline 2026-10-25 03:05 has passed\n" in ended.out
    assert {"saved", "planned"} == set(cli.states())
    assert vendor.posts == len(vendor.charges()) == cli.states()["saved"]


def test_t15_a_process_that_slept_goes_on_where_it_was(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Stopped for three seconds with tasks at the vendor, as in suspend: exit 0, each row bought once and saved."""
    vendor = start_vendor(latency_s=1.0)
    cli.write(study(vendor.url, _prompts(4), limits={"in_flight": 2}))

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.posts >= 2, timeout_s=PATIENCE_S)
        running.send_signal(signal.SIGSTOP)
        time.sleep(3)
        running.send_signal(signal.SIGCONT)
        ended = cli.finish(running)

    assert 0 == ended.code, ended.err
    assert {"saved": 4} == cli.states()
    assert "4 orders, 0.12 spent, 0 reserved, 0 held" == books(cli)
    assert "4 POSTs, 4 charges" == bill(vendor)
