"""Where an SQLite database may stand: an ordinary file of its own on a local disk."""

import os
from pathlib import Path
from typing import Final

from batchgen.core.errors import StoreError

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "vboxsf",
    }
)
"""File systems whose locks cannot be trusted by SQLite; remote FUSE ones are recognised by their ``fuse.`` name."""

LOCAL_FUSE: Final = frozenset(
    {"fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.encfs", "fuse.gocryptfs", "fuse.lxcfs", "fuse.ext4"}
)

MOUNTS: Final = Path("/proc/self/mountinfo")


def check(path: Path, *, mounts: Path = MOUNTS) -> None:
    """Raise StoreError when the database at ``path`` could not be kept safe there; the file need not exist yet."""
    if not path.parent.is_dir():
        raise StoreError(f"the folder of the job database does not exist: {path.parent}")
    if path.exists() and not path.is_file():
        raise StoreError(f"the job database must be an ordinary file: {path}")
    if path.exists() and path.stat().st_nlink > 1:
        raise StoreError(f"the job database has a second name (hard link), which breaks its locks: {path}")
    kind = file_system(path.parent, mounts=mounts)
    if kind in NETWORK_FILE_SYSTEMS or (kind.startswith("fuse.") and kind not in LOCAL_FUSE):
        raise StoreError(f"the job database stands on a network file system ({kind}), whose locks cannot be trusted: {path}")


def file_system(folder: Path, *, mounts: Path = MOUNTS) -> str:
    """Name the type of file system that holds ``folder``; empty where the system does not say."""
    if not mounts.exists():
        return ""
    real = folder.resolve()
    best, kind = -1, ""
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        point = Path(_unescaped(left.split(" ")[4]))
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), right.split(" ")[0]
    return kind


def create(path: Path) -> None:
    """Create the file, readable by its owner only; do nothing if it exists."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"the job database cannot be created: {path}: {error.strerror}") from error


def _unescaped(field: str) -> str:
    """Undo the octal escapes of mountinfo: space, tab, line feed and backslash."""
    for escape, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, char)
    return field
