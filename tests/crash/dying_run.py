"""Run batchgen commands in forks of one warm interpreter, and batches that kill themselves at a chosen call through a port.

A script that a test starts: it reads one order a line on standard input, forks, carries it out in the child, and answers one line. The
fork spares the imports, which would take longer than the runs; the child then does what ``batchgen`` does. An order with a ``death``
works on a batch with every port wrapped, and the process kills itself before or after the k-th call through one of them.
"""

import gc
import inspect
import json
import os
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from batchgen.app import deciding, plans, reading, runs, verifying
from batchgen.cli import database, planning, running
from batchgen.cli import deciding as deciding_commands
from batchgen.cli import reading as reading_commands
from batchgen.cli.command import run
from batchgen.cli.main import cli
from batchgen.files.shelf import ImageShelf
from batchgen.settings import Settings

WARM = (deciding, plans, reading, runs, verifying, database, planning, running, deciding_commands, reading_commands)
"""What commands import when they need it."""

OPENING = frozenset({ImageShelf.draft.__name__, ImageShelf.answer.__name__})
"""Calls whose result is written to by further calls."""

_PATIENCE_S = 120

PORTS = ("ledger", "client", "shelf", "library")


@dataclass(slots=True, kw_only=True)
class Fuse:
    """Count the calls through each port, from any thread, and kill the process at one of them."""

    port: str
    side: str
    call: int
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, port: str) -> int:
        """Count one more call and give its number; the process may not survive this."""
        with self.lock:
            self.counts[port] += 1
            number = self.counts[port]
        self._burn(port, "before", number)
        return number

    def after(self, port: str, number: int) -> None:
        """Note that a call has ended, before its caller hears of it; the process may not survive this."""
        self._burn(port, "after", number)

    def _burn(self, port: str, side: str, number: int) -> None:
        if (port, side, number) == (self.port, self.side, self.call):
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()


class Fused:
    """Stand in for a port, or for a draft that the shelf gave out, and lead every call past the fuse."""

    def __init__(self, target: object, port: str, fuse: Fuse) -> None:
        self._target = target
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return partial(self._call, found) if callable(found) else found

    def _call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        number = self._fuse.before(self._port)
        result = method(*args, **kwargs)
        if isinstance(result, Future):
            result.add_done_callback(lambda _: self._fuse.after(self._port, number))
            return result
        if inspect.isawaitable(result):
            return self._awaited(result, number)
        self._fuse.after(self._port, number)
        return Fused(result, self._port, self._fuse) if method.__name__ in OPENING else result

    async def _awaited(self, result: Awaitable[Any], number: int) -> Any:
        try:
            return await result
        finally:
            self._fuse.after(self._port, number)


def work_and_die(batch: str, fuse: Fuse) -> int:
    """Work on a stored batch with every port fused; when it ends alive, print how many calls went through each."""

    def fit(ports: runs.Ports) -> runs.Ports:
        return replace(ports, **{port: Fused(getattr(ports, port), port, fuse) for port in PORTS})

    report = runs.work(batch, Settings.from_environment(os.environ), wishes=runs.Wishes(), fit=fit)
    sys.stdout.write(json.dumps(fuse.counts))
    return report.exit_code


def carry_out(order: dict[str, Any]) -> dict[str, object]:
    """Fork, carry the order out in the child, and give its exit code and outputs."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _become(order, out.fileno(), err.fileno())
        _, status = os.waitpid(pid, 0)
        out.seek(0)
        err.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "out": out.read().decode(), "err": err.read().decode()}


def _become(order: dict[str, Any], out: int, err: int) -> None:
    """Turn this fork into the command; it does not return, and a command that hangs is ended by the alarm."""
    signal.alarm(_PATIENCE_S)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(order["folder"])
    death = order.get("death")
    code = work_and_die(order["words"][0], Fuse(**death)) if death else run(cli, order["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking the copied interpreter apart would cost more than the command


def main() -> None:
    """Carry out orders until standard input ends; what is imported stays out of the collector's sight, so that forks share it."""
    gc.freeze()
    for line in sys.stdin:
        answer = carry_out(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
