"""Where an SQLite database may stand: an ordinary file of its own on a local disk."""

import grp
import logging
import os
import pwd
import stat
from functools import cache
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
    """Raise StoreError when the database at ``path`` could not be kept safe there, warn when others may write beside it.

    The file need not exist yet.
    """
    if not path.parent.is_dir():
        raise StoreError(f"the folder of the job database does not exist: {path.parent}")
    if path.exists() and not path.is_file():
        raise StoreError(f"the job database must be an ordinary file: {path}")
    if path.exists() and path.stat().st_nlink > 1:
        raise StoreError(f"the job database has a second name (hard link), which breaks its locks: {path}")
    _warn_of_others(path.parent.absolute())
    kind = file_system(path.parent, mounts=mounts)
    if kind in NETWORK_FILE_SYSTEMS or (kind.startswith("fuse.") and kind not in LOCAL_FUSE):
        raise StoreError(f"the job database stands on a network file system ({kind}), whose locks cannot be trusted: {path}")


@cache
def _warn_of_others(folder: Path) -> None:
    """Warn, once a process, when others may put files into the folder: they could put another database in the place of this one."""
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_private_group(found)):
        logging.getLogger(__name__).warning("warning: others may write into the folder of the job database (mode %04o): %s", mode, folder)


def _is_private_group(found: os.stat_result) -> bool:
    """Say whether a folder's group is its owner's own, of the same name, as many systems give each account one."""
    try:
        return pwd.getpwuid(found.st_uid).pw_name == grp.getgrgid(found.st_gid).gr_name
    except KeyError:  # a number without a name
        return False


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
