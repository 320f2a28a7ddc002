"""Look again at what was published: hash one file, find the files that nobody recorded. Changes nothing."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from batchgen.files.folders import NOT_A_FILE, Root, disk_errors, files_below, measure, split

_SIDECAR: Final = ".json"
_ASKED_AT_ONCE: Final = 200


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


def unknown_files(root: Path, known: Callable[[Sequence[str]], Collection[str]]) -> Iterator[str]:
    """Give the path of every file that is not known and not the sidecar of one that is.

    ``known`` is asked about some hundreds of paths at a time and says which of them are, so that memory does not grow with the folder.
    Links count as files. Hidden files and folders are left out: temporary files and markers are not results. A missing folder holds
    nothing. Bytes of a name that are no UTF-8 come as U+FFFD. Raises FileError when the disk refuses to be read.
    """
    folder = Root(root)
    if not folder.path.exists():
        return
    with disk_errors("list", folder, ""), folder.opened() as start:
        shown = (path for _, _, path in files_below(start) if not f"/{path}".count("/."))
        yield from unknown_among(shown, known)


def unknown_among(paths: Iterator[str], known: Callable[[Sequence[str]], Collection[str]]) -> Iterator[str]:
    """Give those of the paths that are not known and not the sidecars of such; ``known`` is asked about some hundreds at a time."""
    while some := list(islice(paths, _ASKED_AT_ONCE)):
        yield from _unknown(some, known)


def _unknown(paths: Sequence[str], known: Callable[[Sequence[str]], Collection[str]]) -> Iterator[str]:
    images = {path: path.removesuffix(_SIDECAR) for path in paths}
    found = known(sorted(name for name in {*paths, *images.values()} if _is_text(name)))
    for path, image in images.items():
        if path not in found and image not in found:
            yield os.fsencode(path).decode(errors="replace")


def _is_text(path: str) -> bool:
    """Say whether the name is UTF-8 on disk; a recorded one always is."""
    return not any("\udc80" <= char <= "\udcff" for char in path)
