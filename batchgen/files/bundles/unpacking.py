"""Look into a bundle that a stranger may have changed: a folder, or a zip archive. Nothing of it is ever written under its own name.

An archive of ours is stored, so its content is never larger than itself: one that is compressed, or whose parts overlap, is not read.
"""

import errno
import hashlib
import shutil
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, NamedTuple, Protocol
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from batchgen.core.errors import FileError, InputError
from batchgen.files.folders import NOT_A_FILE, Content, Root, disk_errors, file_below, files_below, measure, split

_ENCRYPTED: Final = 1
_NO_ARCHIVE: Final = (BadZipFile, EOFError, LookupError, NotImplementedError, OverflowError, RuntimeError, ValueError, struct.error)
"""What the library says to archives that are broken in one way or another."""


class Entry(NamedTuple):
    """A name in a bundle with what it holds, or why it is not read; bytes of a name that are no UTF-8 are surrogates."""

    name: str
    content: Content | None
    trouble: str = ""


class Bundle(Protocol):
    """A bundle that is looked into."""

    def entries(self) -> Iterator[Entry]:
        """Give everything in it, each file hashed as it is reached."""

    def open(self, name: str) -> IO[bytes] | None:
        """Open one file for reading; None if there is none of that name, or it is not to be read."""


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Open a bundle; raise InputError when there is none, FileError when the disk refuses."""
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.is_file():  # a pipe would keep its reader waiting
        raise InputError(f"there is no bundle at {path}")
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from error
    with file:
        yield _Archive(_archive(file, path), path.stat().st_size)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder of our own for what must be taken out, and remove it afterwards; raise FileError when there is no place for one."""
    try:
        folder = TemporaryDirectory(prefix="batchgen-")
    except OSError as error:
        raise FileError(f"no place to look at the bundle's database: {error.strerror}") from error
    with folder as name:
        yield Path(name)


def take_out(bundle: Bundle, name: str, target: Path) -> bool:
    """Copy one file of a bundle to a place of our own; say whether it is there and whole. Raises FileError when the disk refuses."""
    source = bundle.open(name)
    if source is None:
        return False
    try:
        with source, _damage_told(), target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
    except BadZipFile:
        return False
    return True


class _Folder:
    """A bundle as a folder."""

    def __init__(self, path: Path) -> None:
        self._root: Final = Root(path)

    def entries(self) -> Iterator[Entry]:
        """Give everything in it; links are not followed."""
        with disk_errors("read", self._root, ""), self._root.opened() as start:
            for folder, name, path in files_below(start):
                found = measure(folder, name)
                is_file = found not in (None, NOT_A_FILE)
                yield Entry(path, found) if is_file else Entry(path, None, "is a link or a device, no file")

    def open(self, name: str) -> IO[bytes] | None:
        """Open one file."""
        return file_below(self._root, name)


class _Archive:
    """A bundle as a zip archive."""

    def __init__(self, archive: ZipFile, size: int) -> None:
        self._archive: Final = archive
        self._overlaps: Final = sum(entry.file_size for entry in archive.infolist() if entry.compress_type == ZIP_STORED) > size

    def entries(self) -> Iterator[Entry]:
        """Give everything in it, in its order."""
        seen: set[str] = set()
        for entry in self._archive.infolist():
            trouble = self._trouble(entry) or ("stands there twice" if entry.filename in seen else "")
            seen.add(entry.filename)
            content = None if trouble else self._hashed(entry)
            yield Entry(entry.filename, content, trouble or ("" if content else "is damaged"))

    def open(self, name: str) -> IO[bytes] | None:
        """Open one file; the last of that name, as every reader of archives does."""
        try:
            with _damage_told():
                entry = self._archive.getinfo(name)
                return None if self._trouble(entry) else self._archive.open(entry)
        except BadZipFile:
            return None

    def _hashed(self, entry: ZipInfo) -> Content | None:
        digest = hashlib.sha256()
        try:
            with _damage_told(), self._archive.open(entry) as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except BadZipFile:
            return None
        return Content(digest.hexdigest(), entry.file_size)

    def _trouble(self, entry: ZipInfo) -> str:
        """Say why an entry is not read; empty for a plain file under a plain name."""
        try:
            split(entry.filename)
        except FileError:
            return "is no name inside the bundle"
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            return "is a link or a device, no file"
        if entry.compress_type != ZIP_STORED or entry.flag_bits & _ENCRYPTED:
            return "is compressed or locked, which nothing in a bundle is"
        return "shares its bytes with other files" if self._overlaps else ""


@contextmanager
def _damage_told() -> Iterator[None]:
    """Raise BadZipFile for whatever a damaged archive makes the library raise, and FileError when it is the disk that refuses."""
    try:
        yield
    except _NO_ARCHIVE as error:
        raise BadZipFile(str(error)) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise FileError(f"the bundle cannot be looked into: {error.strerror}") from error
        raise BadZipFile("it points before its own beginning") from error


def _archive(file: IO[bytes], path: Path) -> ZipFile:
    try:
        with _damage_told():
            return ZipFile(file)
    except BadZipFile as error:
        raise InputError(f"{path} is no bundle: neither a folder nor a zip archive that can be read ({error})") from error
