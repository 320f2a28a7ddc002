"""Put files together into a bundle: a folder, or a zip archive, with a list of their hashes at its end.

Theory of operation. What is made for the bundle is written into a staging folder first; what exists already is read once, hashed on its
way. A folder grows in the staging folder itself, which gets the bundle's name when all is there. An archive is written front to back
beside it: stored and not compressed, because pictures do not shrink, and always with the fields that allow more than 4 GiB.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final
from zipfile import ZipFile, ZipInfo

from batchgen.files.bundles import sums
from batchgen.files.folders import Content, Root, file_below, files_below, sync
from batchgen.files.placing import new_file, new_folder

_CHUNK: Final = 1 << 20
_MODE: Final = 0o100600 << 16
"""An ordinary file, its owner's alone."""


class Packing:
    """A bundle in the making. What is in ``staging`` belongs to it once ``add_staged`` was called."""

    def __init__(self, staging: Path, archive: ZipFile | None) -> None:
        self.staging: Final = staging
        self.files = 0
        self.bytes = 0
        self._archive: Final = archive
        self._lines: Final[list[bytes]] = []

    def add_staged(self) -> None:
        """Take up every file of the staging folder, by name."""
        root = Root(self.staging)
        with root.opened() as folder:
            names = sorted(path for _, _, path in files_below(folder))
        for name in names:
            if self._archive is None:
                self._sum(name, _hashed_in_place(self.staging / name))
            else:
                self.add(name, root, name)

    def add(self, name: str, root: Root, path: str) -> Content | None:
        """Copy a file from below a root and say what it holds; None if no regular file stands there, and nothing is added then.

        Raises FileError when it cannot be read.
        """
        return self.add_file(name, file_below(root, path))

    def add_file(self, name: str, source: IO[bytes] | None) -> Content | None:
        """Copy an open file, which is closed then, and say what it held; None for none, and nothing is added."""
        if source is None:
            return None
        with source, self._writing(name) as target:
            content = _copied(source, target)
        self._sum(name, content)
        return content

    def seal(self) -> str:
        """Add the list of hashes and give its own: who keeps that elsewhere can tell later whether anything was changed."""
        content = b"".join(self._lines)
        with self._writing(sums.NAME) as target:
            target.write(content)
        if self._archive is None:
            for folder, _, _ in os.walk(self.staging):
                _sync_folder(folder)
        return hashlib.sha256(content).hexdigest()

    def _sum(self, name: str, content: Content) -> None:
        self._lines.append(sums.render(name, content.sha256))
        self.files += 1
        self.bytes += content.bytes

    @contextmanager
    def _writing(self, name: str) -> Iterator[IO[bytes]]:
        if self._archive is not None:
            entry = ZipInfo(name)
            entry.external_attr = _MODE
            with self._archive.open(entry, "w", force_zip64=True) as target:
                yield target
            return
        path = self.staging / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def new_bundle(target: Path) -> Iterator[Packing]:
    """Begin a bundle: an archive where the name ends in ``.zip``, else a folder. It has its name, and is on disk, once the block ends.

    After an error nothing of it is left. Raises InputError when something stands at ``target``, FileError when the disk refuses.
    """
    with ExitStack() as stack:
        if target.suffix.lower() != ".zip":
            yield Packing(stack.enter_context(new_folder(target)), None)
            return
        file = stack.enter_context(new_file(target))
        staging = stack.enter_context(TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        yield Packing(Path(staging), stack.enter_context(ZipFile(file, "w")))


def _copied(source: IO[bytes], target: IO[bytes]) -> Content:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return Content(digest.hexdigest(), size)


def _hashed_in_place(path: Path) -> Content:
    """Hash a file that belongs to the bundle where it stands, and force it to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return Content(hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
