"""Put a file of our own making in its place, whole or not at all: thumbnails, sheets."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from batchgen.core.errors import FileError
from batchgen.files.folders import move_new


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Give a file to write to, which stands at the path once the block has ended well; its bytes are durable then, its name soon.

    Raises FileExistsError if something stands there, which with ``force`` is replaced, and FileError when the disk refuses. Nothing is
    left of what did not end well; a process that is killed leaves a hidden file beside the path.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.part")
    try:
        part.unlink(missing_ok=True)  # of a dead process that had our numbers
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            part.replace(path)
        else:
            _name(part, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _name(part: Path, path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        move_new(folder, part.name, path.name)
    finally:
        os.close(folder)
