"""Look again at what was published: hash one file, find the files that nobody recorded. Changes nothing."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from batchgen.files.folders import NOT_A_FILE, Root, disk_errors, files_below, measure, split

_SIDECAR: Final = ".json"


def rehash(root: Path, path: str) -> tuple[str, int] | None:
    """Give the SHA-256 and the size of a file of the output folder, or None if no regular file stands there.

    Symbolic links below the root count as nothing. Raises FileError when the path leaves the root or the disk refuses to be read.
    """
    folder = Root(root)
    folders, name = split(path)
    with disk_errors("read", folder, path):
        try:
            with folder.opened(folders) as place:
                found = measure(place, name)
        except (FileNotFoundError, NotADirectoryError):  # a missing or a linked component
            return None
    return None if found is None or found == NOT_A_FILE else (found.sha256, found.bytes)


def unknown_files(root: Path, known: Collection[str]) -> Iterator[str]:
    """Give the path of every file that is neither in ``known`` nor the sidecar of one that is, in order of names.

    Links count as files. Hidden names are left out: temporary files and markers are not results. A missing folder holds nothing.
    """
    folder = Root(root)
    if not folder.path.exists():
        return
    with disk_errors("list", folder, ""), folder.opened() as start:
        for _, name, path in files_below(start):
            if not name.startswith(".") and path not in known and path.removesuffix(_SIDECAR) not in known:
                yield path
