"""Give a new file or folder its name only once it is whole: until then it stands beside it under a hidden name.

A death in the middle leaves that hidden name, which the next attempt removes.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from batchgen.core.errors import FileError, InputError
from batchgen.files.folders import move_new, open_new, remove, rename_new, sync

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def new_file(target: Path, *, replaces: bool = False) -> Iterator[IO[bytes]]:
    """Give a file to write, owner-only; when the block ends it stands at ``target``, whole and on disk, and after an error nothing does.

    Raises InputError when something stands there already and it does not replace it, FileError when the disk refuses.
    """
    part = _part(target)
    with _beside(target, may_stand=replaces) as folder:
        try:
            with os.fdopen(open_new(folder, part), "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if replaces:
                os.rename(part, target.name, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                move_new(folder, part, target.name)
            sync(folder)
        finally:
            remove(folder, part)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder, owner-only, that gets its name when the block ends; after an error it is gone.

    What is in it must be on disk by then. Raises InputError when something stands at ``target``, FileError when the disk refuses.
    """
    part = target.with_name(_part(target))
    with _beside(target, may_stand=False) as folder:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        try:
            yield part
            rename_new(folder, part.name, target.name)
            sync(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _beside(target: Path, *, may_stand: bool) -> Iterator[int]:
    """Open the folder of the target, and word what goes wrong in it."""
    if not may_stand and os.path.lexists(target):
        raise _taken(target)
    try:
        folder = os.open(target.parent, _FOLDER)
        try:
            yield folder
        finally:
            os.close(folder)
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        raise FileError(f"cannot write {target}: {error.strerror or error}") from error


def _taken(target: Path) -> InputError:
    return InputError(f"{target} exists already, and is left as it is")


def _part(target: Path) -> str:
    return f".{target.name}.part"
