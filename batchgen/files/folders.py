"""Folders reached only through descriptors, so that a symbolic link planted below the root leads nowhere.

Duty: open, create, move, measure and remove by (folder descriptor, name). Must not know what an image is.
"""

import ctypes
import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from batchgen.core.errors import FileError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EMLINK})
_NO_FLAGS: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
_RENAME_NOREPLACE: Final = 1
_RENAMEAT2: Final = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # older C libraries have none


class Content(NamedTuple):
    """What a name holds: the SHA-256 in hex and the size."""

    sha256: str
    bytes: int


NOT_A_FILE: Final = Content("", -1)
"""What a name holds that is a folder, a symbolic link, a pipe or a device: never equal to any file's content."""


class Root:
    """The output folder, opened anew for each use and recognised by device and inode.

    It may itself be a symbolic link, since its owner chose it; nothing below it may. Once seen it is never made again: a disk that
    was unmounted in mid-run must not be replaced by a folder on the disk beneath.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and nothing here may
        self._identity: tuple[int, int] | None = None

    @contextmanager
    def opened(self, folders: Sequence[str] = (), *, create: bool = False) -> Iterator[int]:
        """Give a descriptor of the folder below the root, closed on leaving.

        With ``create``, missing folders are made with mode 0700 and are durable in their parents. Raises OSError when a component is
        missing, a link or no folder; FileError when the root is no longer the folder it was.
        """
        folder = self._open(create=create)
        try:
            for name in folders:
                parent, folder = folder, _enter(folder, name, create=create)
                os.close(parent)
            yield folder
        finally:
            os.close(folder)

    def free_bytes(self) -> int:
        """Say how much room an ordinary user has on the root's file system, or where the root would be made."""
        place = self.path
        while not place.exists():
            place = place.parent
        room = os.statvfs(place)
        return room.f_bavail * room.f_frsize

    def _open(self, *, create: bool) -> int:
        folder = _open_or_make(self.path, create=create and self._identity is None)
        found = os.fstat(folder)
        identity = (found.st_dev, found.st_ino)
        self._identity = self._identity or identity
        if identity != self._identity:
            os.close(folder)
            raise FileError(f"{self.path} was replaced by another folder while it was in use")
        return folder


def split(path: str) -> tuple[tuple[str, ...], str]:
    """Split a relative POSIX path into its folders and its name; raise FileError if it could lead out of the root."""
    *folders, name = path.split("/")
    if not {"", ".", ".."}.isdisjoint((*folders, name)) or "\0" in path:
        raise FileError(f"{path!r} is not a path inside the output folder")
    return tuple(folders), name


def joined(folders: Sequence[str], name: str) -> str:
    """Join what ``split`` took apart."""
    return "/".join((*folders, name))


@contextmanager
def disk_errors(action: str, root: Root, path: str, *, need: int = 0) -> Iterator[None]:
    """Turn an OSError into a FileError that names the path and, on a full disk, the bytes needed and free.

    The OSError with its errno is the cause.
    """
    try:
        yield
    except OSError as error:
        message = f"cannot {action} {root.path / path}: {error.strerror or error}"
        if error.errno in _NO_ROOM:
            message += f" (needs {need} bytes, {root.free_bytes()} free)"
        raise FileError(message) from error


def open_new(folder: int, name: str) -> int:
    """Open a new file for reading and writing, mode 0600; a leftover of that name is removed, never opened."""
    remove(folder, name)
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; what was written before an OSError stays in the file."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def remove(folder: int, name: str) -> None:
    """Remove a name if it is there; a link is removed, not its target."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def sync_or_remove(folder: int, name: str) -> None:
    """Make a file's bytes durable, whoever wrote them; a file that cannot be synced is removed, for a second try would tell nothing."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(descriptor)
    except OSError:
        remove(folder, name)
        raise
    finally:
        os.close(descriptor)


def sync(folder: int) -> None:
    """Make the folder's names durable."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder and say so this way
            raise


def open_regular(folder: int, name: str) -> io.FileIO | None:
    """Open a regular file for reading, without waiting; None if the name holds something else.

    Raises FileNotFoundError if there is nothing.
    """
    try:
        # Without O_NONBLOCK a planted pipe would hang the reader.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link; a socket
            return None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return io.FileIO(descriptor)
    os.close(descriptor)
    return None


def file_below(root: Root, path: str) -> io.FileIO | None:
    """Open a regular file by its path below a root; None where none stands, or a link is on the way. Raises FileError."""
    folders, name = split(path)
    with disk_errors("read", root, path):
        try:
            with root.opened(folders) as folder:
                return open_regular(folder, name)
        except (FileNotFoundError, NotADirectoryError):
            return None


def measure(folder: int, name: str) -> Content | None:
    """Hash what the name holds: None if there is nothing, NOT_A_FILE if it is no regular file."""
    try:
        file = open_regular(folder, name)
    except FileNotFoundError:
        return None
    if file is None:
        return NOT_A_FILE
    with file:
        return Content(hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)


def move_new(folder: int, source: str, target: str) -> None:
    """Give the file its new name without ever replacing another; raise FileExistsError if the name is taken.

    A link where the file system has links, so that both names stand until the caller removes the first; a rename elsewhere.
    """
    try:
        os.link(source, target, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        rename_new(folder, source, target)


def rename_new(folder: int, source: str, target: str) -> None:
    """Rename without replacing, in one step where the system can; raise FileExistsError if the name is taken."""
    if _RENAMEAT2 is not None:
        if _RENAMEAT2(folder, os.fsencode(source), folder, os.fsencode(target), _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _NO_FLAGS:
            raise OSError(number, os.strerror(number), target)
    reserve_and_rename(folder, source, target)


def reserve_and_rename(folder: int, source: str, target: str) -> None:
    """Take the name with an empty file or folder of our own, then rename over it; raise FileExistsError if the name is taken.

    A crash between the two leaves the empty file, which is then somebody else's bytes: the image goes beside it.
    """
    if stat.S_ISDIR(os.stat(source, dir_fd=folder, follow_symlinks=False).st_mode):
        os.mkdir(target, 0o700, dir_fd=folder)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder))
    os.rename(source, target, src_dir_fd=folder, dst_dir_fd=folder)


def files_below(folder: int, prefix: str = "") -> Iterator[tuple[int, str, str]]:
    """Give (folder descriptor, name, path from the start) of everything below that is no folder, in no order and as it is read.

    A descriptor is good until the next item is asked for.
    """
    with os.scandir(folder) as found:
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                yield folder, entry.name, prefix + entry.name
                continue
            below = os.open(entry.name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            try:
                yield from files_below(below, f"{prefix}{entry.name}/")
            finally:
                os.close(below)


def make_folder(path: Path) -> None:
    """Make a folder, its owner's alone, and make it durable; raise FileError when the disk refuses."""
    root = Root(path)
    with disk_errors("make", root, ""), root.opened(create=True) as folder:
        sync(folder)


def _open_or_make(path: Path, *, create: bool) -> int:
    try:
        return os.open(path, _FOLDER)
    except FileNotFoundError:
        if not create:
            raise
    parent = _open_or_make(path.parent, create=True)
    try:
        return _enter(parent, path.name, create=True)
    finally:
        os.close(parent)


def _enter(parent: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):  # another thread makes the same folder: it is as good
        os.mkdir(name, 0o700, dir_fd=parent)
    sync(parent)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
