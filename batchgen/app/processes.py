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


def this_process() -> Process:
    """Describe this process as a run's row does."""
    return Process(host=socket.gethostname(), pid=os.getpid(), boot_id=_boot_id(), tool_version=__version__)


def living(engine: Database, batch_id: int | None = None, *, now: datetime) -> Mapping[str, Any] | None:
    """Give the row of the run that is at work on a batch, or on any; None when none is.

    The system tells of a process on this machine, of any other its last sign of life.
    """
    run = queries.look(engine, lambda c: runs.latest(c, batch_id))
    if run is None or run["ended_at"] is not None:
        return None
    here = this_process()
    is_here = bool(here.boot_id) and (here.host, here.boot_id) == (run["host"], run["boot_id"])
    is_alive = _exists(run["pid"]) if is_here else now - run["heartbeat_at"] <= _SILENCE
    return {str(name): value for name, value in run.items()} if is_alive else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's, so it is there
        return True
    return True


def _boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
