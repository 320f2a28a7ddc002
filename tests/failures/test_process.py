"""Rows R1 to R3 of the failure table, and T13: signals and death, errors of our own, outputs that are closed or full, two at once."""

import signal
import subprocess
import sys

import pytest

from tests.failures.conftest import StartVendor
from tests.plugins.packages import install
from tests.support.books import bill, books
from tests.support.cli import ROOT, CommandLine, Finished, study, wait_until

STUMBLING = """
from batchgen.api.dialects.jimmyai import JimmyAI

class Stumbling(JimmyAI):
    name = "stumbling"

    def submit(self, job, references):
        if "[odd]" in job.prompt:
            raise KeyError("ratio")
        return super().submit(job, references)

    def read_submit(self, job, reply):
        if "[unread]" in job.prompt:
            raise UnicodeError("surrogates")
        return super().read_submit(job, reply)

    def read_poll(self, job, reply):
        if "[bug]" in job.prompt:
            raise RecursionError("too deep")
        return super().read_poll(job, reply)
"""
"""A dialect of another package, with a bug that shows at some tasks."""

PATIENCE_S = 100.0
"""How long a command may take to get somewhere on a machine that has much else to do."""


def _run_stumbling(cli: CommandLine, url: str, prompts: list[str]) -> Finished:
    """Run the prompts with the dialect that stumbles over some."""
    install(cli.folder / "packages", "stumbling", {"stumbling": STUMBLING}, {"stumbling": "stumbling:Stumbling"})
    provider = {"use": "stumbling", "base_url": url, "api_key_env": "JIMMYAI_API_KEY"}
    cli.write(study(url, prompts, provider=provider, limits={"in_flight": len(prompts)}))
    return cli("run", "study.yaml", "-y", PYTHONPATH=f"{ROOT}:{cli.folder / 'packages'}")


def test_r2_a_killed_run_leaves_its_tasks_and_the_next_one_fetches_them(cli: CommandLine, start_vendor: StartVendor) -> None:
    """SIGKILL while tasks are at the vendor: they stay submitted and paid; resume saves them without another order: exit 0."""
    vendor = start_vendor(latency_s=3.0)
    cli.write(study(vendor.url, ["picture 1", "picture 2"]))

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.stats()["polls"] >= 2, timeout_s=PATIENCE_S)
        running.kill()
        killed = cli.finish(running)
    states, money = cli.states(), books(cli)
    resumed = cli("resume", "-y")

    assert (-signal.SIGKILL, 0) == (killed.code, resumed.code)
    assert {"submitted": 2} == states
    assert "2 orders, 0.06 spent, 0 reserved, 0 held" == money == books(cli)
    assert {"saved": 2} == cli.states()
    assert "2 POSTs, 2 charges" == bill(vendor)


def test_r3_an_error_of_ours_spoils_the_job_it_meets_and_not_the_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The job is tried twice more and then held as it is recorded; all others are saved, nothing is bought again: exit 3."""
    vendor = start_vendor(latency_s=0.2)

    run = _run_stumbling(cli, vendor.url, ["[bug] picture", *(f"picture {number}" for number in range(5))])

    held = cli.job("[bug] picture")
    assert 3 == run.code, run.err
    assert ("submitted", "bug", 1) == (held["state"], held["reason"], held["attempts"])
    assert {"saved": 5, "submitted": 1} == cli.states()
    assert 3 == run.err.count(f"error: job.bug key={held['key']}")
    assert "1 left; go on with: " in run.out
    assert "6 orders, 0.18 spent, 0 reserved, 0 held" == books(cli)
    assert "6 POSTs, 6 charges" == bill(vendor)


def test_r3_an_error_of_ours_over_an_order_spoils_that_order_and_not_the_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """What never left fails after its tries, what went out is in doubt and is not bought again; all others are saved: exit 3."""
    vendor = start_vendor(latency_s=0.2)

    run = _run_stumbling(cli, vendor.url, ["[odd] picture", "[unread] picture", *(f"picture {number}" for number in range(5))])

    odd, unread = cli.job("[odd] picture"), cli.job("[unread] picture")
    assert 3 == run.code, run.err
    assert ("failed", "bug") == (odd["state"], odd["reason"])
    assert ("ambiguous", 1) == (unread["state"], unread["attempts"])
    assert {"saved": 5, "failed": 1, "ambiguous": 1} == cli.states()
    assert f"error: job.bug key={unread['key']}" in run.err
    assert "6 orders, 0.15 spent, 0 reserved, 0.03 held" == books(cli)
    assert "6 POSTs, 6 charges" == bill(vendor)


def test_r3_five_errors_of_ours_in_a_row_stop_the_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """An error that meets every job is a bug of the program: exit 1 with a redacted trace, all paid tasks recorded."""
    vendor = start_vendor(latency_s=0.2)

    run = _run_stumbling(cli, vendor.url, [f"[bug] picture {number}" for number in range(6)])

    assert 1 == run.code
    assert "RecursionError" in run.err
    assert "error: this is a bug of batchgen; every recorded state is safe, and the same command goes on from it" in run.err
    assert {"submitted": 6} == cli.states()
    assert "6 orders, 0.18 spent, 0 reserved, 0 held" == books(cli)
    assert "6 POSTs, 6 charges" == bill(vendor)


@pytest.mark.parametrize(
    ("redirection", "told"),
    [
        (">/dev/full", "lines of output or log found no reader or no room\n"),
        ("2>/dev/full", ""),
        (">&- 2>&-", ""),
        ("| true", "lines of output or log found no reader or no room\n"),
        ("--log-file /dev/full", "lines of output or log found no reader or no room\n"),
    ],
    ids=["full stdout", "full stderr", "closed outputs", "reader that left", "full log"],
)
def test_r3_outputs_that_take_nothing_stop_no_run(cli: CommandLine, start_vendor: StartVendor, redirection: str, told: str) -> None:
    """Lines that find no room or no reader are dropped and counted; every picture is saved and the exit code is that of the run: 0."""
    vendor = start_vendor(faults=("download.short@1",))
    cli.write(study(vendor.url, ["picture 1", "picture 2"]))
    command = f"{sys.executable} -m batchgen run study.yaml -y {redirection}; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", command], cwd=cli.folder, env=cli.environment(), capture_output=True, check=False, text=True)

    assert 0 == done.returncode, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert {"saved": 2} == cli.states()
    assert "2 orders, 0.06 spent, 0 reserved, 0 held" == books(cli)
    assert "2 POSTs, 2 charges" == bill(vendor)


def test_r3_an_answer_that_finds_no_room_is_a_matter_of_storage(cli: CommandLine) -> None:
    """A command whose only work is its answer says so when that is lost: exit 7, and never a traceback."""
    command = f"{sys.executable} -m batchgen models >/dev/full"

    done = subprocess.run(["bash", "-c", command], cwd=cli.folder, env=cli.environment(), capture_output=True, check=False, text=True)

    assert 7 == done.returncode
    assert "error: the answer could not be written: No space left on device\n" == done.stderr


def test_t13_two_databases_on_one_folder_the_second_is_refused(cli: CommandLine, start_vendor: StartVendor) -> None:
    """While one run stores its pictures in a folder no other database may: exit 8, the folder named, nothing ordered by the second."""
    vendor = start_vendor(latency_s=60)
    cli.write(study(vendor.url, ["picture 1"]))

    with cli.background("run", "study.yaml", "-y") as first:
        wait_until(lambda: vendor.posts == 1, timeout_s=PATIENCE_S)
        second = cli("--db", "second.db", "run", "study.yaml", "-y")
        first.terminate()
        ended = cli.finish(first)

    assert (8, 143) == (second.code, ended.code)
    assert f"error: another run is storing its images in {cli.folder / 'out'}" in second.err
    assert ["planned"] == [job["state"] for job in cli.jobs("--db", "second.db")]
    assert "1 POSTs, 1 charges" == bill(vendor)
