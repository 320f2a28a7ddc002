"""Rows F1 and F2 of the failure table: the disk of the pictures is full, failing, read-only, gone or taken by somebody else."""

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.failures.conftest import StartVendor
from tests.support.books import bill, books
from tests.support.cli import CommandLine, study
from tests.support.disks import Disk, FailingDisk
from tests.support.recording_vendor import RecordingVendor
from tests.support.webhost import Answer, Arrived, serving

IN_WAY = b"somebody else's picture"


def _prompts(count: int) -> list[str]:
    return [f"picture {number}" for number in range(1, count + 1)]


def _run_struck_before_a_download(cli: CommandLine, strike: Callable[[], object], heal: Callable[[], object]) -> tuple[str, str]:
    """Run two orders, one after the other, on ``disk/out``; the disk is struck as the first picture is ready, and healed afterwards.

    Gives what the operator read on stderr and on stdout, after checking what holds whatever the fault: exit 7, the paid picture rendered,
    nothing further ordered, no money lost, and a resume that saves both and orders only the second.
    """
    vendor, strikes = RecordingVendor(url=""), list[object]()

    def answer(request: Arrived) -> Answer:
        if request.method == "GET" and vendor.orders and not strikes:
            strikes.append(strike())
        kind, content = vendor.answer(request)
        return 200, {"Content-Type": kind}, content

    with serving(answer) as vendor.url:
        cli.write(study(vendor.url, _prompts(2), output={"dir": "disk/out"}, limits={"in_flight": 1, "submit_rate": "6/min"}))
        struck = cli("run", "study.yaml", "-y")
        ordered, states, money = len(vendor.orders), cli.states(), books(cli)
        heal()
        resumed = cli("resume", "-y")

    assert 7 == struck.code, struck.err
    assert (1, {"rendered": 1, "planned": 1}) == (ordered, states)
    assert "1 orders, 0.03 spent, 0 reserved, 0 held" == money
    assert 0 == resumed.code, resumed.err
    assert ({"saved": 2}, 2) == (cli.states(), len(vendor.orders))
    assert "2 orders, 0.06 spent, 0 reserved, 0 held" == books(cli)
    assert [] == list((cli.folder / "disk").rglob("*.part"))
    assert 0 == cli("verify").code
    return struck.err, struck.out


def test_f1_a_disk_that_fills_up_stops_orders_and_loses_no_picture(cli: CommandLine, disk: Disk) -> None:
    """No room while a picture comes: it stays rendered, and need, room and the way on are told."""
    err, out = _run_struck_before_a_download(cli, lambda: disk.fill(0), lambda: disk.resize(1 << 20))

    assert re.search(r"stopped: cannot \w+ \S+/disk/out/\S+\.part: No space left on device \(needs \d+ bytes, 0 free\)\n", out), out
    assert re.search(r"\n2 left; go on with: .* resume study\n", out)
    assert "run.stopping reason=storage" in err


def test_f1_too_little_room_from_the_start_orders_nothing(cli: CommandLine, start_vendor: StartVendor, disk: Disk) -> None:
    """Below the floor no order goes out: exit 7, every row planned, what is free and what is needed in the sentence."""
    vendor = start_vendor()
    disk.fill(4096)
    cli.write(study(vendor.url, _prompts(2), output={"dir": "disk/out"}))

    run = cli("run", "study.yaml", "-y")

    assert 7 == run.code
    assert re.search(r"stopped: only \d+ MiB are free for images \(at least \d+ MiB are kept free\)\n", run.out)
    assert "2 left; go on with: " in run.out
    assert {"planned": 2} == cli.states()
    assert "0 orders, 0 spent, 0 reserved, 0 held" == books(cli)
    assert "0 POSTs, 0 charges" == bill(vendor)


def test_f2_a_disk_that_turns_read_only_stops_orders(cli: CommandLine, failing_disk: FailingDisk) -> None:
    """EROFS while a picture comes: it stays rendered, and the path and the system's words are told."""
    _, out = _run_struck_before_a_download(cli, failing_disk.fail, failing_disk.mend)

    assert re.search(r"stopped: cannot create \S+/disk/out/\S+\.part: Read-only file system\n", out), out
    assert "2 left; go on with: " in out


def test_f2_an_output_folder_that_is_unmounted_is_not_made_again_below(cli: CommandLine, disk: Disk) -> None:
    """The disk goes while a picture comes: nothing is written into the folder beneath, and with the disk back the run goes on."""
    place = cli.folder / "disk"

    def heal() -> None:
        assert [] == list(place.iterdir())
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(place)], check=True)

    _, out = _run_struck_before_a_download(cli, disk.leave, heal)

    assert re.search(r"stopped: .*/disk/out", out), out


def test_f2_an_output_folder_that_is_replaced_gets_nothing(cli: CommandLine) -> None:
    """Another folder under the same name is not the one the run began in: the run stops, and the folder stays empty."""
    out = cli.folder / "disk" / "out"

    def strike() -> None:
        out.rename(out.with_name("moved"))
        out.mkdir()

    def heal() -> None:
        assert [] == [path.name for path in out.iterdir() if not path.name.startswith(".batchgen-mark")]
        shutil.rmtree(out)
        out.with_name("moved").rename(out)

    _, told = _run_struck_before_a_download(cli, strike, heal)

    assert f"stopped: {out} was replaced by another folder while it was in use\n" in told


@pytest.mark.parametrize("fault", ["read-only", "immutable"])
def test_f2_a_folder_that_takes_nothing_from_the_start_stops_before_any_order(
    cli: CommandLine, start_vendor: StartVendor, disk: Disk, fault: str
) -> None:
    """EROFS, or EPERM of an immutable folder: exit 7 before any POST, with the path; every row planned."""
    vendor = start_vendor()
    if fault == "read-only":
        out, words = disk.path / "out", "Read-only file system"
        out.mkdir()
        disk.forbid_writing()
    else:
        out, words = cli.folder / "out", "Operation not permitted"
        out.mkdir()
        if subprocess.run(["chattr", "+i", str(out)], capture_output=True, check=False).returncode:
            pytest.skip("chattr +i needs root and a file system that knows it")
    cli.write(study(vendor.url, _prompts(2), output={"dir": str(out)}))

    run = cli("run", "study.yaml", "-y")
    if fault == "immutable":
        subprocess.run(["chattr", "-i", str(out)], check=True)

    assert 7 == run.code
    assert f"error: cannot write into {out}: {words}\n" in run.err
    assert {"planned": 2} == cli.states()
    assert "0 orders, 0 spent, 0 reserved, 0 held" == books(cli)
    assert "0 POSTs, 0 charges" == bill(vendor)


def test_f2_a_taken_name_is_left_alone_and_the_picture_stands_beside_it(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Other bytes under the final name stay; the picture is saved as ``name~aN``, bought once: exit 0."""
    vendor = start_vendor(latency_s=0.0)
    cli.write(study(vendor.url, ["picture 1"], output={"dir": "out", "name": "picture"}))
    cli("plan", "study.yaml", "--save")
    (planned,) = cli.jobs()
    taken = cli.folder / "out" / f"picture_{planned['key'][:8]}.png"
    taken.parent.mkdir()
    taken.write_bytes(IN_WAY)

    run = cli("run", "study.yaml", "-y")

    (job,) = cli.jobs()
    assert 0 == run.code, run.err
    assert IN_WAY == taken.read_bytes()
    assert ("saved", 1) == (job["state"], job["attempts"])
    assert re.fullmatch(rf"{taken.stem}~a\d+\.png", job["path"])
    assert "1 orders, 0.03 spent, 0 reserved, 0 held" == books(cli)
    assert "1 POSTs, 1 charges" == bill(vendor)
    assert 0 == cli("verify").code
