"""What a batch has at its output place, to be read again: a folder here, or objects (see ``objects.stock``). Changes nothing."""

from collections.abc import Callable, Collection, Iterator, Sequence
from io import BufferedRandom, FileIO
from pathlib import Path
from typing import Final, Protocol

from batchgen.files.folders import Content, Root, file_below
from batchgen.files.verify import rehash, unknown_files

File = FileIO | BufferedRandom
"""An open file of this machine: it has a descriptor."""


class Stock(Protocol):
    """The files of one output place, by their paths below it. Every call raises FileError when disk or storage refuse."""

    def opened(self, path: str) -> File | None:
        """Open a file from its beginning, for the caller to close. None if no file stands there."""

    def measure(self, path: str) -> Content | None:
        """Read a file and hash it; None if no file stands there."""

    def stamp(self, path: str) -> tuple[int, int] | None:
        """Give size and time of change without reading the file; None where that is not known, or no file stands there."""

    def stands(self, path: str, size: int) -> bool:
        """Say whether a file of that size stands there; nothing of it is read."""

    def unknown(self, known: Callable[[Sequence[str]], Collection[str]]) -> Iterator[str]:
        """Give the path of every file that is not known and not the sidecar of one that is; see ``verify.unknown_files``."""


class FolderStock:
    """A folder; implements ``Stock``."""

    def __init__(self, folder: Path) -> None:
        self._root: Final = Root(folder)

    def opened(self, path: str) -> File | None:
        """Open a file; None where none stands, or a link is on the way."""
        return file_below(self._root, path)

    def measure(self, path: str) -> Content | None:
        """Read a file and hash it."""
        found = rehash(self._root.path, path)
        return None if found is None else Content(*found)

    def stamp(self, path: str) -> tuple[int, int] | None:  # noqa: ARG002 - who opens the file sees it
        """Know nothing: an open file says it itself."""
        return None

    def stands(self, path: str, size: int) -> bool:
        """Say whether a file of that size stands there."""
        place = self._root.path / path
        return place.is_file() and place.stat().st_size == size

    def unknown(self, known: Callable[[Sequence[str]], Collection[str]]) -> Iterator[str]:
        """Give the files that nobody recorded."""
        return unknown_files(self._root.path, known)
