"""What a run finds around it: the embedded simulator, folders that cannot be used, parts that come with a later version."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import ROOT, CommandLine, Vendor, study, wait_until


def _simulated(latency: str = "0.1") -> dict[str, object]:
    return study(
        "", [f"picture {number}" for number in range(6)], provider={"use": "sim", "sim": {"latency": latency, "image-scale": "0.1"}}
    )


def _simulators(folder: Path) -> list[str]:
    """List the running simulators whose ledger is in the folder."""
    commands = (process / "cmdline" for process in Path("/proc").iterdir() if process.name.isdecimal())
    texts = (command.read_bytes().replace(b"\0", b" ").decode(errors="replace") for command in commands if command.exists())
    return [text for text in texts if "batchgen.sim" in text and str(folder) in text]


def test_simulator_needs_no_key_and_ends_with_the_run(cli: CommandLine) -> None:
    """``use: sim`` starts a vendor of its own and leaves no process behind."""
    cli.write(_simulated())

    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY=None)

    assert 0 == run.code, run.err
    assert {"saved": 6} == cli.states()
    assert [] == _simulators(cli.folder)


def test_simulated_tasks_outlive_a_kill(cli: CommandLine) -> None:
    """The simulator dies with its run, and the next one still knows the tasks that were paid for: nothing is bought twice."""
    cli.write(_simulated(latency="0.5"))
    cli("plan", "study.yaml", "--save")

    with cli.background("resume", "-y") as running:
        wait_until(lambda: cli.states().get("submitted", 0) >= 2)
        running.send_signal(signal.SIGKILL)
        cli.finish(running)
    wait_until(lambda: not _simulators(cli.folder))
    cli("resume", "-y")

    orders = [event for event in cli("events", "--jsonl").lines if event["event"] == "submit_started"]
    assert {"saved"} == {state for state in cli.states() if state != "ambiguous"}
    assert 6 == len(orders)
    assert 0 == cli("verify").code


def test_output_folder_that_is_a_file_stops_before_any_order(cli: CommandLine, vendor: Vendor) -> None:
    """Where no picture can be stored none is bought: exit 7, rows planned."""
    cli.write(study(vendor.url, ["a fox, no folder"], output={"dir": "out"}))
    cli.write_text("in the way", "out")

    run = cli("run", "study.yaml", "-y")

    assert 7 == run.code
    assert "Traceback" not in run.err
    assert [] == vendor.charges(", no folder")
    assert {"planned": 1} == cli.states()


def test_vendor_that_does_not_answer_leaves_rows_to_resume(cli: CommandLine) -> None:
    """A connection that is refused sends nothing: no row is ambiguous, and none counts as bought."""
    cli.write(study("http://127.0.0.1:9", ["a fox, nobody there"], retry={"attempts": 2, "backoff": {"initial": "0.1s", "max": "0.1s"}}))

    run = cli("run", "study.yaml", "-y", timeout_s=60)

    (job,) = cli.jobs()
    assert 3 == run.code
    assert ("failed", "unreachable") == (job["state"], job["reason"])
    assert job["cost"] in {None, "0"}


def test_a_finished_run_tells_somebody(cli: CommandLine, vendor: Vendor) -> None:
    """The command gets the summary as one argument, whatever it holds, and never the key."""
    command = ["sh", "-c", 'printf "%s|%s" "$1" "$(env | grep -c canary)" > told', "sh", "{{ event }}: {{ summary }}"]
    notify = [{"events": ["finished"], "command": command}, {"events": ["finished"], "command": ["no-such-program"]}]
    cli.write(study(vendor.url, ["a fox, told"], notify=notify))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert "finished: study: 1 saved" in (cli.folder / "told").read_text()
    assert (cli.folder / "told").read_text().endswith("|0")


def test_orders_without_a_price_do_not_look_free(cli: CommandLine, vendor: Vendor) -> None:
    """A vendor that names no cost leaves it unknown; with a price for some of the orders it is at least theirs."""
    paintings = {"defaults": {"model": "gpt-image-2", "size": "1024x1024"}, "provider": {"use": "openai", "base_url": vendor.url}}
    cli.write(study("", ["a fox, unpriced", "a heron, unpriced"], **paintings))

    run = cli("run", "study.yaml", "-y", OPENAI_API_KEY="sk-any")
    status, document = cli("status").out, cli("status", "--json").document

    assert "2 saved now; cost unknown (2 orders without a price)\n" in run.out, run.err
    assert "  2 orders; cost unknown (2 orders without a price)\n" in status
    assert (2, "0") == (document["batches"][0]["money"]["unpriced"], document["batches"][0]["money"]["spent"])


def test_money_in_doubt_that_needs_no_decision_is_explained(cli: CommandLine, start_vendor: StartVendor) -> None:
    """An order that met a server error was sent again by policy: run and status say the same, and status says why."""
    vendor = start_vendor(faults=("post.server_error@1",))
    cli.write(study(vendor.url, ["a fox, twice sent"]))

    run, status = cli("run", "study.yaml", "-y"), cli("status").out

    assert "spent 0.03 coin, in doubt 0.03 coin\n" in run.out, run.err
    assert "  2 orders; spent 0.03 coin, in doubt 0.03 coin\n" in status
    assert "in doubt, no decision needed: 0.03 coin for 1 order answered with\n" in status


@pytest.mark.slow
def test_last_lines_of_the_demo_work_as_printed(cli: CommandLine) -> None:
    """Whatever the demo tells to type works where it was started, whether or not ``batchgen`` stands on the path."""
    played = cli("demo", "--dir", "look here", "--jobs", "8", PATH="/usr/bin:/bin")

    commands = [
        line.partition(":")[2].strip() for line in played.out.splitlines() if line.startswith(("Look at all", "Look at one", "Start"))
    ]
    codes = [
        subprocess.run(
            ["sh", "-c", command], cwd=cli.folder, env=cli.environment(PATH="/usr/bin:/bin"), capture_output=True, check=False
        ).returncode
        for command in commands
    ]
    assert 0 == played.code, played.err
    assert [0, 0, 0] == codes
    assert any("'look here/demo.db'" in command for command in commands)
    assert _steps((ROOT / "README.md").read_text(encoding="utf-8")) == _steps(played.out)


def _steps(text: str) -> list[str]:
    """Give the numbered lines of a demo, whatever their numbers of things, and what became of the bill."""
    return [re.sub(r"[0-9]+", "0", line) for line in re.findall(r"^[1-6]\. .*", text, flags=re.MULTILINE)]


def test_init_says_how_to_buy_for_real(cli: CommandLine) -> None:
    """The lines to change are named by number, and so is every column that is left out."""
    rows = "".join(f"a fox {number},16:9,note {number}\n" for number in range(12))
    cli.write_text(f"prompt,ratio,notes\n{rows}", "mine.csv")

    made = cli("init", "start", "--from", "mine.csv")

    lines = (cli.folder / "start/manifest.yaml").read_text().splitlines()
    named = re.findall(r"  line (\d+)  (\w+):", made.out)
    assert 0 == made.code, made.err
    assert ["use", "pick", "budget"] == [word for _, word in named]
    assert all(lines[int(number) - 1].strip().startswith(f"{word}:") for number, word in named)
    assert "not used: 1 column (notes)\n" in made.out
    assert "    params: {ratio: ratio}" in lines


def test_init_drops_a_parameter_that_cannot_be_ordered(cli: CommandLine) -> None:
    """A size is nothing that a task has: the column stays a label, and that is told."""
    cli.write_text("prompt,size\na fox,1024x1024\na gate,huge\n", "mine.csv")

    made = cli("init", "start", "--from", "mine.csv")

    assert 0 == made.code, made.err
    assert "no parameter is set by size: " in made.out
    assert "    vars: {size: size}" in (cli.folder / "start/manifest.yaml").read_text()


def test_readers_that_leave_early_are_no_error(cli: CommandLine, vendor: Vendor) -> None:
    """``events | head`` ends quietly, and an answer that finds no room is a matter of storage."""
    cli.write(study(vendor.url, [f"a fox, {number}" for number in range(4)]))
    cli("run", "study.yaml", "-y")
    program = f"{sys.executable} -m batchgen"

    piped = subprocess.run(
        ["bash", "-c", f"set -o pipefail; for n in 1 2 3; do {program} events --jsonl | head -1 >/dev/null || exit; done"],
        cwd=cli.folder,
        env=cli.environment(),
        check=False,
    )
    full = subprocess.run(["bash", "-c", f"{program} events --jsonl > /dev/full"], cwd=cli.folder, env=cli.environment(), check=False)

    assert (0, 7) == (piped.returncode, full.returncode)


def test_an_older_copy_of_the_database_is_refused(cli: CommandLine, vendor: Vendor) -> None:
    """A restored backup would buy everything again: it is noticed, nothing is ordered, and the way on is named."""
    cli.write(study(vendor.url, ["a fox, twice", "a heron, twice"]))
    cli("plan", "study.yaml", "--save")
    cli("db", "backup", "old.db")
    cli("run", "study.yaml", "-y")

    refused = cli("--db", "old.db", "resume", "-y")

    assert 7 == refused.code
    assert "older copy" in refused.err
    assert 2 == len(vendor.charges(", twice"))


def test_a_saved_file_that_is_gone_is_told(cli: CommandLine, vendor: Vendor) -> None:
    """A run with nothing left to do says that a picture is missing, and orders nothing."""
    cli.write(study(vendor.url, ["a fox, gone"]))
    cli("run", "study.yaml", "-y")
    next((cli.folder / "out").rglob("*.png")).unlink()

    again = cli("run", "study.yaml", "-y")

    assert 3 == again.code
    assert "1 saved file is missing or changed" in again.out
    assert 1 == len(vendor.charges(", gone"))
