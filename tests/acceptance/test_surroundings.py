"""What a run finds around it: the embedded simulator, folders that cannot be used, parts that come with a later version."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.cli import CommandLine, Vendor, study, wait_until


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
    assert "1 saved files are missing or changed" in again.out
    assert 1 == len(vendor.charges(", gone"))
