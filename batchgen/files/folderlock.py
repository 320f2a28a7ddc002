"""One run at a time in an output folder, whichever database it works from: two would remove each other's temporary files."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchgen.core.errors import LockedError
from batchgen.files.folders import Root, disk_errors

_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold an output folder, made if it is missing, until the block ends or the process dies.

    The lock lies on the folder itself, so that nothing is left in it; where the file system knows no locks there is none. Raises
    LockedError when another process holds the folder, FileError when it cannot be made or opened.
    """
    root = Root(folder)
    with disk_errors("open", root, ""), root.opened(create=True) as opened:
        descriptor = os.dup(opened)
    try:
        with disk_errors("lock", root, ""):
            _lock(descriptor, root.path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedError(f"another run is storing its images in {path}; give one of the two another output.dir") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
