"""Policies for orders whose answer was lost, against a vendor that loses them; and an older copy of the database, put back."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Vendor, study, wait_until


def _decisions(cli: CommandLine) -> list[tuple[str, str, str]]:
    """Give event, actor and reason of every decision."""
    return [(row["event"], row["actor"], row["reason"]) for row in cli("events", "--jsonl").lines if row["is_decision"]]


def test_reconcile_orders_again_what_the_key_was_not_billed_for(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The answer was a gateway's error and nothing was billed: the key's use proves it, and the row is saved in the same run."""
    vendor = start_vendor(faults=("post.502@2",))
    cli.write(study(vendor.url, ["a fox", "a heron", "an owl"], on_ambiguous="reconcile"))

    done = cli("run", "study.yaml", "-y")

    assert 0 == done.code, done.err
    assert {"saved": 3} == cli.states()
    assert 3 == len(vendor.charges())
    assert [("billing_disproved", "policy", "reconciled")] == _decisions(cli)
    assert 0 == cli("verify").code


def test_reconcile_holds_what_the_key_was_billed_for(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The order was billed and its answer lost: nothing is bought again, and the difference is told with what to do."""
    vendor = start_vendor(faults=("post.accept_then_502@2",))
    cli.write(study(vendor.url, ["a fox", "a heron", "an owl"], on_ambiguous="reconcile"))

    done = cli("run", "study.yaml", "-y")
    again = cli("run", "study.yaml", "-y")

    assert (3, 3) == (done.code, again.code)
    assert {"saved": 2, "ambiguous": 1} == cli.states()
    assert 3 == len(vendor.charges())
    assert "use rose by" in done.err
    assert [] == _decisions(cli)


def test_reconcile_judges_an_order_of_a_run_that_was_killed(cli: CommandLine, start_vendor: StartVendor) -> None:
    """What the key had used stands in the database, so the next run can tell as well."""
    vendor = start_vendor(faults=("post.502@1",), latency_s=3.0)
    cli.write(study(vendor.url, ["a fox", "a heron"], on_ambiguous="reconcile"))
    cli("plan", "study.yaml", "--save")
    with cli.background("run", "study.yaml", "-y") as process:
        wait_until(lambda: cli.states().items() >= {"ambiguous": 1, "submitted": 1}.items())
        process.send_signal(signal.SIGKILL)
        cli.finish(process)

    done = cli("resume", "-y")

    assert 0 == done.code, done.err
    assert {"saved": 2} == cli.states()
    assert 2 == len(vendor.charges())


def test_resubmit_buys_again_under_its_allowance(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Two answers lost, an allowance for one: one row is saved at twice the price, the other is held; both decisions are in the books."""
    vendor = start_vendor(faults=("post.accept_then_reset@1", "post.accept_then_reset@2"))
    cli.write(study(vendor.url, ["a fox", "a heron", "an owl"], on_ambiguous="resubmit", limits={"in_flight": 1}))

    done = cli("run", "study.yaml", "-y", "--max-ambiguous-cost", "0.045")

    assert 3 == done.code, done.err
    assert {"saved": 2, "ambiguous": 1} == cli.states()
    assert 4 == len(vendor.charges())
    assert [("resubmit_allowed", "policy", "resubmit")] == _decisions(cli)
    assert 0 == cli("verify").code
    assert cli("status").out.index("A DECISION") < cli("status").out.index("saved")


@pytest.mark.parametrize(("policy", "words"), [("resubmit", ()), ("hold", ("--max-ambiguous-cost", "1"))])
def test_an_allowance_and_its_policy_go_together(cli: CommandLine, vendor: Vendor, policy: str, words: tuple[str, ...]) -> None:
    """Neither stands alone; nothing is ordered, and the fix is named."""
    cli.write(study(vendor.url, [f"a fox, {policy}"], on_ambiguous=policy))

    refused = cli("run", "study.yaml", "-y", *words)

    assert 2 == refused.code
    assert "--max-ambiguous-cost" in refused.err
    assert [] == vendor.charges(f", {policy}")


def _older_copy(cli: CommandLine, vendor: Vendor, manifest: Path) -> None:
    """Run half, copy the database, run the rest, put the copy back."""
    cli("run", manifest, "-y", "--budget", "0.2")
    cli("db", "backup", "old.db")
    cli("run", manifest, "-y", "--budget", "10")
    shutil.copy(cli.folder / "old.db", cli.folder / "batchgen.db")


def test_an_older_copy_put_back_is_refused_and_taken_over(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Nothing is ordered from it; the journal brings it up to date, with actor and reason; the next run fetches all and buys nothing."""
    vendor = start_vendor()
    manifest = cli.write(study(vendor.url, [f"picture {number}" for number in range(8)], limits={"in_flight": 1}))
    _older_copy(cli, vendor, manifest)
    assert cli.states()["planned"] >= 2

    refused = cli("run", manifest, "-y")

    assert 7 == refused.code
    assert "older copy" in refused.err
    assert "db adopt-journal study --reason" in refused.err
    adopted = cli("db", "adopt-journal", "--reason", "backup after a disk failure")
    assert 0 == adopted.code, adopted.err
    assert set(cli.states()) <= {"saved", "submitted"}
    done = cli("run", manifest, "-y", "--budget", "10")
    assert 0 == done.code, done.err
    assert {"saved": 8} == cli.states()
    assert 8 == len(vendor.charges())
    assert 0 == cli("verify").code
    assert 2 == cli("db", "adopt-journal", "--reason", "again").code


def test_an_older_copy_during_a_killed_run_is_refused(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A copy made in mid-run, the run killed seconds later: every order behind the copy is in the journal."""
    vendor = start_vendor(latency_s=0.05)
    cli.write(study(vendor.url, [f"picture {number}" for number in range(40)], limits={"in_flight": 2}))
    cli("plan", "study.yaml", "--save")
    with cli.background("run", "study.yaml", "-y") as process:
        wait_until(lambda: len(vendor.charges()) >= 5)
        cli("db", "backup", "old.db")
        known = len(vendor.charges())
        wait_until(lambda: len(vendor.charges()) >= known + 5)
        process.send_signal(signal.SIGKILL)
        cli.finish(process)
    billed = len(vendor.charges())
    shutil.copy(cli.folder / "old.db", cli.folder / "batchgen.db")
    for side in ("-journal", "-wal", "-shm"):
        (cli.folder / f"batchgen.db{side}").unlink(missing_ok=True)

    refused = cli("resume", "-y")

    assert 7 == refused.code
    assert billed == len(vendor.charges())
    assert 0 == cli("db", "adopt-journal", "--reason", "test of a backup").code
    done = cli("resume", "-y")
    assert done.code in {0, 3}
    assert 40 == len(vendor.charges()) == len({charge["body_sha256"] for charge in vendor.charges()})
    assert 0 == cli("verify").code
