"""Somebody is told of a run: notices by command and webhook, a heartbeat file, a file of metrics; none of it gets in the run's way."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import StartVendor
from tests.support.cli import Arrived, CommandLine, Host, Vendor, open_host, study, wait_until

ALL = ["started", "finished", "halted", "interrupted", "stalled", "ambiguous", "budget"]


def _accepting(_: Arrived) -> tuple[int, dict[str, str], bytes]:
    return 204, {}, b""


def _told(host: Host) -> list[dict[str, Any]]:
    return [arrived.fields for arrived in host.seen]


def _samples(path: Path) -> dict[str, float]:
    """Give the samples of a file of metrics by name, and those of jobs by state."""
    found = [sample for family in text_string_to_metric_families(path.read_text()) for sample in family.samples]
    return {sample.labels.get("state", sample.name): sample.value for sample in found}


def test_a_webhook_is_told_the_night(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Start, lost answer, budget and end arrive in this order, each once, with counts and money."""
    vendor = start_vendor(faults=("post.accept_then_502@2",))
    with open_host(_accepting) as host:
        hook = {"events": ALL, "webhook": f"{host.url}/hooks/night"}
        foxes = [f"fox {number}" for number in range(5)]
        cli.write(study(vendor.url, foxes, notify=[hook], limits={"in_flight": 1, "budget": {"cost": "0.15"}}))
        run = cli("run", "study.yaml", "-y")

    told = _told(host)
    assert 3 == run.code, run.err
    assert ["started", "ambiguous", "budget", "finished"] == [document["event"] for document in told]
    assert {("batchgen.notify/1", "study")} == {(document["schema"], document["batch"]) for document in told}
    assert (5, 0) == (told[0]["counts"]["planned"], told[0]["counts"]["saved"])
    assert (1, 4) == (told[-1]["counts"]["ambiguous"], told[-1]["counts"]["saved"])
    assert {"spent": "0.12", "cap": "0.15", "unit": "coin"} == told[-1]["money"]
    assert ("finished", 3) == (told[-1]["reason"], told[-1]["exit_code"])
    assert {"/hooks/night"} == {arrived.path for arrived in host.seen}


def test_the_manifest_of_the_documents_tells_a_phone(cli: CommandLine, vendor: Vendor) -> None:
    """The words of the command are the manifest's, with the summary as one of them."""
    cli.write_text('#!/bin/sh\nprintf "%s\\n" "$#" "$@" > told\n', "bin/ntfy").chmod(0o755)
    notify = [{"events": ["finished", "halted"], "command": ["ntfy", "publish", "my-topic", "{{ summary }}"]}]
    cli.write(study(vendor.url, ["a fox, told a phone"], notify=notify))

    run = cli("run", "study.yaml", "-y", PATH=f"{cli.folder}/bin:/usr/bin:/bin")

    assert 0 == run.code, run.err
    number, *words = (cli.folder / "told").read_text().splitlines()
    assert ("3", ["publish", "my-topic"]) == (number, words[:2])
    assert words[2].startswith("study: 1 saved")


def test_a_stop_is_told_with_its_reason(cli: CommandLine, start_vendor: StartVendor) -> None:
    """An empty balance is a halt, and the sentence says what it needs."""
    vendor = start_vendor(faults=("post.no_balance@1",))
    with open_host(_accepting) as host:
        cli.write(study(vendor.url, ["a fox, for nothing"], notify=[{"webhook": host.url}]))
        run = cli("run", "study.yaml", "-y")

    (told,) = _told(host)
    assert 6 == run.code
    assert ("halted", "balance", 6) == (told["event"], told["reason"], told["exit_code"])
    assert "stopped: the account's balance is used up" in told["summary"]


def test_a_run_that_cannot_begin_is_told_as_halted(cli: CommandLine, vendor: Vendor) -> None:
    """Nobody looks at the exit code of a timer; a folder that is a file is a night without pictures."""
    cli.write_text("in the way", "out")
    with open_host(_accepting) as host:
        cli.write(study(vendor.url, ["a fox, nowhere to go"], notify=[{"webhook": host.url}]))
        run = cli("run", "study.yaml", "-y")

    (told,) = _told(host)
    assert 7 == run.code
    assert ("halted", 7, None) == (told["event"], told["exit_code"], told["money"])


@pytest.mark.slow
def test_a_stall_is_told_while_it_lasts(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Nothing is saved for a second though a task is alive: told once, while the task still is."""
    vendor = start_vendor(latency_s=8.0)
    with open_host(_accepting) as host:
        hook = {"events": ["stalled", "finished"], "webhook": host.url, "stalled_after": "1s"}
        cli.write(study(vendor.url, ["a slow fox"], notify=[hook]))
        run = cli("run", "study.yaml", "-y")

    stalled, finished = _told(host)
    assert 0 == run.code, run.err
    assert ("stalled", "finished") == (stalled["event"], finished["event"])
    assert "nothing saved yet; 1 in flight" in stalled["summary"]


@pytest.mark.slow
def test_a_receiver_that_hangs_delays_nothing_but_the_end(cli: CommandLine, vendor: Vendor) -> None:
    """All is saved while the first notice still waits; it is given up after ten seconds, noted, and the run's exit code is its own."""
    free = threading.Event()

    def hang(_: Arrived) -> tuple[int, dict[str, str], bytes]:
        free.wait(60)
        return 200, {}, b""

    with open_host(hang) as host:
        cli.write(study(vendor.url, ["a fox, patient", "a heron, patient"], notify=[{"events": ["started"], "webhook": host.url}]))
        run = cli("run", "study.yaml", "-y", "--log-file", "night.jsonl")
        free.set()

    diary = [json.loads(line) for line in (cli.folder / "night.jsonl").read_text().splitlines()]
    order = [line["event"] for line in diary if line["event"] in {"job.images_saved", "run.ended", "notify.failed"}]
    assert 0 == run.code, run.err
    assert ["job.images_saved", "job.images_saved", "run.ended", "notify.failed"] == order
    assert 1 == len(host.seen)


def test_a_webhook_to_this_machine_is_refused_while_the_vendor_is_not_here(cli: CommandLine) -> None:
    """``validate`` says where it stands; nothing is sent."""
    with open_host(_accepting) as host:
        cli.write(study("https://api.example.org", ["a fox"], notify=[{"webhook": host.url}]))
        checked = cli("validate", "study.yaml")

    assert 2 == checked.code
    assert "error[E113]" in checked.err
    assert [] == host.seen


@pytest.mark.parametrize(
    ("notice", "code"),
    [
        ({"events": ["done"], "webhook": "https://example.com/"}, "E103"),
        ({"events": ["finished"]}, "E105"),
        ({"command": ["tell"], "webhook": "https://example.com/"}, "E111"),
        ({"webhook": "http://example.com/"}, "E113"),
        ({"webhook": "https://example.com/${NOT_SET}"}, "E112"),
    ],
)
def test_a_notice_that_cannot_be_meant_is_refused(cli: CommandLine, notice: dict[str, object], code: str) -> None:
    """Unknown events, no receiver or two, addresses that cannot be: told with their place, and nothing is planned."""
    cli.write(study("http://127.0.0.1:9", ["a fox"], notify=[notice]))

    checked = cli("validate", "study.yaml")

    assert 2 == checked.code
    assert f"error[{code}]" in checked.err


def test_a_run_is_watched_by_its_files(cli: CommandLine, start_vendor: StartVendor) -> None:
    """From the start on they say who works; at the end they say how it ended, and both count what the database counts."""
    vendor = start_vendor(latency_s=1.0)
    cli.write(study(vendor.url, ["a fox, watched", "a heron, watched"]))
    heartbeat, metrics = cli.folder / "night.heartbeat", cli.folder / "night.prom"

    with cli.background("run", "study.yaml", "-y", "--heartbeat-file", heartbeat, "--metrics-file", metrics) as running:
        wait_until(heartbeat.exists)
        alive = json.loads(heartbeat.read_text())
        run = cli.finish(running)
    ended = json.loads(heartbeat.read_text())

    assert 0 == run.code, run.err
    assert ("working", running.pid, "study") == (alive["state"], alive["pid"], alive["batch"])
    assert ("ended", "finished", 0) == (ended["state"], ended["reason"], ended["exit_code"])
    assert (2, "0.06") == (ended["counts"]["saved"], ended["money"]["spent"])
    found = _samples(metrics)
    assert (2, 0, 0) == (found["saved"], found["planned"], found["batchgen_in_flight"])
    assert (2, 2) == (found["batchgen_orders_total"], found["batchgen_saved_total"])
    assert (0.06, 0) == (found["batchgen_cost_spent"], found["batchgen_run_exit_code"])


def test_a_second_run_is_watched_by_the_same_files(cli: CommandLine, vendor: Vendor) -> None:
    """``resume`` takes the same options; its counters are its own, the batch's figures are not."""
    cli.write(study(vendor.url, ["a fox, watched twice"]))
    options = ("--heartbeat-file", "night.heartbeat", "--metrics-file", "night.prom")

    codes = [cli(*words, "-y", *options).code for words in (("run", "study.yaml"), ("resume",))]

    found = _samples(cli.folder / "night.prom")
    assert [0, 0] == codes
    assert (1, 0, 0) == (found["saved"], found["batchgen_orders_total"], found["batchgen_run_exit_code"])


def test_an_interrupted_run_says_so(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Ctrl-C is an event and an end; a run that is killed leaves a heartbeat that grows old."""
    vendor = start_vendor(latency_s=30.0)
    heartbeat = cli.folder / "night.heartbeat"
    with open_host(_accepting) as host:
        cli.write(study(vendor.url, ["a fox, interrupted"], notify=[{"events": ["interrupted"], "webhook": host.url}]))
        with cli.background("run", "study.yaml", "-y", "--heartbeat-file", heartbeat) as running:
            wait_until(lambda: vendor.posts)
            running.send_signal(signal.SIGINT)
            interrupted = cli.finish(running)
        ended = json.loads(heartbeat.read_text())
        with cli.background("resume", "-y", "--heartbeat-file", heartbeat) as running:
            wait_until(lambda: json.loads(heartbeat.read_text())["pid"] == running.pid)
            running.kill()
            cli.finish(running)

    assert 130 == interrupted.code
    assert ["interrupted"] == [document["event"] for document in _told(host)]
    assert ("ended", "interrupted", 130) == (ended["state"], ended["reason"], ended["exit_code"])
    assert "ended" != json.loads(heartbeat.read_text())["state"]


def test_an_overlapping_start_leaves_the_files_alone(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Exit 8 at once, and the heartbeat is still that of the run that works."""
    vendor = start_vendor(latency_s=60.0)
    cli.write(study(vendor.url, ["a fox, overlapped"], notify=[{"events": ALL, "command": ["sh", "-c", "echo >> told"]}]))
    words = ("run", "study.yaml", "-y", "--heartbeat-file", "night.heartbeat")

    with cli.background(*words) as running:
        wait_until((cli.folder / "told").exists)
        second = cli(*words)
        alive = json.loads((cli.folder / "night.heartbeat").read_text())
        told = (cli.folder / "told").read_text()

    assert 8 == second.code
    assert (running.pid, None) == (alive["pid"], alive["ended_at"])
    assert "\n" == told


@pytest.mark.parametrize("option", ["--heartbeat-file", "--metrics-file"])
def test_a_file_that_is_something_else_is_not_replaced(cli: CommandLine, vendor: Vendor, option: str) -> None:
    """A mistyped path does not cost a manifest: exit 2, nothing ordered, nothing changed."""
    path = cli.write(study(vendor.url, ["a fox, mistyped"]))
    before = path.read_bytes()

    refused = cli("run", "study.yaml", "-y", option, "study.yaml")

    assert 2 == refused.code
    assert 1 == len(refused.err.splitlines())
    assert (before, []) == (path.read_bytes(), vendor.charges(", mistyped"))


def test_a_file_that_cannot_be_written_stops_nothing(cli: CommandLine, vendor: Vendor) -> None:
    """It is one warning each in the diary."""
    cli.write(study(vendor.url, ["a fox, unwatched"]))

    run = cli("run", "study.yaml", "-y", "--heartbeat-file", "no/h", "--metrics-file", "no/m", "--log-file", "night.jsonl")

    warned = [line for line in (cli.folder / "night.jsonl").read_text().splitlines() if "signs.not_written" in line]
    assert 0 == run.code, run.err
    assert 2 == len(warned)
