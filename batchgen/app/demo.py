"""The demo: a real run against the simulator, killed in the middle, resumed, verified, and held against the vendor's own bill."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchgen.app import database
from batchgen.app.calling import own_words, program
from batchgen.app.deciding import resolve
from batchgen.app.gallery import INDEX, write_report
from batchgen.app.progress import Progress
from batchgen.app.reading import JobFilter, counts, jobs, status
from batchgen.app.wording import counted
from batchgen.core.errors import InputError
from batchgen.core.states import State
from batchgen.settings import Settings
from batchgen.sim.child import start_in_child
from batchgen.sim.options import SimOptions

_BATCH: Final = "demo"
_KEY: Final = "sk-demo"
_LOOK_EVERY_S: Final = 0.05
_PATIENCE_S: Final = 120.0
_PROMPTS: Final = (
    "A lighthouse in fog, seen from a small boat",
    "A neon sign that says OPEN, rain on the street",
    "A heron on one leg, ink on rice paper",
    "Four apples and a knife on a wooden table",
    "A paper map of an island that does not exist",
    "The inside of a clock, brass and shadow",
)
_MODELS: Final = ("gpt-image-2", "nano-banana-2")
_RATIOS: Final = ("1:1", "16:9")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Where the demo plays: its folder, and how its commands are called."""

    folder: Path
    environment: dict[str, str]

    @property
    def db(self) -> Path:
        """Give the path of the demo's database."""
        return self.folder / "demo.db"

    def command(self, *words: str) -> list[str]:
        """Give the words of a child process that runs one batchgen command, as a person would type them where the demo was started."""
        return [*own_words(), "--db", str(self.db), *words]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start one command; it talks to the same terminal."""
        return subprocess.Popen(self.command(*words), env=self.environment)  # noqa: S603 - our own command line

    def settings(self) -> Settings:
        """Give the settings under which the demo's database is read."""
        return Settings.from_environment({}, db=str(self.db))


def play(folder: Path, *, jobs: int, say: Say) -> int:
    """Play the demo in a new folder and leave everything there; give the exit code of its last command.

    Takes well under a minute. Raises InputError when the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already; remove it, or name another with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    ledger = folder.resolve() / "vendor-ledger.jsonl"
    options = SimOptions(profile="rough", seed=7, latency_s=1.2, max_running=16, ledger=ledger)
    with start_in_child(options, log_path=folder / "vendor.log") as vendor:
        (folder / "demo.yaml").write_text(_manifest(vendor.url, jobs), encoding="utf-8")
        stage = _Stage(folder=folder, environment={**os.environ, "BATCHGEN_DEMO_KEY": _KEY})
        say(f"1. A vendor answers on {vendor.url}: it bills, throttles, breaks downloads (profile rough).")
        say("2. The run starts …")
        saved = _run_until_killed(stage, at=jobs * 2 // 5)
        if sys.stderr.isatty():
            say("")  # a process that is killed leaves its view in the middle of a line
        say(f"3. … and is killed with SIGKILL after {counted(saved, 'image')}. What the database knows:")
        _finish(stage, "status", _BATCH)
        say("4. The same batch is resumed:")
        code = _finish(stage, "resume", _BATCH)
        if _settle_doubts(vendor.url, stage, say):
            code = _finish(stage, "resume", _BATCH)
        say("5. Every invariant checked, every file re-hashed:")
        code = _finish(stage, "verify", _BATCH) or code
        say(f"6. {_bill(vendor.url, stage)}")
    report = folder / "report"
    write_report(stage.settings(), JobFilter(batch=_BATCH), report, progress=Progress())
    command = database.command(stage.settings())
    say("")
    say(f"Look at the pictures:     {shlex.quote(str(report / INDEX))}")
    say(f"Look at all jobs:         {command} jobs")
    say(f"Look at one job's story:  {command} show {_any_key(stage)}")
    say(f"Start your own:           {program()} init nights && {program()} plan nights/manifest.yaml")
    return code


def _any_key(stage: _Stage) -> str:
    """Give the beginning of some job's key, of a saved one if there is any."""
    found = next(jobs(stage.settings(), JobFilter(batch=_BATCH, states=(State.SAVED, *State), limit=1)))
    return str(found["key"])[:8]


def _manifest(url: str, jobs: int) -> str:
    cells = len(_MODELS) * len(_RATIOS)
    prompts = [_PROMPTS[index % len(_PROMPTS)] for index in range(min(len(_PROMPTS), -(-jobs // cells)))]
    samples = max(1, -(-jobs // (cells * len(prompts))))
    lines = "\n".join(f"  - {json.dumps(prompt)}" for prompt in prompts)
    return f"""\
version: 1
name: {_BATCH}
provider:
  base_url: {url}
  api_key_env: BATCHGEN_DEMO_KEY
defaults: {{resolution: 1k}}
prompts:
{lines}
grid:
  model: [{", ".join(_MODELS)}]
  ratio: [{", ".join(_RATIOS)}]
samples: {samples}
output: {{dir: out, name: "{{{{ prompt_id }}}}/{{{{ cell }}}}_s{{{{ sample }}}}_{{{{ key8 }}}}"}}
limits: {{in_flight: 12}}
retry: {{attempts: 5, backoff: {{initial: 500ms, max: 5s}}}}
"""


def _run_until_killed(stage: _Stage, *, at: int) -> int:
    """Start the run, kill it with SIGKILL once ``at`` images are saved, and give how many were."""
    worker = stage.start("run", str(stage.folder / "demo.yaml"), "-y")
    give_up_at = time.monotonic() + _PATIENCE_S
    while worker.poll() is None and time.monotonic() < give_up_at:
        saved = counts(stage.settings(), _BATCH).get(State.SAVED, 0) if stage.db.exists() else 0
        if saved >= at:
            break
        with suppress(subprocess.TimeoutExpired):
            worker.wait(_LOOK_EVERY_S)
    if worker.poll() is None:
        worker.send_signal(signal.SIGKILL)
    worker.wait()
    return counts(stage.settings(), _BATCH).get(State.SAVED, 0)


def _finish(stage: _Stage, *words: str) -> int:
    return stage.start(*words).wait()


def _settle_doubts(url: str, stage: _Stage, say: Say) -> int:
    """Decide about orders that the kill left in doubt, as an operator would who looks at the vendor's bill; give how many."""
    doubts = status(stage.settings(), _BATCH)[0].figures.ambiguous
    billed = {line["body_sha256"]: line["task_id"] for line in _ledger(url) if line["event"] == "charge"}
    taken = {job["task_id"] for job in jobs(stage.settings(), JobFilter(batch=_BATCH))}
    for doubt in doubts:
        task_id = billed.get(doubt["body_sha256"])
        found = task_id if task_id not in taken else None
        reason = "found on the vendor's bill" if found else "not on the vendor's bill"
        say(f"   The kill fell between an order and its answer: {doubt['key'][:8]} is ambiguous, and was not ordered again.")
        say("   " + resolve(stage.settings(), doubt["key"], reason=reason, task_id=found, answer="not_billed"))
    return len(doubts)


def _ledger(url: str) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"{url}/_sim/ledger") as answer:  # noqa: S310 - our own simulator on loopback
        lines: list[dict[str, str]] = json.load(answer)
    return lines


def _bill(url: str, stage: _Stage) -> str:
    """Hold the vendor's own ledger against the job table."""
    lines = _ledger(url)
    charged = _tasks(lines, "charge")
    refunded = _tasks(lines, "refund")
    saved = counts(stage.settings(), _BATCH).get(State.SAVED, 0)
    verdict = _verdict(len(charged) - len(refunded), saved, database.command(stage.settings()))
    billed = f"The vendor billed {counted(len(charged), 'task')} and refunded {len(refunded)}"
    return f"{billed}; {counted(saved, 'image')} saved: {verdict}"


def _verdict(paid: int, saved: int, command: str) -> str:
    if paid == saved:
        return "none bought twice, none lost."
    return f"{paid - saved} are still with the vendor or in doubt; {command} status says which."


def _tasks(lines: Sequence[dict[str, str]], event: str) -> set[str]:
    return {line["task_id"] for line in lines if line["event"] == event}
