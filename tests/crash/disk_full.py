"""A disk that fills up in mid-run: for the database, for the pictures, for both; then there is room again, and the run goes on.

    python tests/crash/disk_full.py --sizes 50

Each fault mounts a disk of its own, lets a run of 16 jobs begin, and shrinks the disk to what is used and a little more: from nothing to
about the size of what is still to come. Four seconds later there is room again. Prints a line for each placement and size, and the
totals; exits 1 when an order was billed twice, a paid picture is missing, an invariant is broken, or going on a second time did anything.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.aftermath import aftermath
from tests.support.cli import CommandLine, Vendor, open_vendor, study
from tests.support.disks import Disk, mounted

PLACEMENTS = ("database", "output", "both")
JOBS, IN_FLIGHT, PICTURE_BYTES = 16, 4, 40_000
AT_ONCE = 3
FULL_FOR_S = 4.0
_STEP_KIB = 16
_AMPLE_KIB = 1 << 20
_LOOK_EVERY_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How one fault went; ``felt`` says whether the run noticed it, ``wrong`` what is wrong afterwards."""

    placement: str
    room_kib: int
    code: int
    felt: bool
    wrong: Sequence[str]
    wall_s: float


def play(folder: Path, *, placement: str, number: int, step_kib: int = _STEP_KIB) -> Told | None:
    """Play one fault in a new folder, the ``number``-th size; None where mounting is not allowed."""
    folder.mkdir()
    began_at, cli = time.monotonic(), CommandLine(folder=folder)
    database = folder / ("disk/jobs.db" if placement != "output" else "jobs.db")
    out = "out" if placement == "database" else "disk/out"
    terms = {"latency_s": 0.2, "image_bytes": PICTURE_BYTES, "seed": number}
    with open_vendor(**terms) as vendor, mounted(folder / "disk", size_kib=_AMPLE_KIB) as disk:
        if disk is None:
            return None
        prompts = [f"picture {job} of {placement} {number}" for job in range(JOBS)]
        cli.write(study(vendor.url, prompts, output={"dir": out}, limits={"in_flight": IN_FLIGHT}))
        with cli.background("--db", database, "run", "study.yaml", "-y") as running:
            _fill(running, vendor, disk, orders=1 + number % JOBS, room_kib=number * step_kib)
            ended = cli.finish(running)
        wrong = aftermath(cli, "study.yaml", database, vendor.charges)
    return Told(
        placement=placement,
        room_kib=number * step_kib,
        code=ended.code,
        felt=ended.code != 0 or "no room left" in ended.err,
        wrong=wrong,
        wall_s=time.monotonic() - began_at,
    )


def _fill(running: Popen[str], vendor: Vendor, disk: Disk, *, orders: int, room_kib: int) -> None:
    """Wait for so many orders, let the disk be full for a while or until the run has ended, and make room again."""
    while running.poll() is None and vendor.posts < orders:
        time.sleep(_LOOK_EVERY_S)
    disk.fill(room_kib)
    with suppress(TimeoutExpired):
        running.wait(FULL_FOR_S)
    disk.resize(_AMPLE_KIB)


def line(told: Told) -> str:
    """Give a fault as a row of the table."""
    felt = "yes" if told.felt else "no"
    return f"{told.placement:<9}  {told.room_kib:>8}  {felt:>4}  {told.code:>4}  {len(told.wrong):>5}  {told.wall_s:>7.1f}"


def main() -> int:
    """Read the options, play, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, default=50, help="sizes for each placement")
    options = parser.parse_args()
    played: list[Told] = []
    sys.stdout.write("placement  room KiB  felt  exit  wrong  seconds\n")
    with tempfile.TemporaryDirectory(prefix="batchgen-disks-") as name, ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [
            pool.submit(play, Path(name) / f"{placement}-{number}", placement=placement, number=number)
            for placement in PLACEMENTS
            for number in range(options.sizes)
        ]
        for future in waiting:
            told = future.result()
            if told is None:
                sys.stdout.write("mounting a file system needs root\n")
                return 1
            played.append(told)
            sys.stdout.write("\n       ".join([line(told), *told.wrong]) + "\n")
            sys.stdout.flush()
    felt = Counter(told.placement for told in played if told.felt)
    sys.stdout.write(f"faults {len(played)}, felt by the run {dict(felt)}, exit codes {dict(Counter(told.code for told in played))}\n")
    sys.stdout.write(f"duplicates, losses, violations and other wrongs: {sum(len(told.wrong) for told in played)}\n")
    return 1 if any(told.wrong for told in played) else 0


if __name__ == "__main__":
    sys.exit(main())
