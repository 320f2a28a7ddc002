"""Where a demo plays: its folder, its vendor, its manifest, and how all is held against the vendor's bill in the end."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchgen.app import database
from batchgen.app.calling import own_words
from batchgen.app.deciding import resolve
from batchgen.app.reading import JobFilter, counts, jobs, status
from batchgen.app.wording import counted
from batchgen.core.errors import InputError
from batchgen.core.states import State
from batchgen.settings import Settings
from batchgen.sim.child import start_in_child
from batchgen.sim.options import SimOptions

BATCH: Final = "demo"
_KEY: Final = "sk-demo"
LOOK_EVERY_S: Final = 0.05
PATIENCE_S: Final = 120.0
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


@contextmanager
def vendor(folder: Path) -> Iterator[str]:
    """Make the demo's folder and start a vendor that bills and misbehaves; give its address.

    Raises InputError when the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already; remove it, or name another with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    options = SimOptions(profile="rough", seed=7, latency_s=1.2, max_running=16, ledger=folder.resolve() / "vendor-ledger.jsonl")
    with start_in_child(options, log_path=folder / "vendor.log") as found:
        yield found.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the demo plays: its folder, and how its commands are called."""

    folder: Path
    db: str
    environment: dict[str, str]

    @classmethod
    def on(cls, folder: Path, db: str, manifest: str) -> "Stage":
        """Write the demo's manifest into its folder, and give the stage; the manifest's key is a made-up one."""
        (folder / f"{BATCH}.yaml").write_text(manifest, encoding="utf-8")
        return cls(folder=folder, db=db, environment={**os.environ, "BATCHGEN_DEMO_KEY": _KEY})

    def command(self, *words: str) -> list[str]:
        """Give the words of a child process that runs one batchgen command, as a person would type them where the demo was started."""
        return [*own_words(), "--db", self.db, *words]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start one command; it talks to the same terminal."""
        return subprocess.Popen(self.command(*words), env=self.environment)  # noqa: S603 - our own command line

    def settings(self) -> Settings:
        """Give the settings under which the demo's database is read."""
        return Settings.from_environment({}, db=self.db, log_file=self.folder / "batchgen.log")


def any_key(stage: Stage) -> str:
    """Give the beginning of some job's key, of a saved one if there is any."""
    found = next(jobs(stage.settings(), JobFilter(batch=BATCH, states=(State.SAVED, *State), limit=1)))
    return str(found["key"])[:8]


def manifest(url: str, jobs: int) -> str:
    """Give a manifest of about so many jobs: prompts times models, ratios and samples."""
    cells = len(_MODELS) * len(_RATIOS)
    prompts = [_PROMPTS[index % len(_PROMPTS)] for index in range(min(len(_PROMPTS), -(-jobs // cells)))]
    samples = max(1, -(-jobs // (cells * len(prompts))))
    lines = "\n".join(f"  - {json.dumps(prompt)}" for prompt in prompts)
    return f"""\
version: 1
name: {BATCH}
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


def finish(stage: Stage, *words: str) -> int:
    """Run one command to its end on the same terminal; give its exit code."""
    return stage.start(*words).wait()


def settle_doubts(url: str, stage: Stage, say: Say) -> int:
    """Decide about orders that the kill left in doubt, as an operator would who looks at the vendor's bill; give how many."""
    doubts = status(stage.settings(), BATCH)[0].figures.ambiguous
    billed = {line["body_sha256"]: line["task_id"] for line in _ledger(url) if line["event"] == "charge"}
    taken = {job["task_id"] for job in jobs(stage.settings(), JobFilter(batch=BATCH))}
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


def bill(url: str, stage: Stage) -> str:
    """Hold the vendor's own ledger against the job table."""
    lines = _ledger(url)
    charged = _tasks(lines, "charge")
    refunded = _tasks(lines, "refund")
    saved = counts(stage.settings(), BATCH).get(State.SAVED, 0)
    verdict = _verdict(len(charged) - len(refunded), saved, database.command(stage.settings()))
    billed = f"The vendor billed {counted(len(charged), 'task')} and refunded {len(refunded)}"
    return f"{billed}; {counted(saved, 'image')} saved: {verdict}"


def _verdict(paid: int, saved: int, command: str) -> str:
    if paid == saved:
        return "none bought twice, none lost."
    return f"{paid - saved} are still with the vendor or in doubt; {command} status says which."


def _tasks(lines: Sequence[dict[str, str]], event: str) -> set[str]:
    return {line["task_id"] for line in lines if line["event"] == event}
