"""Run the simulator in a child process that cannot outlive its parent.

The child stops when its standard input ends, which the kernel brings about even if the parent is killed. It lives in a
session of its own, so that a Ctrl-C at the terminal reaches the parent alone and the parent can drain.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from types import TracebackType
from typing import Self

from batchgen.sim.options import SimOptions

READY = "batchgen-sim listening on "
_START_S, _STOP_S = 60, 10


class SimStartError(RuntimeError):
    """Report a simulator that ended or stayed silent instead of saying where it listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimProcess:
    """Hold a running simulator; leaving its `with` block stops it."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        return self.process.pid

    def stop(self) -> None:
        """Close the child's standard input and wait for it to end; kill it when it does not."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_in_child(options: SimOptions, *, log_path: Path | None = None) -> SimProcess:
    """Start a simulator in a child process and return once it answers; its error output goes to `log_path`.

    The child sees none of this process's environment, hence no key. Raises SimStartError when it does not start.
    """
    command = [sys.executable, "-m", "batchgen.sim", *replace(options, exit_with_stdin=True).argv()]
    package_root = Path(__file__).parents[2]
    with (log_path or Path(os.devnull)).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={"PYTHONPATH": str(package_root)},
            start_new_session=True,
        )
    line = _first_line(process)
    child = SimProcess(url=line.removeprefix(READY), process=process)
    if not line.startswith(READY):
        process.kill()
        child.stop()
        raise SimStartError(f"the simulator did not start (exit status {process.returncode}); see {log_path or 'a log_path'}")
    return child


def _first_line(process: subprocess.Popen[bytes]) -> str:
    if process.stdout is None:
        return ""
    with DefaultSelector() as selector:
        selector.register(process.stdout, EVENT_READ)
        return process.stdout.readline().decode().strip() if selector.select(_START_S) else ""
