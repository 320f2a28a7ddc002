"""File systems of a test's own: small, soon full, or read-only; mounted where this is allowed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A mounted file system in memory, whose size can be changed while it is in use."""

    path: Path

    def resize(self, size_kib: int) -> None:
        """Make it that large; no smaller than what stands on it."""
        self._remount(f"size={size_kib}k")

    def fill(self, room_kib: int) -> None:
        """Leave that much room on it and no more; tried again while somebody writes faster than it shrinks."""
        for _ in range(_TRIES):
            found = os.statvfs(self.path)
            used_kib = (found.f_blocks - found.f_bfree) * found.f_frsize // 1024
            with suppress(subprocess.CalledProcessError):
                return self.resize(used_kib + room_kib)
        raise TimeoutError(f"{self.path} grew too fast to be made small")

    def forbid_writing(self) -> None:
        """Make it read-only; fails while a file on it is open for writing."""
        self._remount("ro")

    def allow_writing(self) -> None:
        """Take writes again."""
        self._remount("rw")

    def leave(self) -> None:
        """Unmount it, whoever may still use it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def _remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.path)], check=True, capture_output=True)


@contextmanager
def mounted(path: Path, *, size_kib: int) -> Iterator[Disk | None]:
    """Mount a file system of that size at the path until the block ends; None where this is not allowed."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k,mode=0700", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield Disk(path=path)
    finally:
        if path.is_mount():
            subprocess.run(["umount", "--lazy", str(path)], check=True)
