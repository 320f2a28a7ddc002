"""Faults at every system call: a run of two jobs dies, or is told of a full or failing disk, at the k-th call of one kind.

    python tests/crash/syscalls.py --every 1
    python tests/crash/syscalls.py --errors --every 10 --set fsync --set link

strace counts the calls of each thread by itself, so a clean run is traced first, and every thread is then attacked alone: all k up to the
clean run's count, and on until the run ends clean. strace attaches to a fork of a warm interpreter that waits for it, so the first call
counted is the command's own. After the fault the same command runs again without strace, then ``resume``: by then there is nothing to do,
and the vendor's bill, the job table and the disk must tell the same story. Prints a line for each kind of call, what is wrong, and the
totals; exits 1 when anything is wrong.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from queue import Queue

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.audit import Findings, audit, content, select
from tests.crash.studies import PAIR
from tests.crash.warm import WarmLine, warm_lines
from tests.support.cli import CommandLine, Finished, Vendor, open_vendor

DISK = {
    "write": "write",
    "pwrite64": "pwrite64",
    "fdatasync": "fdatasync",
    "fsync": "fsync",
    "link": "?link,linkat",
    "rename": "?rename,?renameat,renameat2",
    "unlink": "?unlink,unlinkat",
    "ftruncate": "ftruncate",
}
SETS = {**DISK, "send": "sendto,sendmsg", "receive": "recvfrom,recvmsg", "connect": "connect"}
"""Kinds of calls, as strace names them; a question mark stands before those that some machines do not have."""

KILL = "signal=KILL:when={call}"
ERRORS = tuple(f"error={name}:when={{call}}{times}" for times in ("", "+") for name in ("ENOSPC", "EIO", "EINTR"))
AT_ONCE = 8
PATIENCE_S, FOREVER_S = 60, 8
"""A fault that stays is ended from outside: what was bought is tried to be recorded for a minute, and an interrupted call for ever."""

SIGKILL, SIGALRM = -9, -14
HEAD = "fault                    calls      points    hit  duplicates  lost  violations  seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The k-th call of a kind in one thread, and what happens there."""

    fault: str
    kind: str
    thread: str
    call: int

    @property
    def stays(self) -> bool:
        """Say whether all later calls of the thread fail too."""
        return self.fault.endswith("+")

    def __str__(self) -> str:
        """Name the point, also as the marker of its prompts."""
        return f"{self.fault.format(call=self.call)} {self.kind} {self.thread}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a fault: whether it struck, and all that was wrong afterwards."""

    point: Point
    is_hit: bool
    findings: Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A vendor, some warm interpreters, and a folder with an empty job database."""

    vendor: Vendor
    lines: "Queue[WarmLine]"
    folder: Path

    @contextmanager
    def line(self) -> Iterator[WarmLine]:
        """Lend a warm interpreter."""
        line = self.lines.get()
        try:
            yield line
        finally:
            self.lines.put(line)

    def new(self, name: str) -> Path:
        """Make a folder with an empty job database and a manifest whose prompts hold the name."""
        folder = self.folder / re.sub(r"\W+", "-", name)
        folder.mkdir()
        shutil.copy(self.folder / "batchgen.db", folder)
        PAIR.write(folder, self.vendor.url, name)
        return folder


def hindrance() -> str:
    """Say what keeps this machine from injecting faults; empty if nothing does."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with subprocess.Popen(["sleep", "60"]) as target:
        command = ["strace", "-o", "/dev/null", "-p", str(target.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as strace:
            said = strace.stderr.readline().strip() if strace.stderr else ""
            target.kill()
    return "" if "attached" in said else f"strace may not attach to processes here: {said}"


@contextmanager
def stages() -> Iterator[Stage]:
    """Set a stage."""
    with tempfile.TemporaryDirectory(prefix="batchgen-syscalls-") as name:
        folder = Path(name)
        with open_vendor(latency_s=0.02) as vendor, warm_lines(AT_ONCE, folder) as lines:
            stage = Stage(vendor=vendor, lines=lines, folder=folder)
            with stage.line() as line:
                created = line(folder, "db", "upgrade")
            if created.code:
                raise RuntimeError(created.err)
            yield stage


def calls_of(stage: Stage, kinds: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count the calls of each kind in each thread of a run that nothing disturbs."""
    folder = stage.new("clean")
    log = folder / "strace.log"
    options = ["-f", "-o", str(log), "-e", f"trace={','.join(SETS[kind] for kind in kinds)}"]
    with stage.line() as line:
        ended = _traced(line, folder, "MainThread", options, PATIENCE_S)
    if ended.code:
        raise RuntimeError(ended.err)
    names = dict(note.split(" ", 1) for note in (folder / "threads").read_text().splitlines())
    kind_of = {name.strip("?"): kind for kind in kinds for name in SETS[kind].split(",")}
    entered = re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE)
    ours = [(kind_of[call], names[thread]) for thread, call in entered if call in kind_of and thread in names]
    return Counter(ours)  # without those of the children that judge pictures


def _traced(line: WarmLine, folder: Path, thread: str, options: list[str], patience_s: int) -> Finished:
    trace = {"thread": thread, "threads": str(folder / "threads"), "options": options}
    return line(folder, "run", "study.yaml", "-y", strace=trace, patience_s=patience_s)


def strike(stage: Stage, point: Point) -> Told:
    """Play one fault and what follows."""
    folder = stage.new(str(point))
    log, database, marker = folder / "strace.log", folder / "batchgen.db", f"of {point}."
    options = ["-o", str(log), "-e", f"trace={SETS[point.kind]}", "-e", f"inject={SETS[point.kind]}:{point.fault.format(call=point.call)}"]
    with stage.line() as line:
        struck = _traced(line, folder, point.thread, options, FOREVER_S if point.stays else PATIENCE_S)
        is_hit = struck.code == SIGKILL if point.fault == KILL else log.exists() and "(INJECTED)" in log.read_text()
        again = line(folder, "run", "study.yaml", "-y")
        before, bill = content(database), stage.vendor.charges(marker)
        resumed, verified = line(folder, "resume", "-y"), line(folder, "verify")
    found = audit(database, bill)
    wrong = {
        f"the struck run ended with {struck.code}: {struck.err}": not _is_fitting(struck, point, is_hit=is_hit),
        f"the next run ended with {again.code}: {again.err}": again.code not in {0, 3},
        f"resuming ended with {resumed.code}: {resumed.err}": resumed.code != again.code,
        "resuming changed rows": content(database) != before,
        "resuming ordered something": len(stage.vendor.charges(marker)) != len(bill),
        f"verify: {verified.out}{verified.err}": verified.code != 0,
        "the API key is in a file": bool(CommandLine(folder=folder).leaks()),
        **_state_of(database, exit_code=again.code),
    }
    shutil.rmtree(folder)
    violations = [*found.violations, *(text for text, is_wrong in wrong.items() if is_wrong)]
    return Told(point=point, is_hit=is_hit, findings=Findings(duplicates=found.duplicates, lost=found.lost, violations=violations))


def _is_fitting(struck: Finished, point: Point, *, is_hit: bool) -> bool:
    """Say whether a run may end so: killed when killed, with a sentence and an exit code after an error, and otherwise clean."""
    if point.fault == KILL:
        return struck.code == (SIGKILL if is_hit else 0)
    return struck.code in {0, *({3, 5, 7} if is_hit else ()), *({SIGALRM} if point.stays else ())}


def _state_of(database: Path, *, exit_code: int) -> dict[str, bool]:
    """Judge the rows: all there, each saved or held, and the exit code tells of those held."""
    states = Counter(row["state"] for row in select(database, "SELECT state FROM v_jobs"))
    return {
        f"states are {dict(states)}": states.total() != PAIR.jobs or not set(states) <= {"saved", "ambiguous"},
        f"exit code {exit_code} does not tell of {states['ambiguous']} held rows": (exit_code == 3) != (states["ambiguous"] > 0),
    }


def walk(stage: Stage, fault: str, kind: str, counts: Counter[tuple[str, str]], every: int) -> list[Told]:
    """Strike every n-th call of a kind in every thread; with every call also those beyond the clean run's, until a run ends clean."""
    chosen = points([fault], [kind], counts)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = list(pool.map(partial(strike, stage), chosen[::every]))
    for last in _last_of_threads(chosen) if every == 1 else ():
        for call in count(last.call + 1):
            told.append(strike(stage, replace(last, call=call)))
            if not told[-1].is_hit:
                break
    return told


def points(faults: Sequence[str], kinds: Sequence[str], counts: Counter[tuple[str, str]]) -> list[Point]:
    """Give every call of a clean run as a point to strike."""
    return [
        Point(fault=fault, kind=kind, thread=thread, call=call)
        for fault in faults
        for (kind, thread), number in counts.items()
        for call in range(1, number + 1)
        if kind in kinds
    ]


def _last_of_threads(chosen: Sequence[Point]) -> Iterable[Point]:
    return {point.thread: point for point in chosen}.values()


def row(fault: str, kind: str, told: Sequence[Told], seconds: float) -> str:
    """Give a kind of calls, or all of them, as a row of the table."""
    found = [each.findings for each in told]
    sums = (len(told), sum(each.is_hit for each in told), *(sum(map(len, each)) for each in _columns(found)))
    return "{:<23}  {:<9}  {:>6}  {:>5}  {:>10}  {:>4}  {:>10}  {:>7.0f}".format(fault.format(call="k"), kind, *sums, seconds)


def _columns(found: Sequence[Findings]) -> tuple[list[Sequence[str]], ...]:
    return [each.duplicates for each in found], [each.lost for each in found], [each.violations for each in found]


def play(fault: str, kinds: Sequence[str], every: int) -> Iterator[Told]:
    """Play all faults of one sort, on a stage of their own, and print what came of them."""
    with stages() as stage:
        counts = calls_of(stage, kinds)
        for kind in kinds:
            began_at = time.monotonic()
            told = walk(stage, fault, kind, counts, every)
            sys.stdout.write(row(fault, kind, told, time.monotonic() - began_at) + "\n")
            for each in told:
                sys.stdout.writelines(f"    {each.point}: {text}\n" for text in each.findings.sentences())
            sys.stdout.flush()
            yield from told


def main() -> int:
    """Read the options, play, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only each N-th call")
    parser.add_argument("--set", action="append", choices=list(SETS), help="only these kinds of calls")
    parser.add_argument("--errors", action="store_true", help="errors at the calls to the disk, once and forever, instead of death")
    options = parser.parse_args()
    if reason := hindrance():
        sys.stdout.write(f"skipped: {reason}\n")
        return 0
    began_at = time.monotonic()
    faults, kinds = (ERRORS, DISK) if options.errors else ((KILL,), SETS)
    chosen = [kind for kind in kinds if kind in (options.set or kinds)]
    sys.stdout.write(HEAD + "\n")
    told = [each for fault in faults for each in play(fault, chosen, options.every)]
    sys.stdout.write(row("total", "", told, time.monotonic() - began_at) + "\n")
    return 1 if any(each.findings.sentences() for each in told) else 0


if __name__ == "__main__":
    sys.exit(main())
