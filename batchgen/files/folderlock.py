"""One job database at a time in an output folder: the runs of two would remove each other's temporary files."""

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
def held(folder: Path, *, is_shared: bool = False) -> Iterator[None]:
    """Hold an output folder, made if it is missing, until the block ends or the process dies; ``is_shared`` with others that share it too.

    The lock lies on the folder itself, so that nothing is left in it; where the file system knows no locks there is none. Raises
    LockedError when another process holds the folder, FileError when it cannot be made or opened.
    """
    root = Root(folder)
    with disk_errors("open", root, ""), root.opened(create=True) as opened:
        descriptor = os.dup(opened)
    try:
        with disk_errors("lock", root, ""):
            if not locked(descriptor, is_shared=is_shared):
                raise LockedError(f"another run is storing its images in {root.path}; give one of the two another output.dir")
        yield
    finally:
        os.close(descriptor)


def locked(descriptor: int, *, is_shared: bool = False) -> bool:
    """Lock an open file or folder for as long as it is open; say no when another process holds it, yes where there are no locks."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True
