"""Whether an SQLite database in use still stands under its name, and which other processes hold it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from batchgen.core.errors import SchemaError

LOCKS: Final = Path("/proc/locks")

Identity = tuple[int, int]
"""A file whatever its name: device and inode."""


def identity(path: Path) -> Identity | None:
    """Give what tells this file from any other; None when there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def require_same(path: Path, opened: Identity | None) -> None:
    """Raise SchemaError unless the name still leads to the file that was opened: what is written into another one is lost.

    SQLite does not look: it goes on in the file that it has open, though nobody will ever find it again.
    """
    if identity(path) != opened:
        raise SchemaError(
            f"the job database was removed or replaced while it was in use: {path}; put the file back, or a backup of it, and resume; "
            "what was ordered since then stands in the log and in the journal"
        )


def holders(path: Path, *, locks: Path = LOCKS) -> list[int]:
    """Name the other processes that have a lock on an SQLite file, as far as the system tells; nothing is opened for it.

    Opening and closing the file here would drop this process's own locks on it.
    """
    wanted = {_lock_name(found) for found in (identity(path), identity(path.with_name(path.name + "-shm"))) if found}
    with suppress(OSError):
        pids = {pid for name, pid in _locks(locks.read_text(encoding="ascii")) if name in wanted}
        return sorted(pids - {os.getpid()})
    return []


def _locks(text: str) -> Iterator[tuple[str, int]]:
    """Give (device and inode, process) of each lock that is held; one that is waited for has an arrow."""
    for line in text.splitlines():
        fields = line.split()
        if fields[1] == "POSIX":
            yield fields[5], int(fields[4])


def _lock_name(found: Identity) -> str:
    device, inode = found
    return f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
