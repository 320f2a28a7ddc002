"""Chaos over a pool: workers killed and frozen, the database struck down, COMMITs cut, while orders go out to a simulator with faults.

    python tests/crash/machines.py --kills 500 --restarts 100 --rows 5000

Half of the workers have a network and a count of processes of their own, as on other machines, where this is allowed: they are missed
only when their lease runs out. Rounds of so many rows follow each other until the deaths are done; each is brought to its end, decided by
the vendor's bill, and held against it. Prints a line for each round; exits 1 when an order was billed twice, a paid picture is missing, or
an invariant is broken.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from batchgen.store.embedded import EmbeddedServer
from tests.crash.apart import pass_on
from tests.crash.audit import Findings, compare
from tests.support.cli import CommandLine, Vendor, open_vendor, study
from tests.support.pg_relay import PgRelay, relayed
from tests.support.servers import pg_server, rows_of

LEASE_S = 6.0
FREEZE_S = 1.5 * LEASE_S
BATCH = "study"
_CUTS = ("before", "after")
_APART = ("unshare", "--pid", "--fork", "--kill-child", "--uts", "--net")
"""A machine of its own: nobody outside can ask whether its processes live, and its network reaches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """How much chaos: seconds between the deaths of workers, and of the database, each drawn anew; one COMMIT in so many is cut."""

    workers: int = 4
    between_kills_s: tuple[float, float] = (2.0, 5.0)
    between_restarts_s: tuple[float, float] = (5.0, 40.0)
    one_cut_in: int = 400
    freezes: float = 0.15
    """The share of strikes that freeze a worker for longer than its lease instead of killing it."""


@dataclass(slots=True, kw_only=True)
class Struck:
    """What was done to a pool."""

    kills: int = 0
    freezes: int = 0
    restarts: int = 0
    cuts: int = 0
    left: Counter[int] = field(default_factory=Counter)
    """How workers ended by themselves: 0 and 3 at the end, 7 when the database was away, 8 when taken for dead."""


@dataclass(frozen=True, slots=True)
class Door:
    """The way to a vendor from networks that reach nothing: its port, and the socket through which what comes there is passed on."""

    port: int
    path: Path


class Worker:
    """One process of the pool, started anew whenever it ended, until it is told to rest."""

    def __init__(self, cli: CommandLine, url: str, number: int, *, door: Door | None) -> None:
        self._cli, self._url, self._number = cli, url, number
        self._door = door
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on a machine of its own where there is a door from there to the vendor."""
        words = [sys.executable, "-m", "batchgen", "--db", self._url, "--log-file", f"worker-{self._number}.log"]
        words += ["work", "--batch", BATCH, "--drain", "--lease", str(LEASE_S)]
        if self._door is not None:
            machine = [sys.executable, str(Path(__file__).with_name("apart.py")), f"machine-{self._number}", str(self._door.port)]
            words = [*_APART, *machine, str(self._door.path), *words]
        with (self._cli.folder / f"worker-{self._number}.out").open("ab") as out:
            self.process = subprocess.Popen(
                words, cwd=self._cli.folder, env=self._cli.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def pid(self) -> int | None:
        """Give the process that works; on a machine of its own, the child of its first process."""
        if self.process is None or self.process.poll() is not None:
            return None
        pid = self.process.pid
        with suppress(OSError, IndexError):
            for _ in range(2 if self._door is not None else 0):
                pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            return pid
        return None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to the process that works; say whether there was one."""
        with suppress(ProcessLookupError):
            if (pid := self.pid()) is not None:
                os.kill(pid, number)
                return True
        return False

    def ended(self) -> int | None:
        """Give the exit code, None while it works."""
        return None if self.process is None else self.process.poll()


def may_be_apart() -> bool:
    """Say whether processes may be counted apart here."""
    return shutil.which("unshare") is not None and subprocess.run([*_APART, "true"], check=False, capture_output=True).returncode == 0


@contextmanager
def door_to(port: int, folder: Path) -> Iterator[Door]:
    """Open a door to a vendor on loopback."""
    found = Door(port, folder / "vendor.socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(found.path))
        listening.listen()
        threading.Thread(target=pass_on, args=(listening, socket.AF_INET, ("127.0.0.1", port)), daemon=True).start()
        try:
            yield found
        finally:
            listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def pool(cli: CommandLine, relay: PgRelay, dose: Dose, door: Door) -> Iterator[list[Worker]]:
    """Start the workers, every second on a machine of its own where this is allowed; whatever still lives at the end is killed."""
    is_apart = may_be_apart()
    workers = [Worker(cli, relay.url, number, door=door if is_apart and number % 2 else None) for number in range(dose.workers)]
    try:
        for worker in workers:
            worker.start()
        yield workers
    finally:
        for worker in workers:
            worker.send(signal.SIGCONT)
            worker.send(signal.SIGKILL)
            if worker.process is not None:
                worker.process.kill()
                worker.process.wait()


class Chaos:
    """Strikes a pool until so many deaths are done, or nothing is left to do."""

    def __init__(self, server: EmbeddedServer, relay: PgRelay, workers: list[Worker], dose: Dose, random: Random) -> None:
        self._server, self._relay, self._workers, self._dose, self._random = server, relay, workers, dose, random
        self.struck = Struck()
        relay.on_commit = self._maybe_cut

    def rage(self, *, kills: int, restarts: int) -> None:
        """Strike until both numbers are reached, or every worker has nothing left to do."""
        now = time.monotonic()
        kill_at, restart_at, thaw = now + self._draw_kill(), now + self._draw_restart(), list[tuple[float, Worker]]()
        while self._is_at_work() and (self.struck.kills < kills or self.struck.restarts < restarts):
            time.sleep(0.05)
            now = time.monotonic()
            if now >= kill_at and self.struck.kills < kills:
                self._strike(self._random.choice(self._workers), now, thaw)
                kill_at = now + self._draw_kill()
            if now >= restart_at and self.struck.restarts < restarts:
                self._server.die()
                time.sleep(self._random.uniform(0.0, 2.0))
                self._server.live()
                self.struck.restarts += 1
                restart_at = time.monotonic() + self._draw_restart()
            for item in [item for item in thaw if item[0] <= now]:
                item[1].send(signal.SIGCONT)
                thaw.remove(item)
            self._start_again()
        for _, worker in thaw:
            worker.send(signal.SIGCONT)

    def calm(self) -> None:
        """Let the pool finish undisturbed."""
        self._relay.on_commit = lambda: None
        while self._is_at_work():
            time.sleep(0.05)
            self._start_again()

    def _strike(self, worker: Worker, now: float, thaw: list[tuple[float, Worker]]) -> None:
        if self._random.random() < self._dose.freezes:
            if all(frozen is not worker for _, frozen in thaw) and worker.send(signal.SIGSTOP):
                thaw.append((now + FREEZE_S, worker))
                self.struck.freezes += 1
        else:
            self.struck.kills += worker.send(signal.SIGKILL)

    def _is_at_work(self) -> bool:
        return any(worker.ended() not in {0, 3} for worker in self._workers)

    def _start_again(self) -> None:
        for worker in self._workers:
            code = worker.ended()
            if code is not None and code not in {0, 3}:
                self.struck.left[code] += 1
                worker.start()

    def _maybe_cut(self) -> None:
        if self._random.random() < 1 / self._dose.one_cut_in:
            self._relay.cuts.append(self._random.choice(_CUTS))  # type: ignore[arg-type] # mypy widens the literal
            self.struck.cuts += 1

    def _draw_kill(self) -> float:
        return self._random.uniform(*self._dose.between_kills_s)

    def _draw_restart(self) -> float:
        return self._random.uniform(*self._dose.between_restarts_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a round went."""

    struck: Struck
    states: dict[str, int]
    resolved: int
    retried: int
    findings: Findings
    verified: str
    violated: bool
    parts: int
    """Temporary files that workers left which froze, and died before they could remove them."""
    second: str
    """What a second start of the pool did, which is to be nothing."""
    jobs_per_s: float

    @property
    def is_clean(self) -> bool:
        """Say whether everything promised held."""
        return not self.findings.sentences() and not self.violated and set(self.states) == {"saved"} and not self.second


def play(folder: Path, *, rows: int, seed: int, kills: int, restarts: int, dose: Dose) -> Told:
    """Play one round in a new folder: store the rows, let the pool work under chaos, bring all to its end, and compare."""
    folder.mkdir()
    cli, random = CommandLine(folder=folder), Random(seed)
    with ExitStack() as stack:
        vendor = stack.enter_context(open_vendor(profile="rough", seed=seed, latency_s=0.5, fsync=True))
        server = stack.enter_context(pg_server())
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchgen-relay-")))
        relay = stack.enter_context(relayed(server.url, sockets))
        door = stack.enter_context(door_to(vendor.port, sockets))
        limits = {"in_flight": 40, "timeout": {"submit": "20s"}}
        cli.write(study(vendor.url, [f"picture {number} of round {seed}" for number in range(rows)], limits=limits))
        stored = cli("--db", server.url, "plan", "study.yaml", "--save", "--max-jobs", rows)
        assert stored.code == 0, stored.err
        began = time.monotonic()
        workers = stack.enter_context(pool(cli, relay, dose, door))
        chaos = Chaos(server, relay, workers, dose, random)
        chaos.rage(kills=kills, restarts=restarts)
        chaos.calm()
        took_s = time.monotonic() - began
        resolved, retried = _bring_to_end(cli, server, vendor)
        return _told(cli, server, vendor, chaos.struck, resolved, retried, jobs_per_s=rows / took_s)


def _bring_to_end(cli: CommandLine, server: EmbeddedServer, vendor: Vendor) -> tuple[int, int]:
    """Decide what needs a decision from the vendor's bill, and work again until all is saved."""
    resolved = retried = 0
    for _ in range(6):
        held = rows_of(server.url, "SELECT key, body_sha256 FROM v_ambiguous")
        failed = rows_of(server.url, "SELECT key FROM v_jobs WHERE state = 'failed'")
        if not held and not failed:
            break
        tasks = {charge["body_sha256"]: charge["task_id"] for charge in vendor.charges()}
        for job in held:
            answer = ("--task-id", task_id) if (task_id := tasks.get(job["body_sha256"])) else ("--not-billed",)
            resolved += cli("--db", server.url, "resolve", job["key"], *answer, "--reason", "looked up on the bill").code == 0
        if failed:
            retried += len(failed)
            cli("--db", server.url, "retry", BATCH, "-y", "--reason", "the vendor was ill")
        cli("--db", server.url, "work", "--batch", BATCH, "--drain", timeout_s=1800)
    return resolved, retried


def _told(
    cli: CommandLine, server: EmbeddedServer, vendor: Vendor, struck: Struck, resolved: int, retried: int, *, jobs_per_s: float
) -> Told:
    before, posts = rows_of(server.url, "SELECT count(*) AS events FROM event"), vendor.posts
    again = cli("--db", server.url, "resume", BATCH, "-y")
    second = f"exit {again.code}, {vendor.posts - posts} POSTs" if again.code or vendor.posts != posts else ""
    second += "" if rows_of(server.url, "SELECT count(*) AS events FROM event") == before else "; it recorded events"
    verified = cli("--db", server.url, "verify", BATCH, timeout_s=1800)
    states = {row["state"]: row["jobs"] for row in rows_of(server.url, "SELECT state, count(*) AS jobs FROM v_jobs GROUP BY state")}
    jobs, attempts = rows_of(server.url, "SELECT * FROM v_jobs"), rows_of(server.url, "SELECT * FROM v_attempts")
    return Told(
        struck=struck,
        states=states,
        resolved=resolved,
        retried=retried,
        findings=compare(jobs, attempts, vendor.charges(), parts_may_stay=True),
        parts=sum(1 for _ in (cli.folder / "out").rglob("*.part")),
        verified=verified.out.strip().splitlines()[-1] if verified.out else verified.err,
        violated=verified.code != 0,
        second=second,
        jobs_per_s=jobs_per_s,
    )


def line(seed: int, told: Told) -> str:
    """Tell a round in one line."""
    struck, found = told.struck, told.findings
    return (
        f"round {seed}: {told.states}, {told.jobs_per_s:.1f} jobs/s; {struck.kills} kills, {struck.freezes} freezes, "
        f"{struck.restarts} restarts, {struck.cuts} cuts; "
        f"ended {dict(struck.left)}; {told.resolved} resolved, {told.retried} retried; {told.parts} temporary files left; "
        f"duplicates {len(found.duplicates)}, lost {len(found.lost)}, violations {len(found.violations) + told.violated}"
        + (f"; second start: {told.second}" if told.second else "")
    )


def main() -> int:
    """Read the options, play rounds, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kills, restarts, is_clean = options.kills, options.restarts, True
    with tempfile.TemporaryDirectory(prefix="batchgen-machines-") as name:
        for seed in count(options.seed):
            told = play(Path(name) / str(seed), rows=options.rows, seed=seed, kills=kills, restarts=restarts, dose=Dose())
            kills, restarts = max(0, kills - told.struck.kills), max(0, restarts - told.struck.restarts)
            is_clean = is_clean and told.is_clean
            sys.stdout.write("\n       ".join([line(seed, told), *told.findings.sentences(), *[told.verified][: not told.is_clean]]) + "\n")
            sys.stdout.flush()
            shutil.rmtree(Path(name) / str(seed), ignore_errors=told.is_clean)
            if not kills and not restarts:
                break
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
