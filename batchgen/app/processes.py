"""Processes by their rows: which one this is, and whether another still works."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from batchgen import __version__
from batchgen.store import queries, runs
from batchgen.store.engine import Database
from batchgen.store.runs import Process

_SILENCE: Final = timedelta(seconds=60)
"""How old the last sign of life of a process may be that only its row tells of; it leaves one every ten seconds."""


def this_process(*, key_name: str = "") -> Process:
    """Describe this process as a run's row does."""
    return Process(host=socket.gethostname(), pid=os.getpid(), boot_id=_boot_id(), tool_version=__version__, key_name=key_name)


def living(engine: Database, batch_id: int | None = None, *, now: datetime) -> Mapping[str, Any] | None:
    """Give the row of the run that is at work on a batch, or on any, the latest of several; None when none is."""
    return next(iter(reversed(all_living(engine, batch_id, now=now))), None)


def all_living(engine: Database, batch_id: int | None = None, *, now: datetime) -> list[Mapping[str, Any]]:
    """Give the rows of the runs that are at work on a batch, or on any, in the order in which they began.

    The system tells of a process on this machine, of any other its last sign of life.
    """
    found = queries.look(engine, lambda c: runs.unended(c, batch_id))
    return [{str(name): value for name, value in run.items()} for run in found if _is_alive(run, now)]


def is_gone(run: Mapping[Any, Any]) -> bool:
    """Say whether a run's process was on this machine, since it was last started, and is there no more."""
    return _was_here(run) and not _exists(run["pid"])


def _is_alive(run: Mapping[Any, Any], now: datetime) -> bool:
    if _was_here(run):
        return _exists(run["pid"])
    until: datetime = max(run["heartbeat_at"] + _SILENCE, run["lease_until"] or run["heartbeat_at"])
    return now <= until


def _was_here(run: Mapping[Any, Any]) -> bool:
    here = this_process()
    return bool(here.boot_id) and (here.host, here.boot_id) == (run["host"], run["boot_id"])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's, so it is there
        return True
    return True


def _boot_id() -> str:
    """Name the boot, and the namespace in which pids are counted: two containers of one machine do not see each other's."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""
