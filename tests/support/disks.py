"""File systems of a test's own: small, soon full, or failing; mounted where this is allowed."""

import os
import shutil
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingDisk:
    """A file system of its own on a loop device, which turns read-only at an error, whoever may be writing."""

    path: Path
    image: Path

    def mount(self) -> bool:
        """Mount it; say whether that is allowed here."""
        mount = ["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.path)]
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0

    def fail(self) -> None:
        """Let the kernel meet an error on it, as it does when a real disk fails."""
        number = self.path.stat().st_dev
        device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
        Path("/sys/fs/ext4", device, "trigger_fs_error").write_text("a test\n", encoding="ascii")

    def mend(self) -> None:
        """Take it out, repair it, and put it back."""
        self.leave()
        subprocess.run(["e2fsck", "-fy", str(self.image)], capture_output=True, check=False)
        if not self.mount():
            raise OSError(f"{self.path} cannot be mounted again")

    def leave(self) -> None:
        """Unmount it, whoever may still use it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)


@contextmanager
def failing(path: Path, *, size_mib: int) -> Iterator[FailingDisk | None]:
    """Make and mount a disk that can fail, until the block ends; None where this is not allowed."""
    path.mkdir()
    disk = FailingDisk(path=path, image=path.with_name(f"{path.name}.img"))
    with disk.image.open("wb") as image:
        image.truncate(size_mib << 20)
    made = shutil.which("mkfs.ext4") and subprocess.run(["mkfs.ext4", "-q", "-F", str(disk.image)], capture_output=True, check=False)
    if not made or made.returncode or not disk.mount():
        yield None
        return
    try:
        yield disk
    finally:
        if path.is_mount():
            disk.leave()
