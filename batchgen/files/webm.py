"""Whether bytes are one whole WebM: its elements, never its frames. Reads headers and small tables, whatever the file's size.

A WebM is an EBML header and one segment of elements, each with its length in front. Vendors that write while they render leave the
length of the segment and of its clusters open; then the last element must be whole, and a file that was cut exactly between two
elements cannot be told from a whole one. Every block of every cluster is stepped over: a hole of zeros that begins before a header is
found there, since no element begins with a zero byte. One that begins inside the last block is found by a run of zeros longer than a
page of 4 KiB (see ``holes``).
"""

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from batchgen.core.errors import BadImageError
from batchgen.files.holes import MAX_ZEROS, ends_in_hole

_MAX_ELEMENTS: Final = 200_000
_MAX_TEXT: Final = 64
_DOC_TYPE: Final = 0x4282
_SEGMENT: Final = 0x18538067
_CLUSTER: Final = 0x1F43B675
_BLOCKS: Final = frozenset({0xA3, 0xA0})
_VOID: Final = 0xEC
_TRACKS: Final = 0x1654AE6B
_TRACK: Final = 0xAE
_TRACK_TYPE: Final = 0x83
_VIDEO: Final = 0xE0
_WIDTH: Final = 0xB0
_HEIGHT: Final = 0xBA
_IS_VIDEO: Final = 1


class Element(NamedTuple):
    """One element: its number, where its content starts, and where it ends."""

    id: int
    start: int
    end: int


_OPEN: Final = -1
"""The end of an element whose length was left open."""


def measure(file: BinaryIO, *, size_bytes: int) -> tuple[int, int]:
    """Give width and height of a whole WebM's first video track; raise BadImageError for anything else."""
    elements = _Elements(file, size_bytes)
    size = last = None
    has_media = False
    for element in _leaves(elements, _segment(elements)):
        if element.id == _TRACKS:
            size = size or _size_of(elements, element)
        has_media |= element.id in _BLOCKS
        last = last if element.id == _VOID else element
    if size is None or last is None or not has_media:
        raise _truncated("it has no tracks or no pictures")
    if ends_in_hole(file, start=last.start, end=last.end):
        raise _no_end(f"more than {MAX_ZEROS} zero bytes stand before byte {last.end}")
    return size


class _Elements:
    """Reads element headers, none of which may announce more than the file has, and stops a file that has too many."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self.file: Final = file
        self.size_bytes: Final = size_bytes
        self._left = _MAX_ELEMENTS

    def read(self, at: int) -> Element:
        """Read the header of an element, whose length may be left open."""
        self._left -= 1
        if self._left < 0:
            raise _undecodable(f"more than {_MAX_ELEMENTS} elements")
        self.file.seek(at)
        head = self.file.read(12)
        id_length = _length(head, 0, limit=4, at=at)
        size_length = _length(head, id_length, limit=8, at=at)
        start = id_length + size_length
        size = int.from_bytes(head[id_length:start]) & ~(1 << 7 * size_length)
        end = _OPEN if size == (1 << 7 * size_length) - 1 else at + start + size
        if end > self.size_bytes:
            raise _truncated(f"the element at byte {at} ends behind the file")
        return Element(int.from_bytes(head[:id_length]), at + start, end)

    def inside(self, parent: Element) -> Iterator[Element]:
        """Give the elements of an element, which must fill it."""
        at = parent.start
        while at < parent.end:
            element = self.read(at)
            if not at < element.end <= parent.end:
                raise _undecodable(f"the element at byte {at} does not fit into the one around it")
            yield element
            at = element.end

    def number(self, element: Element) -> int:
        """Give an unsigned number."""
        if element.end - element.start > 8:
            raise _undecodable("a number is longer than eight bytes")
        return int.from_bytes(self.text(element))

    def text(self, element: Element) -> bytes:
        """Give a short content; of a long one the beginning."""
        self.file.seek(element.start)
        return self.file.read(min(element.end - element.start, _MAX_TEXT))


def _length(head: bytes, at_head: int, *, limit: int, at: int) -> int:
    """Give the length of the number that begins at ``at_head``: its first byte's leading zero bits tell it."""
    if at_head >= len(head):
        raise _truncated(f"the element at byte {at} has no whole header")
    length = 9 - head[at_head].bit_length()
    if length > limit:
        raise _no_end(f"no element begins at byte {at}")
    if at_head + length > len(head):
        raise _truncated(f"the element at byte {at} has no whole header")
    return length


def _segment(elements: _Elements) -> int:
    """Read the header and say where the content of the segment behind it starts; the segment must end with the file."""
    header = elements.read(0)
    kind = next((elements.text(element) for element in elements.inside(header) if element.id == _DOC_TYPE), b"matroska")
    if kind != b"webm":
        raise BadImageError(f"received a Matroska file ({kind!r}) instead of MP4 or WebM", reason="wrong_type")
    segment = elements.read(header.end)
    if segment.id != _SEGMENT:
        raise _undecodable("no segment follows its header")
    if segment.end not in {_OPEN, elements.size_bytes}:
        raise _no_end(f"{elements.size_bytes - segment.end} bytes follow the segment")
    return segment.start


def _leaves(elements: _Elements, at: int) -> Iterator[Element]:
    """Give everything in the segment in order, and in a cluster's place what stands in it."""
    cluster_end = 0
    while at < elements.size_bytes:
        element = elements.read(at)
        if element.id == _CLUSTER:
            at, cluster_end = element.start, element.end
            continue
        if element.end == _OPEN or at < cluster_end < element.end:
            raise _undecodable(f"the element at byte {at} has no length, or one that leaves its cluster")
        yield element
        at = element.end


def _size_of(elements: _Elements, tracks: Element) -> tuple[int, int]:
    for track in elements.inside(tracks):
        if track.id == _TRACK and (size := _video_size(elements, track)) is not None:
            return size
    raise _undecodable("it has no video track")


def _video_size(elements: _Elements, track: Element) -> tuple[int, int] | None:
    """Give the size of a video track's pictures, None for another track."""
    kind = width = height = 0
    for element in elements.inside(track):
        if element.id == _TRACK_TYPE:
            kind = elements.number(element)
        elif element.id == _VIDEO:
            for detail in elements.inside(element):
                width = elements.number(detail) if detail.id == _WIDTH else width
                height = elements.number(detail) if detail.id == _HEIGHT else height
    if kind != _IS_VIDEO:
        return None
    if not width or not height:
        raise _undecodable(f"its pictures are {width} x {height} pixels")
    return width, height


def _truncated(what: str) -> BadImageError:
    return BadImageError(f"the WebM is cut short: {what}", reason="truncated")


def _no_end(what: str) -> BadImageError:
    return BadImageError(f"the WebM does not end where its elements end: {what}", reason="no_end_marker")


def _undecodable(what: str) -> BadImageError:
    return BadImageError(f"the WebM cannot be read: {what}", reason="not_decodable")
