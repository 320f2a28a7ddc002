"""Whether a picture carries C2PA credentials: a question about its container, answered without decoding and without believing them.

Content Credentials, C2PA Technical Specification 2.4, appendix A.3 ("Embedding manifests into various file formats"): a PNG holds its
manifest store in a chunk ``caBX``, a JPEG in APP11 segments that carry a JUMBF superbox with the label ``c2pa`` (section 11.1, and ISO/IEC
19566-5 for the boxes), a WebP in a RIFF chunk ``C2PA`` (A.3.7). Nothing is verified here: a signature that is there may be anybody's.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final

_MAX_PARTS: Final = 100_000
_SOS: Final = 0xDA
_EOI: Final = 0xD9
_APP11: Final = 0xEB
_BOX_HEAD: Final = 96
"""Enough of a segment for two boxes' heads, the type of the second and its label."""


def has_credentials(file: BinaryIO, media_type: str) -> bool:
    """Say whether credentials are there; only PNG, JPEG and WebP are looked into. Raises the OSError of a failing disk."""
    match media_type:
        case "image/png":
            return b"caBX" in _png_chunks(file)
        case "image/webp":
            return b"C2PA" in _riff_chunks(file)
        case "image/jpeg":
            return any(map(_opens_manifest_store, _app11_segments(file)))
        case _:
            return False


def _png_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Give the type of each chunk."""
    at = 8
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        yield head[4:]
        at += 12 + int.from_bytes(head[:4])


def _riff_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Give the name of each chunk at the top level; an odd one is padded by a byte."""
    at = 12
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        yield head[:4]
        size = int.from_bytes(head[4:], "little")
        at += 8 + size + size % 2


def _app11_segments(file: BinaryIO) -> Iterator[bytes]:
    """Give the beginning of each APP11 segment before the first scan; fill bytes before a marker are skipped."""
    at = 2
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in {_SOS, _EOI}:
            return
        if head[1] == 0xFF:
            at += 1
            continue
        if head[1] == _APP11:
            yield file.read(min(_BOX_HEAD, max(0, int.from_bytes(head[2:]) - 2)))
        at += 2 + int.from_bytes(head[2:])


def _opens_manifest_store(segment: bytes) -> bool:
    """Say whether a segment begins a superbox whose description has the label ``c2pa``.

    Behind the mark of JPEG XT, "JP", and two numbers stand the superbox's length and type, then its first box: length, type, 16 bytes of
    UUID, one of toggles, and the label. A length of 1 is followed by the real one in eight bytes.
    """
    boxes = segment[8:]
    described = boxes[16:] if int.from_bytes(boxes[:4]) == 1 else boxes[8:]
    return segment[:2] == b"JP" and boxes[4:8] == b"jumb" and described[4:8] == b"jumd" and described[25:30] == b"c2pa\0"
