"""Steering a run from a second shell: pause, stop, limits, and decisions about rows while it works."""

import os
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Vendor, study, wait_until
from tests.support.databases import postgres_url

SOON = timedelta(seconds=2)
MANY = [f"picture {number}" for number in range(400)]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _requests(cli: CommandLine) -> list[dict[str, Any]]:
    """List what operators asked, with when and when it was followed."""
    return [row for row in cli("events", "--jsonl").lines if row["event"].endswith("_asked")]


def _delays(cli: CommandLine) -> list[timedelta]:
    return [_at(row["detail"]["taken_at"]) - _at(row["at"]) for row in _requests(cli)]


def _steering(cli: CommandLine) -> dict[str, Any]:
    (batch,) = cli("status", "--json").document["batches"]
    return dict(batch["steering"])


def test_a_pause_holds_a_run_and_unpause_lets_it_go_on(cli: CommandLine, start_vendor: StartVendor) -> None:
    """From another shell, within two seconds: nothing is ordered while it lasts, all that was ordered is saved, and who asked is kept."""
    vendor = start_vendor()
    cli.write(study(vendor.url, MANY[:60], limits={"in_flight": 2}))

    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 4)
        paused = cli("pause")
        wait_until(lambda: set(cli.states()) == {"planned", "saved"})
        posts = vendor.posts
        told, shown = _steering(cli), cli("status").out
        posts_later = vendor.posts
        unpaused = cli("unpause", "study")
        done = cli.finish(run)

    assert (0, 0, 0) == (paused.code, unpaused.code, done.code)
    assert posts == posts_later < 60
    assert "batchgen unpause study" in paused.out
    assert told["paused"]["actor"].startswith("operator:")
    assert run.pid == told["run"]["pid"]
    assert "  paused by operator:" in shown
    assert "works on it since" in shown
    assert ["pause_asked", "unpause_asked"] == [row["event"] for row in _requests(cli)]
    assert max(_delays(cli)) <= SOON
    assert {"saved": 60} == cli.states()
    assert "run.paused" in done.err
    assert None is _steering(cli)["paused"]


def test_a_pause_asked_while_nothing_runs_holds_the_next_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """It starts paused, says so and how to go on, and orders nothing until then; asking twice is told and changes nothing."""
    vendor = start_vendor()
    cli.write(study(vendor.url, MANY[:3]))
    cli("plan", "study.yaml", "--save")

    asked, again = cli("pause"), cli("pause")
    waiting = cli("status").out
    with cli.background("resume", "-y") as run:
        wait_until(lambda: _steering(cli)["run"] is not None and _steering(cli)["waiting"] == [])
        posts = vendor.posts
        cli("unpause")
        done = cli.finish(run)

    assert "its next run starts paused" in asked.out
    assert "is paused already, by operator:" in again.out
    assert "paused by operator:" in waiting
    assert 0 == posts
    assert (0, {"saved": 3}) == (done.code, cli.states())
    assert "unpause study" in done.err
    assert ["pause_asked", "unpause_asked"] == [row["event"] for row in _requests(cli)]


def test_a_pause_outlives_the_run_that_followed_it(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A machine that goes down and starts the run again does not start orders that somebody had stopped."""
    vendor = start_vendor()
    cli.write(study(vendor.url, MANY, limits={"in_flight": 2}))
    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 2)
        cli("pause")
        run.send_signal(signal.SIGKILL)
        cli.finish(run)
    posts = vendor.posts

    with cli.background("resume", "-y") as run:
        wait_until(lambda: _steering(cli)["run"] is not None and "submitted" not in cli.states())
        ended = cli("stop")
        done = cli.finish(run)

    assert 5 == done.code
    assert posts == vendor.posts
    assert "fetches what is paid for, and ends" in ended.out
    assert _steering(cli)["paused"] is not None


def test_a_stop_fetches_what_is_paid_for_and_ends(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The run orders nothing more, saves what it ordered, and ends with 5 and the operator's name; resume goes on."""
    vendor = start_vendor(latency_s=0.5)
    cli.write(study(vendor.url, MANY, limits={"in_flight": 4}))

    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 4)
        cli("stop")
        done = cli.finish(run)

    assert 5 == done.code
    assert "stopped: operator:" in done.out
    assert "resume study" in done.out
    assert set(cli.states()) == {"planned", "saved"}
    assert vendor.posts == cli.states()["saved"] < 400
    assert max(_delays(cli)) <= SOON


def test_a_stop_at_once_leaves_tasks_to_the_next_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """``stop --now`` does not wait for tasks of minutes; nothing is lost."""
    vendor = start_vendor(latency_s=100.0)
    cli.write(study(vendor.url, MANY[:20], limits={"in_flight": 4}))

    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 4)
        cli("stop", "--now")
        done = cli.finish(run, timeout_s=30)

    assert 5 == done.code
    assert {"planned": 16, "submitted": 4} == cli.states()


def test_a_stop_while_nothing_runs_stops_nothing(cli: CommandLine, vendor: Vendor) -> None:
    """It is told so, exit 0, and the next run works."""
    cli.write(study(vendor.url, ["a fox, not stopped"]))
    cli("plan", "study.yaml", "--save")

    stopped = cli("stop")
    done = cli("resume", "-y")

    assert (0, "nothing runs on study; nothing was changed\n") == (stopped.code, stopped.out)
    assert (0, {"saved": 1}) == (done.code, cli.states())
    assert [] == _requests(cli)


def _hang_between_commits(cli: CommandLine, run: subprocess.Popen[str]) -> None:
    """Stop a process where it holds no lock on its database, so that others can write there."""
    while True:
        run.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, run.pid, os.WSTOPPED | os.WNOWAIT)
        with closing(sqlite3.connect(cli.folder / "batchgen.db", timeout=0, isolation_level=None)) as connection, suppress(sqlite3.Error):
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
            return
        run.send_signal(signal.SIGCONT)


def test_a_stop_that_came_too_late_stops_no_later_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A run that hangs does not follow, which is told; it is killed, and the next run works to the end."""
    vendor = start_vendor()
    cli.write(study(vendor.url, MANY[:40], limits={"in_flight": 1}))

    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 2)
        _hang_between_commits(cli, run)
        asked = cli("stop")
        run.send_signal(signal.SIGKILL)
        cli.finish(run)
    done = cli("resume", "-y")

    assert f"process {run.pid} on" in asked.out
    assert "not followed yet by process" in asked.out
    assert done.code in {0, 3}
    assert "planned" not in cli.states()
    assert [None] == [row["detail"]["taken_at"] for row in _requests(cli)]
    assert [] == _steering(cli)["waiting"]


@pytest.mark.postgres
def test_a_run_on_postgresql_is_steered_as_well(cli: CommandLine, start_vendor: StartVendor, postgres: str) -> None:
    """The requests are rows there too: paused, limited and stopped within two seconds each."""
    vendor, db = start_vendor(), ("--db", postgres_url(postgres))
    cli.write(study(vendor.url, MANY, limits={"in_flight": 1}))

    with cli.background(*db, "run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 2)
        answers = [cli(*db, *words) for words in (["pause"], ["limit", "--in-flight", "3"], ["unpause"], ["stop"])]
        done = cli.finish(run)

    rows = [row for row in cli(*db, "events", "--jsonl").lines if row["event"].endswith("_asked")]
    assert [0, 0, 0, 0, 5] == [*(answer.code for answer in answers), done.code]
    assert ["pause_asked", "limit_asked", "unpause_asked", "stop_asked"] == [row["event"] for row in rows]
    assert all(_at(row["detail"]["taken_at"]) - _at(row["at"]) <= SOON for row in rows)


def test_limits_of_a_running_process_change(cli: CommandLine, start_vendor: StartVendor) -> None:
    """What it was and is, within two seconds, for all four limits; a budget below what is spent ends the run."""
    vendor = start_vendor()
    cli.write(study(vendor.url, MANY, limits={"in_flight": 1}))

    with cli.background("run", "study.yaml", "-y", "--budget", "90") as run:
        wait_until(lambda: vendor.posts >= 2)
        more = cli("limit", "--in-flight", "3", "--rate", "600/min", "--until", "2099-01-01T07:30")
        shown = cli("limit")
        less = cli("limit", "study", "--budget", "0.01")
        done = cli.finish(run)

    assert ["in flight 1 -> 3", "rate none -> 10/s", "budget 90 coin", "deadline none -> 2099-01-01 07:30"] == more.out.splitlines()
    assert ["in flight 3", "rate 10/s", "budget 90 coin", "deadline 2099-01-01 07:30"] == shown.out.splitlines()
    assert "budget 90 coin -> 0.01 coin" in less.out
    assert 5 == done.code
    assert "cost limit" in done.out
    assert max(_delays(cli)) <= SOON
    assert "in flight 1 -> 3, rate none -> 10/s" in done.err


def test_limits_asked_while_nothing_runs_are_those_of_the_next_run(cli: CommandLine, vendor: Vendor) -> None:
    """The queued budget stops the next run, and holds for no later one, since that run came to its end."""
    cli.write(study(vendor.url, [f"{text}, queued" for text in MANY[:6]], limits={"in_flight": 1}))
    cli("plan", "study.yaml", "--save")

    asked = cli("limit", "--budget", "0.07")
    first = cli("resume", "-y")
    states = cli.states()
    second = cli("resume", "-y")

    assert "budget none -> 0.07 coin" in asked.out
    assert "its next run takes this" in asked.out
    assert (5, 0) == (first.code, second.code)
    assert {"saved": 2, "planned": 4} == states
    assert {"saved": 6} == cli.states()


def test_limits_outlive_a_run_that_is_killed(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The run that takes its place says so and keeps to them."""
    vendor = start_vendor()
    cli.write(study(vendor.url, MANY, limits={"in_flight": 1}))
    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 2)
        cli("limit", "--until", "2099-01-01T07:30")
        run.send_signal(signal.SIGKILL)
        cli.finish(run)

    with cli.background("resume", "-y") as run:
        wait_until(lambda: _steering(cli)["run"] is not None and _steering(cli)["limits"])
        shown = cli("limit")
        cli("stop", "--now")
        done = cli.finish(run)

    assert "deadline 2099-01-01 07:30" in shown.out
    assert "still: operator:" in done.err


@pytest.mark.parametrize(
    "words", [("--in-flight", "0"), ("--rate", "fast"), ("--budget", "-3"), ("--until", "25:00"), ("--until", "2020-01-01")]
)
def test_a_limit_that_cannot_be_meant_is_refused(cli: CommandLine, vendor: Vendor, words: tuple[str, str]) -> None:
    """One line, exit 2, nothing asked."""
    cli.write(study(vendor.url, ["a fox"]))
    cli("plan", "study.yaml", "--save")

    refused = cli("limit", *words)

    assert (2, 1) == (refused.code, len(refused.err.splitlines()))
    assert words[0] in refused.err
    assert [] == _requests(cli)


@pytest.mark.parametrize("words", [("pause",), ("unpause",), ("stop",), ("limit",)])
def test_steering_without_a_database_creates_none(cli: CommandLine, words: tuple[str, ...]) -> None:
    """There is nothing to steer, and a batch that does not exist is named."""
    refused = cli(*words)

    assert 7 == refused.code
    assert [] == [name for name in cli.files() if name.endswith(".db")]


def test_rows_cancelled_in_the_middle_of_a_run_are_not_ordered(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The run has them in hand already, and leaves them alone all the same."""
    vendor = start_vendor(latency_s=0.2)
    cli.write(study(vendor.url, MANY[:60], limits={"in_flight": 1}))

    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 2)
        cancelled = cli("cancel", "-y", "--reason", "enough")
        done = cli.finish(run)

    assert (0, 0) == (cancelled.code, done.code)
    assert set(cli.states()) == {"saved", "cancelled"}
    assert vendor.posts == cli.states()["saved"] < 60
    assert 0 == cli("verify").code


def test_a_row_retried_in_the_middle_of_a_run_is_picked_up(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A failed row that a person allows once more is ordered by the run that works, next of all, within two seconds."""
    vendor = start_vendor(faults=("task.failed_unknown@1",))
    cli.write(study(vendor.url, MANY, limits={"in_flight": 1}, retry={"attempts": 1}))

    with cli.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: vendor.posts >= 3)
        wait_until(lambda: "failed" in cli.states())
        (failed,) = cli.jobs("--state", "failed")
        retried = cli("retry", "-y", "--reason", "once more")
        wait_until(lambda: cli.job(failed["prompt"])["state"] == "saved")
        is_working = cli.states().get("planned", 0) > 0
        cli("stop")
        cli.finish(run)

    (allowed, ordered) = [row for row in cli("events", "--key", failed["key"], "--jsonl").lines if row["seq"] >= 4][:2]
    assert 0 == retried.code
    assert f"process {run.pid} orders them" in retried.out
    assert is_working
    assert ("retry_allowed", "submit_started") == (allowed["event"], ordered["event"])
    assert _at(ordered["at"]) - _at(allowed["at"]) <= SOON
    assert 0 == cli("verify").code
