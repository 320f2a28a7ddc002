"""Write a small text file anew so that a reader finds the former one or the new one, never a part: for files that are watched, not kept.

Nothing is forced to the disk: after a power cut the file may be empty, or the former one.
"""

import os
import stat
from pathlib import Path
from typing import Final

from batchgen.core.errors import FileError

_HEAD_CHARS: Final = 256


def replace_text(path: Path, text: str) -> None:
    """Put the text in the file's place; raise FileError, and leave the file as it was, when the disk refuses.

    The new file stands beside the old one first, under a hidden name with another suffix: who gathers files by theirs does not take it up.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # of a run that broke off; what stands there is never written through
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from error


def begins_with(path: Path, head: str) -> bool:
    """Say whether a file may be replaced by one of its own kind: it is not there, is empty, or begins like one.

    Links, folders and devices are of no kind. What cannot be looked at is left to whoever writes.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open(encoding="utf-8", errors="replace") as file:
            found = file.read(_HEAD_CHARS)
    except OSError:
        return True
    return not found or found.startswith(head)
