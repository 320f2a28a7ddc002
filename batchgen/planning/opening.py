"""Open prompt files and give their lines or their whole content: regular files only, never waiting, UTF-8 only."""

import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from batchgen.core.errors import InputError
from batchgen.planning.reader import Report

MAX_WHOLE_BYTES: Final = 64 * 1024 * 1024
"""Files that must be read in one piece (json, whole) may be this big; the others are streamed."""
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class UnreadableError(InputError):
    """A file cannot be opened, or is not a regular file; the message says why."""


def is_there(path: Path) -> bool:
    """Say whether a path leads to anything; one that is too long for a path leads nowhere, where pathlib's own question raises."""
    return os.path.exists(path)  # noqa: PTH110 - as above


def is_folder(path: Path) -> bool:
    """Say whether a path leads to a folder; as ``is_there`` for one that is too long."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def open_regular(path: Path, *, follow_links: bool = True) -> BufferedReader:
    """Open a regular file for reading, without ever waiting; raise UnreadableError for anything else."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise UnreadableError("there is no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableError("is not a regular file")
    return os.fdopen(descriptor, "rb")


def lines_of(path: Path, report: Report) -> Iterator[tuple[int, str]]:
    """Give every line with its line end, decoded; a line that is not UTF-8 is reported and left out."""
    with open_regular(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
            line = raw.removeprefix(_BOM) if number == 1 else raw
            if len(raw) >= MAX_LINE_BYTES:
                report("E203", f"the line is longer than {MAX_LINE_BYTES // 1024 // 1024} MiB", number, 1)
                return
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode()) + 1
                report("E202", "the line is not UTF-8", number, column, hint="save the file as UTF-8")


def content_of(path: Path, report: Report) -> str | None:
    """Give a whole file, decoded and without byte order mark; None after a report."""
    with open_regular(path) as file:
        raw = file.read(MAX_WHOLE_BYTES + 1)
    if len(raw) > MAX_WHOLE_BYTES:
        report("E201", f"the file is bigger than {MAX_WHOLE_BYTES // 1024 // 1024} MiB", 0, 0, hint="use jsonl")
        return None
    try:
        return raw.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        before = raw.removeprefix(_BOM)[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        report("E202", "the file is not UTF-8", before.count(b"\n") + 1, column, hint="save the file as UTF-8")
        return None


def without_end(line: str) -> str:
    """Take the line end away, LF or CRLF, and nothing else."""
    return line.removesuffix("\n").removesuffix("\r")
