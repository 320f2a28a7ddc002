"""Holes at the end of a video: bytes that were announced and never written, which a file system gives as zeros."""

from typing import BinaryIO, Final

MAX_ZEROS: Final = 4096
"""A page. Coded video holds no such run: H.264 and HEVC never put three zero bytes in a row, VP9 and AV1 are arithmetic codes."""


def ends_in_hole(file: BinaryIO, *, start: int, end: int) -> bool:
    """Tell whether the bytes from ``start`` to ``end`` end in more than ``MAX_ZEROS`` zeros; moves the file's position."""
    tail = end - MAX_ZEROS - 1
    if tail < start:
        return False
    file.seek(tail)
    return not file.read(MAX_ZEROS + 1).strip(b"\0")
