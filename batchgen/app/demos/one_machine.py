"""The demo on one machine: a run that is killed in the middle, resumed, verified, and held against the vendor's own bill."""

import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from batchgen.app import database
from batchgen.app.calling import program
from batchgen.app.demos.stage import BATCH, LOOK_EVERY_S, PATIENCE_S, Say, Stage, any_key, bill, finish, manifest, settle_doubts, vendor
from batchgen.app.gallery import INDEX, write_report
from batchgen.app.progress import Progress
from batchgen.app.reading import JobFilter, counts
from batchgen.app.wording import counted
from batchgen.core.states import State


def play(folder: Path, *, jobs: int, say: Say) -> int:
    """Play the demo in a new folder and leave everything there; give the exit code of its last command.

    Takes well under a minute. Raises InputError when the folder exists and is not empty.
    """
    with vendor(folder) as url:
        stage = Stage.on(folder, str(folder / "demo.db"), manifest(url, jobs))
        say(f"1. A vendor answers on {url}: it bills, throttles, breaks downloads (profile rough).")
        say("2. The run starts …")
        saved = _run_until_killed(stage, at=jobs * 2 // 5)
        if sys.stderr.isatty():
            say("")  # a process that is killed leaves its view in the middle of a line
        say(f"3. … and is killed with SIGKILL after {counted(saved, 'image')}. What the database knows:")
        finish(stage, "status", BATCH)
        say("4. The same batch is resumed:")
        code = finish(stage, "resume", BATCH)
        if settle_doubts(url, stage, say):
            code = finish(stage, "resume", BATCH)
        say("5. Every invariant checked, every file re-hashed:")
        code = finish(stage, "verify", BATCH) or code
        say(f"6. {bill(url, stage)}")
    report = folder / "report"
    write_report(stage.settings(), JobFilter(batch=BATCH), report, progress=Progress())
    command = database.command(stage.settings())
    say("")
    say(f"Look at the pictures:     {shlex.quote(str(report / INDEX))}")
    say(f"Look at all jobs:         {command} jobs")
    say(f"Look at one job's story:  {command} show {any_key(stage)}")
    say(f"Start your own:           {program()} init nights && {program()} plan nights/manifest.yaml")
    return code


def _run_until_killed(stage: Stage, *, at: int) -> int:
    """Start the run, kill it with SIGKILL once ``at`` images are saved, and give how many were."""
    worker = stage.start("run", str(stage.folder / "demo.yaml"), "-y")
    give_up_at = time.monotonic() + PATIENCE_S
    while worker.poll() is None and time.monotonic() < give_up_at:
        saved = counts(stage.settings(), BATCH).get(State.SAVED, 0) if Path(stage.db).exists() else 0
        if saved >= at:
            break
        with suppress(subprocess.TimeoutExpired):
            worker.wait(LOOK_EVERY_S)
    if worker.poll() is None:
        worker.send_signal(signal.SIGKILL)
    worker.wait()
    return counts(stage.settings(), BATCH).get(State.SAVED, 0)
