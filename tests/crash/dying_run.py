"""Run batchgen commands in forks of one warm interpreter, and batches that kill themselves at a chosen call through a port.

A script that a test starts: it reads one order a line on standard input, forks, carries it out in the child, and answers one line. The
fork spares the imports, which would take longer than the runs; the child then does what ``batchgen`` does. An order with a ``death``
works on a batch with every port wrapped: before or after the k-th call through one of them the process kills itself, or the call fails.
An order with a ``strace`` puts one thread of the child under strace from its first instruction on, so that strace can count the thread's
system calls and let one of them fail. An order with a ``durability`` keeps its database in that way instead of the one that batchgen
chooses. With a ``statement`` the process kills itself before the SQL statement, or commit, of that number. ``variables`` are added to the
environment.
"""

import gc
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Awaitable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from batchgen.app import archiving, deciding, plans, reading, runs, shift, verifying
from batchgen.cli import database, planning, running
from batchgen.cli import deciding as deciding_commands
from batchgen.cli import reading as reading_commands
from batchgen.cli.command import run
from batchgen.cli.main import cli
from batchgen.core.errors import BatchgenError, DownloadError, FileError, NotSentError, OutcomeUnknownError, StoreError
from batchgen.files.objects.shelf import ObjectShelf
from batchgen.files.shelf import ImageShelf
from batchgen.settings import Settings
from batchgen.store import engine

WARM = (archiving, deciding, plans, reading, runs, verifying, database, planning, running, deciding_commands, reading_commands)
"""What commands import when they need it."""

OPENING = frozenset({ImageShelf.draft.__name__, ImageShelf.answer.__name__})
"""Calls whose result is written to by further calls."""

_PATIENCE_S = 120

PORTS = ("ledger", "journal", "client", "shelf", "library")
"""The ports of the worker; the bucket below the shelf of an object storage is one more, which is reached through it."""


REFUSALS: dict[str, Any] = {
    "ledger": StoreError("no room left on the disk of the job database"),
    "journal": FileError("cannot write the journal: No space left on device"),
    "shelf": FileError("cannot write: Input/output error"),
    "library": FileError("cannot read: Input/output error"),
    "bucket": FileError("the storage answered 503 SlowDown"),
    "client.fetch": DownloadError("connection reset by peer"),
    "client.order.before": NotSentError("connection refused"),
    "client": OutcomeUnknownError("connection reset by peer"),
}
"""What each port says when its disk refuses, or its peer."""


@dataclass(slots=True, kw_only=True)
class Fuse:
    """Count the calls through each port, from any thread, and at one of them kill the process or let the call fail.

    ``fault`` is ``kill``, ``bug`` (an error that nobody foresaw) or ``refusal`` (the port's own: a disk that refuses, a lost answer).
    """

    port: str
    side: str
    call: int
    fault: str = "kill"
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, port: str, method: str) -> int:
        """Count one more call and give its number; the process may not survive this, or the call may fail."""
        with self.lock:
            self.counts[port] += 1
            number = self.counts[port]
        self._burn(port, method, "before", number)
        return number

    def after(self, port: str, method: str, number: int) -> None:
        """Note that a call has ended, before its caller hears of it; the process may not survive this, or the call may fail."""
        self._burn(port, method, "after", number)

    def _burn(self, port: str, method: str, side: str, number: int) -> None:
        if (port, side, number) != (self.port, self.side, self.call):
            return
        if self.fault != "kill" and side == "after" and method in OPENING:
            return  # what opens a file gives it or fails, and never both
        Path("cut").touch()
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        if self.fault == "bug":
            raise RuntimeError("nobody foresaw this")
        raise REFUSALS.get(f"{port}.{method}.{side}") or REFUSALS.get(f"{port}.{method}") or REFUSALS[port]


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
        if self._port == "ledger":
            return self._promised(method, *args, **kwargs)
        number = self._fuse.before(self._port, method.__name__)
        result = method(*args, **kwargs)
        if inspect.isawaitable(result):
            return self._awaited(result, method.__name__, number)
        self._fuse.after(self._port, method.__name__, number)
        return Fused(result, self._port, self._fuse) if method.__name__ in OPENING else result

    def _promised(self, method: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """Give a future that fails where the call should."""
        promise: Future[Any] = Future()
        try:
            number = self._fuse.before(self._port, method.__name__)
        except Exception as error:  # noqa: BLE001 - a ledger fails through its futures
            promise.set_exception(error)
            return promise

        def keep(done: Future[Any]) -> None:
            try:
                self._fuse.after(self._port, method.__name__, number)
                promise.set_result(done.result())
            except Exception as error:  # noqa: BLE001 - as above
                promise.set_exception(error)

        method(*args, **kwargs).add_done_callback(keep)
        return promise

    async def _awaited(self, result: Awaitable[Any], method: str, number: int) -> Any:
        found = await result
        self._fuse.after(self._port, method, number)
        return found


def work_and_die(batch: str, fuse: Fuse) -> int:
    """Work on a stored batch with every port fused; when it ends alive, print how many calls went through each."""

    def fit(ports: runs.Ports) -> runs.Ports:
        if isinstance(ports.shelf, ObjectShelf):
            ports.shelf._bucket = Fused(ports.shelf._bucket, "bucket", fuse)  # type: ignore[misc, assignment] # a seam within
        return replace(ports, **{port: Fused(getattr(ports, port), port, fuse) for port in PORTS})

    report = runs.work(batch, Settings.from_environment(os.environ), wishes=runs.Wishes(), fit=fit)
    sys.stdout.write(json.dumps(fuse.counts))
    return report.exit_code


def _ended(batch: str, fuse: Fuse) -> int:
    """Work on a batch and give the exit code that the command line would give."""
    try:
        return work_and_die(batch, fuse)
    except BatchgenError as error:
        sys.stderr.write(str(error))
        return error.exit_code
    except Exception:  # noqa: BLE001 - a bug, as the command line would say
        sys.stderr.write(traceback.format_exc())
        return 1


def carry_out(order: dict[str, Any]) -> dict[str, object]:
    """Fork, carry the order out in the child, and give its exit code and outputs."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _become(order, out.fileno(), err.fileno())
        status = _end_of(pid, order.get("strace"))
        out.seek(0)
        err.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "out": out.read().decode(), "err": err.read().decode()}


def _end_of(pid: int, trace: dict[str, Any] | None) -> int:
    """Wait for the end of a fork; where a thread of it has stopped to be traced, attach strace first."""
    _, status = os.waitpid(pid, 0 if trace is None else os.WUNTRACED)
    if trace is None or not os.WIFSTOPPED(status):
        return status
    notes = (note.split(" ", 1) for note in Path(trace["threads"]).read_text().splitlines())
    thread = next(number for number, name in notes if name == trace["thread"])
    with subprocess.Popen(["strace", *trace["options"], "-p", thread], stderr=subprocess.PIPE) as strace:
        try:
            said = strace.stderr.readline() if strace.stderr else b""
            if b"attached" not in said:
                os.kill(pid, signal.SIGKILL)
                raise ChildProcessError(f"strace did not attach: {said!r}")
            os.kill(pid, signal.SIGCONT)
            _, status = os.waitpid(pid, 0)
            strace.wait(_PATIENCE_S)
            return status
        finally:
            strace.kill()


def _await_tracer(thread: str, threads: Path) -> None:
    """Note number and name of every thread as it starts, and stop the one of that name until strace is attached.

    All work on files is left to one thread, so that a call has the same number in every run.
    """
    shift._FILE_THREADS = 1

    def note() -> None:
        name = threading.current_thread().name
        with threads.open("a+") as notes:
            notes.seek(0)
            is_first = all(line.split(" ", 1)[1] != f"{name}\n" for line in notes)
            notes.write(f"{threading.get_native_id()} {name}\n")
        if name == thread and is_first:
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    def started(*_: object) -> None:
        sys.setprofile(None)
        note()

    threading.setprofile(started)
    note()


def _keep_as(journal: str, synchronous: str) -> None:
    """Use this journal; where batchgen would not call the setting of ``synchronous`` durable, put it in place behind its back."""
    engine.journal_settings = lambda _version: (journal, "full")

    @event.listens_for(Engine, "begin")
    def weaken(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA synchronous = {synchronous}")


def _die_at(statement: int) -> None:
    """Kill this process before a statement or a commit, which are counted together."""
    numbers = count(1)

    def reached(*_: object) -> None:
        if next(numbers) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", reached)
    event.listen(Engine, "commit", reached)


def _become(order: dict[str, Any], out: int, err: int) -> None:
    """Turn this fork into the command; it does not return, and a command that hangs is ended by the alarm."""
    signal.alarm(order.get("patience_s") or _PATIENCE_S)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(order["folder"])
    os.environ.update(order.get("variables", {}))
    death = order.get("death")
    if trace := order.get("strace"):
        _await_tracer(trace["thread"], Path(trace["threads"]))
    if durability := order.get("durability"):
        _keep_as(*durability)
    if statement := order.get("statement"):
        _die_at(statement)
    code = _ended(order["words"][0], Fuse(**death)) if death else run(cli, order["words"])
    with suppress(OSError):  # strace may refuse every write, even to a closed output's stand-in
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
