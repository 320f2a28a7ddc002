r"""Cut the long strings out of a JSON text while it streams by. Pure: bytes in, a short text and a list of places out.

What a vendor says about an image fits into a page; the image inside the same answer takes megabytes. So every string whose raw content
is longer than ``LONG_BYTES`` is left out, and the JSON string ``"\u0000part:N"`` stands for it, where N counts the places in order. A
short string that begins with ``\u0000`` is cut out too, whatever it says: so nothing that a vendor writes can pass for a cut.
Bytes that are no JSON come out as they are, or shorter; nothing here judges them.
"""

import re
from typing import Final

LONG_BYTES: Final = 16 * 1024
"""The longest string, in raw bytes between its quotes, that stays where it is."""
MAX_SKELETON_BYTES: Final = 1 << 20
"""What may be left after carving; beyond it the text counts as unreadable."""

_MARK: Final = b"\\u0000"
# Possessive, so that a string of any length needs no memory for ways back that it can never take.
_STRING_REST: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class Carver:
    """A JSON text between its first and its last chunk; holds the skeleton so far and nothing of a long string.

    ``at`` is the offset in the file at which the text begins; the places of the parts count from the file's start.
    """

    def __init__(self, at: int) -> None:
        self._at = at
        self._skeleton: Final = bytearray()
        self._parts: Final[list[tuple[int, int]]] = []
        self._string_at: int | None = None
        self._kept = 0  # bytes of the skeleton before the content of the string that is open
        self._is_escaped = False  # the last chunk ended between a backslash and what it escapes
        self._is_full = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; a chunk may end anywhere."""
        at = 0
        while at < len(chunk) and not self._is_full:
            at = self._outside(chunk, at) if self._string_at is None else self._inside(chunk, at)
        self._at += len(chunk)

    def carved(self) -> tuple[bytes, tuple[tuple[int, int], ...]]:
        """Give the skeleton and the place (start, end) of each part; nothing of either when the skeleton grew too large.

        A long string that never ended is neither in the one nor in the other.
        """
        if self._is_full:
            return b"", ()
        is_cut_short = self._string_at is not None and len(self._skeleton) - self._kept > LONG_BYTES
        return bytes(self._skeleton[: self._kept] if is_cut_short else self._skeleton), tuple(self._parts)

    def _outside(self, chunk: bytes, at: int) -> int:
        quote = chunk.find(b'"', at)
        end = quote + 1 or len(chunk)
        self._collect(chunk, at, end, room=MAX_SKELETON_BYTES + 1 - len(self._skeleton))
        self._check_room()
        if quote >= 0:
            self._string_at = self._at + end
            self._kept = len(self._skeleton)
        return end

    def _inside(self, chunk: bytes, at: int) -> int:
        end = self._end_of_string(chunk, at)
        room = LONG_BYTES + 1 - (len(self._skeleton) - self._kept)
        if end < len(chunk) and not self._is_escaped:
            self._collect(chunk, at, end, room=room)
            self._close(self._at + end)
            return end + 1
        self._collect(chunk, at, len(chunk), room=room)
        return len(chunk)

    def _end_of_string(self, chunk: bytes, at: int) -> int:
        """Find the closing quote, or the chunk's end, or the lone backslash that is the chunk's last byte."""
        quote = chunk.find(b'"', at)
        end = quote if quote >= 0 else len(chunk)
        if not self._is_escaped and chunk.find(b"\\", at, end) < 0:  # base64, nearly always: ten times as fast as the pattern
            return end
        found = _STRING_REST.match(chunk, at + self._is_escaped)
        end = len(chunk) if found is None else found.end()
        self._is_escaped = chunk[end : end + 1] == b"\\"
        return end

    def _close(self, end: int) -> None:
        start = self._string_at or 0
        if end - start > LONG_BYTES or self._skeleton.startswith(_MARK, self._kept):
            del self._skeleton[self._kept :]
            self._skeleton.extend(b"%spart:%d" % (_MARK, len(self._parts)))
            self._parts.append((start, end))
        self._skeleton.extend(b'"')
        self._string_at = None
        self._check_room()

    def _collect(self, chunk: bytes, at: int, end: int, *, room: int) -> None:
        if room > 0:
            self._skeleton.extend(chunk[at : min(end, at + room)])

    def _check_room(self) -> None:
        if len(self._skeleton) > MAX_SKELETON_BYTES:
            self._is_full = True
            self._skeleton.clear()
            self._parts.clear()
