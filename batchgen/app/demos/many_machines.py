"""The demo of many machines: workers on a PostgreSQL server; one worker is killed, then the server, and nothing is lost or bought twice."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from batchgen.app.calling import program
from batchgen.app.demos.stage import BATCH, LOOK_EVERY_S, PATIENCE_S, Say, Stage, bill, finish, manifest, settle_doubts, vendor
from batchgen.app.gallery import INDEX, write_report
from batchgen.app.progress import Progress
from batchgen.app.reading import JobFilter, counts
from batchgen.app.wording import counted
from batchgen.core.errors import StoreError
from batchgen.core.exits import Exit
from batchgen.core.states import State
from batchgen.store.embedded import EmbeddedServer, embedded_server

_LEASE_S: Final = "6"
_SAYS_EVERY_S: Final = 2.0


def play(folder: Path, *, jobs: int, machines: int, say: Say) -> int:
    """Play the demo in a new folder and leave all but the running server there; give the exit code of its last command.

    Raises InputError when the folder exists and is not empty, or the packaged server is not installed.
    """
    with ExitStack() as stack:
        url = stack.enter_context(vendor(folder))
        server = stack.enter_context(embedded_server(folder.resolve() / "postgres"))
        stage = Stage.on(folder, server.url, manifest(url, jobs))
        say(f"1. A vendor answers on {url}: it bills, throttles, breaks downloads (profile rough).")
        say(f"2. A PostgreSQL server holds the job table; {counted(jobs, 'row')} stored by plan --save:")
        if (code := finish(stage, "plan", str(folder / f"{BATCH}.yaml"), "--save", "--offline")) != Exit.DONE:
            return code
        say(f"3. {counted(machines, 'worker')} join the pool; what each says stands in {folder}/worker-N.out")
        pool = stack.enter_context(_Pool(stage=stage, machines=machines, say=say))
        _strike(pool, server, say)
        say("6. All workers go on until nothing is left:")
        pool.wait(until=lambda: pool.is_over)
        if settle_doubts(url, stage, say):
            finish(stage, "work", "--batch", BATCH, "--drain")
        say("7. Every invariant checked, every file re-hashed:")
        code = finish(stage, "verify", BATCH)
        say(f"8. {bill(url, stage)}")
        write_report(stage.settings(), JobFilter(batch=BATCH), folder / "report", progress=Progress())
    say("")
    say(f"Look at the pictures:  {shlex.quote(str(folder / 'report' / INDEX))}")
    say(f"Join a real pool:      {program()} --db postgresql://USER@HOST/NAME work")
    return code


def _strike(pool: "_Pool", server: EmbeddedServer, say: Say) -> None:
    """Kill a worker after a quarter of the pictures, and the server after half of them."""
    pool.wait(until=lambda: 4 * pool.saved >= pool.jobs)
    say(f"4. Worker 1 is killed with SIGKILL after {counted(pool.saved, 'image')}; the others take over what it had in hand.")
    pool.kill(0)
    pool.wait(until=lambda: 2 * pool.saved >= pool.jobs)
    say(f"5. The server is killed after {counted(pool.saved, 'image')}: no order goes out meanwhile, and the workers wait …")
    server.die()
    time.sleep(1.0)
    server.live()
    say("   … until it is back, recovered from its log.")


@dataclass(slots=True, kw_only=True)
class _Pool:
    """The workers of the demo; those that are left are killed at the end."""

    stage: Stage
    machines: int
    say: Say
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _said_at: float = 0.0

    def __enter__(self) -> Self:
        for number in range(1, self.machines + 1):
            words = self.stage.command("--log-file", str(self.stage.folder / f"worker-{number}.log"), "work", "--batch", BATCH)
            with (self.stage.folder / f"worker-{number}.out").open("wb") as out:
                worker = subprocess.Popen(  # noqa: S603 - our own command line
                    [*words, "--drain", "--lease", _LEASE_S], env=self.stage.environment, stdout=out, stderr=out
                )
            self._workers.append(worker)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    @property
    def jobs(self) -> int:
        """Count the jobs."""
        return sum(self._counts().values())

    @property
    def saved(self) -> int:
        """Count the saved jobs."""
        return self._counts().get(State.SAVED, 0)

    @property
    def is_over(self) -> bool:
        """Say whether no worker works any more."""
        return all(worker.poll() is not None for worker in self._workers)

    def kill(self, number: int) -> None:
        """Kill one worker without a word."""
        self._workers[number].send_signal(signal.SIGKILL)
        self._workers[number].wait()

    def wait(self, *, until: Callable[[], bool]) -> None:
        """Wait, telling now and then how far it is; give up after two minutes, or when no worker is left."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not until() and not self.is_over and time.monotonic() < give_up_at:
            time.sleep(LOOK_EVERY_S)
            if time.monotonic() - self._said_at > _SAYS_EVERY_S:
                self._said_at = time.monotonic()
                at_work = sum(worker.poll() is None for worker in self._workers)
                self.say(f"   {self.saved} of {self.jobs} saved, {counted(at_work, 'worker')} at work")
                sys.stdout.flush()

    def _counts(self) -> dict[State, int]:
        try:
            return dict(counts(self.stage.settings(), BATCH))
        except StoreError:  # the server is just coming back
            return {}
