"""Power cuts: runs whose database and pictures stand on an ext4 file system in a file, of which only what reached that file survives.

    python tests/crash/power_cuts.py --cuts 100

At a random moment the run is frozen and the file copied. The copy holds what the file system had written to its disk, by itself or because
it was asked to sync, and nothing of what it only kept in memory. The copy is mounted in the place of the original, and the same command
goes on there. Needs root and loop devices. The oracles stand on another disk: the vendor's bill, and the diary, which tells of a change
only after its commit. Every change that the diary told of before the cut must be in the copy.

Each way to keep a database that batchgen may choose is cut that often. Two ways that it never chooses serve as controls and must be caught
forgetting something, or the method proves nothing. Prints what is wrong and a line for each way; exits 1 when a durable way forgot
something, or a control nothing.
"""

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Queue
from random import Random
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.audit import Findings, audit, content, select
from tests.crash.studies import STUDIES
from tests.crash.warm import WarmLine, warm_lines
from tests.support.cli import Finished, Vendor, open_vendor

DURABLE = ("truncate full", "wal full")
CONTROLS = ("truncate off", "wal normal")
"""Journal and synchronous, as SQLite calls them."""

STUDY = replace(STUDIES["tasks"], prompts=8, jobs=8)
COMMITS_A_JOB = 5
"""How many changes the diary tells of on the way from planned to saved."""

DISK_BYTES = 384 * 1024 * 1024
"""Enough for batchgen, which does not start when the disk is all but full."""

FORMAT = ("-N", "512", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0")
"""Few tables, all written at once: nothing is left to a kernel thread that would write while the image is copied."""

AT_ONCE = 3
AT_STARTUP, STARTUP_S = 0.1, 0.6
AFTER_A_COMMIT, LATER_S = 0.5, 0.1
_LOOK_EVERY_S = 0.002
_WRITES, _IN_FLIGHT = 4, 8
"""Columns of a block device's counters."""

HEAD = "database        cuts  alive  commits  forgotten  duplicates  lost  violations  caught  seconds"

Commit: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a cut went: whether the run was alive, how many commits it knew of, which of them the disk had forgotten, and what else."""

    seed: int
    is_alive: bool
    commits: int
    forgotten: Sequence[str]
    findings: Findings

    @property
    def is_caught(self) -> bool:
        """Say whether something was lost: a change that had been committed, or the knowledge of an order."""
        return bool(self.forgotten or self.findings.duplicates or self.findings.lost)

    def sentences(self) -> list[str]:
        """List everything that is wrong."""
        return [*self.forgotten, *self.findings.sentences()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A vendor, some warm interpreters, a folder, and the image of a disk with an empty job database on it."""

    vendor: Vendor
    lines: "Queue[WarmLine]"
    folder: Path
    image: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One cut: how the database is kept, its number, and a folder on the disk that does not fail."""

    kept: str
    seed: int
    folder: Path

    @property
    def disk(self) -> Path:
        """Give the place where the disk that fails is mounted, and after it its copy."""
        return self.folder / "disk"

    @property
    def marker(self) -> str:
        """Give the words that find this run's prompts on the bill."""
        return f"of {self.kept} {self.seed}."

    def order(self, line: WarmLine, *words: object) -> Finished:
        """Run a command on the disk, with its diary elsewhere."""
        return line(self.disk, *words, "--log-file", self.folder / "diary", durability=self.kept.split())


def hindrance() -> str:
    """Say what keeps this machine from mounting file systems of its own; empty if nothing does."""
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    if missing := [name for name in ("mkfs.ext4", "losetup", "mount", "umount") if shutil.which(name) is None]:
        return f"{missing[0]} is not installed"
    with tempfile.TemporaryDirectory(prefix="batchgen-cuts-") as name:
        try:
            with mounted(_formatted(Path(name) / "image"), Path(name) / "disk"):
                return ""
        except subprocess.CalledProcessError as error:
            return f"loop devices cannot be mounted here: {error.stderr.strip()}"


def _command(*words: object) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, encoding="utf-8").stdout.strip()


def _formatted(image: Path) -> Path:
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    _command("mkfs.ext4", "-q", "-F", *FORMAT, image)
    return image


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[str]:
    """Mount the file system in an image; give the name of its loop device."""
    place.mkdir(exist_ok=True)
    device = _command("losetup", "--find", "--show", image)
    try:
        _command("mount", device, place)
        try:
            yield Path(device).name
        finally:
            _command("umount", place)
    finally:
        _command("losetup", "--detach", device)


@contextmanager
def stages() -> Iterator[Stage]:
    """Set a stage."""
    with tempfile.TemporaryDirectory(prefix="batchgen-cuts-") as name:
        folder = Path(name)
        image = _formatted(folder / "image")
        with open_vendor(latency_s=0.1, fsync=True) as vendor, warm_lines(AT_ONCE, folder) as lines:
            line = lines.get()
            with mounted(image, folder / "disk"):
                created = line(folder / "disk", "db", "upgrade")
            lines.put(line)
            if created.code:
                raise RuntimeError(created.err)
            yield Stage(vendor=vendor, lines=lines, folder=folder, image=image)


def play(stage: Stage, kept: str, seed: int) -> Told:
    """Play one cut and what follows."""
    cut = Cut(kept=kept, seed=seed, folder=stage.folder / f"{kept} {seed}")
    cut.folder.mkdir()
    line = stage.lines.get()
    try:
        is_alive = _run_until_cut(stage, cut, line)
        told_of = Counter(_commits(cut.folder / "diary"))
        with mounted(cut.folder / "copy", cut.disk):
            forgotten = told_of - Counter(_recorded(cut.disk))
            findings = _go_on(stage, cut, line)
    finally:
        stage.lines.put(line)
        shutil.rmtree(cut.folder)
    missing = [f"{event} of {key[:8]} was committed and is not there" for key, event, _ in forgotten.elements()]
    return Told(seed=seed, is_alive=is_alive, commits=told_of.total(), forgotten=missing, findings=findings)


def _run_until_cut(stage: Stage, cut: Cut, line: WarmLine) -> bool:
    """Let a run work until the power fails, and leave the copy of its disk; False when it had ended by then."""
    image = cut.folder / "image"
    _command("cp", stage.image, image)
    with mounted(image, cut.disk) as device, ThreadPoolExecutor(1) as thread:
        STUDY.write(cut.disk, stage.vendor.url, cut.marker.removeprefix("of ").removesuffix("."))
        _command("sync", "--file-system", cut.disk)
        run = thread.submit(cut.order, line, "run", "study.yaml", "-y")
        _await_the_moment(run, cut.folder / "diary", Random(cut.marker))
        pid = _freeze(line, run)
        _snapshot(image, cut.folder / "copy", device)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    return pid is not None


def _freeze(line: WarmLine, run: Future[Finished]) -> int | None:
    """Stop the run where it stands and give its process; None when it has ended already."""
    while not run.done():
        if (pid := line.running()) is not None:
            os.kill(pid, signal.SIGSTOP)
            return pid
    return None


def _await_the_moment(run: Future[Finished], diary: Path, random: Random) -> None:
    """Wait until the power shall fail: while the run starts, just after a random commit, or a little later."""
    commits = 0 if random.random() < AT_STARTUP else random.randint(1, STUDY.jobs * COMMITS_A_JOB)
    while not run.done() and len(_commits(diary)) < commits:
        time.sleep(_LOOK_EVERY_S)
    if commits == 0 or random.random() < AFTER_A_COMMIT:
        time.sleep(random.uniform(0, STARTUP_S if commits == 0 else LATER_S))


def _commits(diary: Path) -> list[Commit]:
    """Read the changes that the diary tells of: whose, what happened, and where it led."""
    if not diary.exists():
        return []
    lines = [json.loads(line) for line in diary.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [(line["key"], line["event"].removeprefix("job."), line["after"]) for line in lines if line["event"].startswith("job.")]


def _recorded(disk: Path) -> list[Commit]:
    """Read the changes that the database tells of."""
    try:
        events = select(disk / "batchgen.db", "SELECT key, event, after FROM v_events")
    except sqlite3.DatabaseError:
        return []
    return [(event["key"], event["event"], event["after"]) for event in events]


def _snapshot(image: Path, copy: Path, device: str) -> None:
    """Copy the image while nothing is written to it: a copy during which the file system wrote is no moment in time."""
    counters = Path(f"/sys/block/{device}/stat")
    while True:
        before = counters.read_text().split()
        _command("cp", image, copy)
        after = counters.read_text().split()
        if before[_WRITES] == after[_WRITES] and after[_IN_FLIGHT] == "0":
            return


def _go_on(stage: Stage, cut: Cut, line: WarmLine) -> Findings:
    """Run again on what the power cut left, and again, and compare with the bill; a database that cannot be read is a violation."""
    again, database = cut.order(line, "run", "study.yaml", "-y"), cut.disk / "batchgen.db"
    bill = stage.vendor.charges(cut.marker)
    try:
        before = content(database)
        resumed, verified = cut.order(line, "resume", "-y"), cut.order(line, "verify")
        found, is_noop = audit(database, bill), content(database) == before
        states = {row["state"] for row in select(database, "SELECT state FROM v_jobs")}
    except sqlite3.DatabaseError as error:
        return Findings(duplicates=[], lost=[], violations=[f"the database cannot be read: {error}; {again.err}"])
    wrong = {
        f"the next run ended with {again.code}: {again.err}": again.code not in {0, 3},
        f"resuming ended with {resumed.code}: {resumed.err}": resumed.code != again.code,
        "resuming changed rows": not is_noop,
        "resuming ordered something": len(stage.vendor.charges(cut.marker)) != len(bill),
        f"verify: {verified.out}{verified.err}": verified.code != 0,
        f"states are {states}": not states <= {"saved", "ambiguous"},
    }
    return replace(found, violations=[*found.violations, *(text for text, is_wrong in wrong.items() if is_wrong)])


def row(kept: str, told: Sequence[Told], seconds: float) -> str:
    """Give the cuts of one way to keep a database as a row of the table."""
    found = [each.findings for each in told]
    sums = (
        len(told),
        sum(each.is_alive for each in told),
        sum(each.commits for each in told),
        sum(len(each.forgotten) for each in told),
        sum(len(each.duplicates) for each in found),
        sum(len(each.lost) for each in found),
        sum(len(each.violations) for each in found),
        sum(each.is_caught for each in told),
    )
    return "{:<14}  {:>4}  {:>5}  {:>7}  {:>9}  {:>10}  {:>4}  {:>10}  {:>6}  {:>7.0f}".format(kept, *sums, seconds)


def cuts(stage: Stage, kept: str, count: int, *, first: int = 1) -> list[Told]:
    """Play that many cuts, some at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(partial(play, stage, kept), range(first, first + count)))


def main() -> int:
    """Read the options, cut, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=100, help="of each durable way to keep a database")
    parser.add_argument("--controls", type=int, default=20, help="cuts of each way that is not durable")
    parser.add_argument("--seed", type=int, default=1, help="of the first cut; later ones count up")
    options = parser.parse_args()
    if reason := hindrance():
        sys.stdout.write(f"skipped: {reason}\n")
        return 0
    sys.stdout.write(HEAD + "\n")
    is_good = True
    with stages() as stage:
        for kept in (*DURABLE, *CONTROLS):
            began_at = time.monotonic()
            told = cuts(stage, kept, options.cuts if kept in DURABLE else options.controls, first=options.seed)
            sys.stdout.write(row(kept, told, time.monotonic() - began_at) + "\n")
            if kept in DURABLE:
                sys.stdout.writelines(f"    cut {each.seed}: {text}\n" for each in told for text in each.sentences())
                is_good &= not any(each.sentences() for each in told)
            else:
                is_good &= any(each.is_caught for each in told)
            sys.stdout.flush()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
