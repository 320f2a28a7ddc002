"""Whether bytes are one whole MP4: its boxes, never its frames. Reads headers and two small tables, whatever the file's size.

An MP4 is a chain of boxes, each with its length in front, so a file that was cut short ends inside a box. What the chain cannot show is
a hole: bytes that were announced and never written. A hole that reaches the file's end turns the next header into zeros, which is
found; inside the last box it is found by a run of zeros longer than a page of 4 KiB (see ``holes``), while a shorter run may be padding
that somebody meant. A run that ends before the file does is not looked for: raw sound in front of the end may be silent.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from batchgen.core.errors import BadImageError
from batchgen.files.holes import MAX_ZEROS, ends_in_hole

_MAX_BOXES: Final = 50_000
_PADDING: Final = frozenset({b"free", b"skip", b"wide"})
# The only way down, a step a level, so that no nesting leads deeper.
_INNER: Final = {b"moov": b"trak", b"trak": b"mdia", b"mdia": b"minf", b"minf": b"stbl"}
_SIZE_AT: Final = {0: 76, 1: 88}  # of width and height in a track header, by its version


class Box(NamedTuple):
    """One box: its four letters, and where its content starts and ends."""

    kind: bytes
    start: int
    end: int


class _Track(NamedTuple):
    handler: bytes
    width: int
    height: int


def measure(file: BinaryIO, *, size_bytes: int) -> tuple[int, int]:
    """Give width and height of a whole MP4's first video track; raise BadImageError for anything else."""
    boxes = _Boxes(file)
    last = index = None
    has_media = False
    for box in boxes.chain(size_bytes):
        if box.kind == b"moov":
            index = index or box
        has_media |= box.kind == b"mdat" and box.end > box.start
        last = last if box.kind in _PADDING else box
    if index is None or last is None:
        raise _truncated("it has no index (moov)")
    if not has_media:
        raise _truncated("it has no media (mdat)")
    if ends_in_hole(file, start=last.start, end=last.end):
        raise _no_end(f"more than {MAX_ZEROS} zero bytes stand before byte {last.end}")
    return _size_of(boxes, index)


class _Boxes:
    """Reads box headers, and stops a file that has too many."""

    def __init__(self, file: BinaryIO) -> None:
        self.file: Final = file
        self._left = _MAX_BOXES

    def chain(self, end: int) -> Iterator[Box]:
        """Give the boxes of the file, which must end with it."""
        at = 0
        while at < end:
            box = self._read(at)
            if box is None or box.end > end:
                raise _truncated(f"the box at byte {at} ends behind the file")
            if not box.kind.isascii() or not box.kind.decode().isprintable():
                raise _no_end(f"no box begins at byte {at}")
            box = box if box.end else box._replace(end=end)
            yield box
            at = box.end

    def inside(self, parent: Box) -> Iterator[Box]:
        """Give the boxes of a box, which must fill it."""
        at = parent.start
        while parent.end - at >= 8:
            box = self._read(at)
            if box is None or not at < box.end <= parent.end:
                raise _undecodable(f"the box at byte {at} does not fit into its {parent.kind.decode('latin-1')}")
            yield box
            at = box.end

    def content(self, box: Box, size: int) -> bytes:
        """Give up to ``size`` bytes of a box's content."""
        self.file.seek(box.start)
        return self.file.read(min(size, box.end - box.start))

    def _read(self, at: int) -> Box | None:
        """Read one header; None where it is cut short. An ``end`` of 0 stands for the end of the file."""
        self._left -= 1
        if self._left < 0:
            raise _undecodable(f"more than {_MAX_BOXES} boxes")
        self.file.seek(at)
        head = self.file.read(16)
        if len(head) < 8:
            return None
        size, kind, start = int.from_bytes(head[:4]), head[4:8], at + 8
        if size == 1:
            size, start = int.from_bytes(head[8:16]), at + 16
        if size == 0 and start == at + 8:
            return Box(kind, start, 0)
        if at + size < start:
            raise _undecodable(f"the box at byte {at} has {size} bytes")
        return Box(kind, start, at + size)


def _size_of(boxes: _Boxes, index: Box) -> tuple[int, int]:
    tracks = [_track(boxes, box) for box in boxes.inside(index) if box.kind == b"trak"]
    video = next((track for track in tracks if track.handler == b"vide"), None)
    if video is None:
        raise _undecodable("it has no video track")
    if not video.width or not video.height:
        raise _undecodable(f"its pictures are {video.width} x {video.height} pixels")
    return video.width, video.height


def _track(boxes: _Boxes, box: Box) -> _Track:
    """Read a track and walk through all of its tables' headers: a hole in them would otherwise be noticed by nobody."""
    handler, width, height = b"", 0, 0
    for found in _below(boxes, box):
        if found.kind == b"tkhd":
            width, height = _header_size(boxes.content(found, 96))
        elif found.kind == b"hdlr" and not handler:
            handler = boxes.content(found, 12)[8:12]
    return _Track(handler, width, height)


def _below(boxes: _Boxes, parent: Box) -> Iterator[Box]:
    for box in boxes.inside(parent):
        yield box
        if box.kind == _INNER.get(parent.kind):
            yield from _below(boxes, box)


def _header_size(header: bytes) -> tuple[int, int]:
    at = _SIZE_AT.get(header[0]) if header else None
    if at is None or len(header) < at + 8:
        raise _undecodable("a track's header is cut short or of an unknown version")
    return int.from_bytes(header[at : at + 2]), int.from_bytes(header[at + 4 : at + 6])


def _truncated(what: str) -> BadImageError:
    return BadImageError(f"the MP4 is cut short: {what}", reason="truncated")


def _no_end(what: str) -> BadImageError:
    return BadImageError(f"the MP4 does not end where its boxes end: {what}", reason="no_end_marker")


def _undecodable(what: str) -> BadImageError:
    return BadImageError(f"the MP4 cannot be read: {what}", reason="not_decodable")
