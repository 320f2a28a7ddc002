"""One chain: a run that is killed at random moments, resumed each time, and brought to its end."""

import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.crash.audit import Findings, audit, select
from tests.support.cli import CommandLine, Finished, Vendor

ROUNDS = 6
_TIMEOUT_S = 1800.0
_LOOK_EVERY_S = 0.005
_STARTUP_S = 1.5
_AT_STARTUP = 0.2
_AT_AN_ANSWER = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a chain went."""

    kills: int
    resolved: int
    retried: int
    states: Mapping[str, int]
    findings: Findings
    ended: str
    verified: str
    violated: bool
    wall_s: float

    @property
    def is_clean(self) -> bool:
        """Say whether everything promised held: all saved, nothing bought twice, nothing lost, every invariant true."""
        return not self.findings.sentences() and not self.violated and set(self.states) == {"saved"}


def play(cli: CommandLine, vendor: Vendor, manifest: Path, *, batch: str, kills: int, seed: int) -> Told:
    """Start the manifest's run, kill it up to ``kills`` times at random moments, and bring it to its end."""
    began_at = time.monotonic()
    random = Random(seed)
    rows = int(cli("plan", manifest, "--json").document["rows"])
    killed = 0
    while killed < kills and _start_and_kill(cli, vendor, manifest, batch, rows, random):
        killed += 1
    resolved, retried, last = _bring_to_end(cli, vendor, manifest, batch)
    verified = cli("verify", batch, timeout_s=_TIMEOUT_S)
    database = cli.folder / "batchgen.db"
    states = {row["state"]: row["jobs"] for row in select(database, "SELECT state, count(*) AS jobs FROM v_jobs GROUP BY state")}
    return Told(
        kills=killed,
        resolved=resolved,
        retried=retried,
        states=states,
        ended=f"exit {last.code}: {(last.err or last.out).strip()[-200:]}",
        findings=audit(database, vendor.charges()),
        verified=verified.out.strip().splitlines()[-1] if verified.out else verified.err,
        violated=verified.code != 0,
        wall_s=time.monotonic() - began_at,
    )


def _start_and_kill(cli: CommandLine, vendor: Vendor, manifest: Path, batch: str, rows: int, random: Random) -> bool:
    """Start or resume the run and kill it at a random moment; False when it ended before."""
    stored = [row["batch"] for row in select(cli.folder / "batchgen.db", "SELECT DISTINCT batch FROM v_jobs")]
    resumes = batch in stored and random.random() < 0.5
    words = ("resume", batch, "-y") if resumes else ("run", manifest, "-y")
    with cli.background(*words) as process:
        _wait_for_the_moment(process, vendor, rows, random)
        process.send_signal(signal.SIGKILL)
        return cli.finish(process).code == -signal.SIGKILL


def _wait_for_the_moment(process: subprocess.Popen[str], vendor: Vendor, rows: int, random: Random) -> None:
    """Wait until the process shall die: while it starts, just as an order is being answered, or anywhere else."""
    ordered = int(vendor.stats()["accepted"])
    if ordered < rows and random.random() >= _AT_STARTUP:
        target = random.randint(ordered + 1, rows)
        while process.poll() is None and vendor.stats()["accepted"] < target:
            time.sleep(_LOOK_EVERY_S)
        if random.random() < _AT_AN_ANSWER:
            return
    moment = time.monotonic() + random.uniform(0, _STARTUP_S)
    while process.poll() is None and time.monotonic() < moment:
        time.sleep(_LOOK_EVERY_S)


def _bring_to_end(cli: CommandLine, vendor: Vendor, manifest: Path, batch: str) -> tuple[int, int, Finished]:
    """Resume, decide what needs a decision from the vendor's bill, and resume again until all is saved.

    Gives how many rows were resolved and retried, and how the last run ended.
    """
    resolved = retried = 0
    last = cli("run", manifest, "-y", timeout_s=_TIMEOUT_S)
    for _ in range(ROUNDS):
        held = select(cli.folder / "batchgen.db", "SELECT key, body_sha256 FROM v_ambiguous")
        failed = select(cli.folder / "batchgen.db", "SELECT key FROM v_jobs WHERE state = 'failed'")
        if not held and not failed:
            break
        tasks = {charge["body_sha256"]: charge["task_id"] for charge in vendor.charges()} if held else {}
        for job in held:
            task_id = tasks.get(job["body_sha256"])
            answer = ("--task-id", task_id) if task_id else ("--not-billed",)
            resolved += cli("resolve", job["key"], *answer, "--reason", "looked up on the bill").code == 0
        if failed:
            retried += len(failed)
            cli("retry", batch, "-y", "--reason", "the vendor was ill")
        last = cli("resume", batch, "-y", timeout_s=_TIMEOUT_S)
    return resolved, retried, last
