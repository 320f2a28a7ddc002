"""Whether received bytes are one whole picture: PNG, JPEG or WebP, by their content and never by what anybody called them.

The checks run from cheap to dear: magic, end marker, size in pixels, number of frames, full decoding. Pillow's three readers are used
directly; the registry that would also open PostScript is never asked. Input, pixels and chunks are capped before the decoder sees them;
what the decoder may still cost is bounded by the process that it runs in (see ``inspector``).
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from batchgen.core.errors import BadImageError
from batchgen.files.sniff import SUFFIXES, Picture, sniffed

_MAX_CHUNKS: Final = 100_000
_LARGE_PIXELS: Final = 16_000_000
_MAX_PADDING: Final = 65_536
_EOI: Final = b"\xff\xd9"
# What Pillow lets through of broken input; an OSError with an errno is the disk's and is not among them.
DECODE_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One accepted format. ``check_end`` finds the end marker; ``size`` reads width and height without decoding, or gives None."""

    media_type: str
    reader: Callable[[BinaryIO], ImageFile]
    check_end: Callable[[BinaryIO, int], None]
    size: Callable[[bytes], tuple[int, int] | None]


def check(file: BinaryIO, *, size_bytes: int, max_pixels: int, wait_turn: Callable[[], None] = lambda: None) -> Picture:
    """Read the whole file and describe the picture; raise BadImageError with a reason word, or the OSError of a failing disk.

    ``wait_turn`` is called before a picture of more than 16 million pixels is decoded.
    """
    return decoded(file, size_bytes=size_bytes, max_pixels=max_pixels, wait_turn=wait_turn)[0]


def decoded(file: BinaryIO, *, size_bytes: int, max_pixels: int, wait_turn: Callable[[], None], edge: int = 1) -> tuple[Picture, ImageFile]:
    """Check like ``check`` and give the decoded image too; its longest edge has at least ``edge`` pixels, if the picture's has.

    A JPEG may come smaller than it is: every coded bit is still read, but the last step, the inverse transform, is done at a half, a
    quarter or an eighth of the size.
    """
    file.seek(0)
    head = file.read(256)
    kind = _kind_of(head)
    kind.check_end(file, size_bytes)
    # WebP's reader allocates its canvas on opening, so where the header tells the size it is judged first.
    if early := kind.size(head):
        _check_pixels(early, max_pixels)
    file.seek(0)
    try:
        image = kind.reader(file)
        width, height = image.size
        _decode(image, max_pixels, wait_turn, edge)
        has_alpha = image.has_transparency_data
    except DECODE_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadImageError(f"the {kind.media_type} does not decode: {error}", reason="not_decodable") from error
    picture = Picture(media_type=kind.media_type, suffix=SUFFIXES[kind.media_type], width=width, height=height, has_alpha=has_alpha)
    return picture, image


def fitted(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """Shrink a size until its longest edge is ``edge``, and neither is nothing; a smaller one stays."""
    shrunk = min(1.0, edge / max(size))
    return max(1, round(size[0] * shrunk)), max(1, round(size[1] * shrunk))


def _decode(image: ImageFile, max_pixels: int, wait_turn: Callable[[], None], edge: int) -> None:
    size = image.size
    _check_pixels(size, max_pixels)
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise BadImageError(f"the image has {frames} frames, one was ordered", reason="many_frames")
    if isinstance(image, JpegImageFile):
        image.draft(None, fitted(size, edge))
    if size[0] * size[1] > _LARGE_PIXELS:
        wait_turn()
    image.load()


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise BadImageError(f"the image is {width} x {height} pixels, more than the {max_pixels} allowed", reason="too_many_pixels")


# --- which format ---


def _kind_of(head: bytes) -> _Kind:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _PNG
    if head.startswith(b"\xff\xd8\xff"):
        return _JPEG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _WEBP
    raise BadImageError(f"received {sniffed(head)} instead of PNG, JPEG or WebP", reason="wrong_type")


# --- end markers ---


def _no_end(what: str) -> BadImageError:
    return BadImageError(f"the file does not end where its image ends: {what}", reason="no_end_marker")


def _check_padding(file: BinaryIO, end: int, size_bytes: int) -> None:
    """Accept nothing but a few zero bytes after the image's end."""
    file.seek(end)
    if size_bytes - end > _MAX_PADDING or file.read().strip(b"\0"):
        raise _no_end(f"{size_bytes - end} bytes follow the end marker")


def _check_png(file: BinaryIO, size_bytes: int) -> None:
    """Follow the chunks to IEND and check each sum: Pillow skips the sums of the image data, and a hole of zeros would pass."""
    file.seek(8)
    at = 8
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        length = int.from_bytes(head[:4])
        if len(head) < 8 or at + 12 + length > size_bytes:
            raise _no_end(f"the PNG is cut short after byte {at}")
        kind, data = head[4:], file.read(length)
        if int.from_bytes(file.read(4)) != zlib.crc32(data, zlib.crc32(kind)):
            raise BadImageError(f"the PNG chunk at byte {at} fails its checksum", reason="not_decodable")
        at += 12 + length
        if kind == b"IEND":
            return _check_padding(file, at, size_bytes)
    raise BadImageError(f"the PNG has more than {_MAX_CHUNKS} chunks", reason="not_decodable")


def _check_jpeg(file: BinaryIO, size_bytes: int) -> None:
    file.seek(max(0, size_bytes - _MAX_PADDING))
    if not file.read().rstrip(b"\0").endswith(_EOI):
        raise _no_end("the JPEG has no end-of-image marker in its place")


def _check_webp(file: BinaryIO, size_bytes: int) -> None:
    """Believe the announced length, unless the end is a hole: libwebp decodes zeros to a smooth picture without a complaint."""
    file.seek(0)
    head = file.read(30)
    end = 8 + int.from_bytes(head[4:8], "little")
    if size_bytes < end:
        raise _no_end(f"the WebP announces {end} bytes and has {size_bytes}")
    _check_padding(file, end, size_bytes)
    # A flat picture's own coding ends in zeros too: measured, at most a byte for 7,900 pixels.
    width, height = _webp_size(head)
    hole = 64 + min(width * height // 4096, _MAX_PADDING)
    file.seek(max(0, end - hole))
    tail = file.read(hole)
    if len(tail) == hole and not tail.strip(b"\0"):
        raise _no_end(f"the last {hole} bytes of the WebP are zeros")


# --- sizes without decoding ---


def _size_unread(_head: bytes) -> None:
    """Leave the size to a reader that allocates nothing on opening."""


def _webp_size(head: bytes) -> tuple[int, int]:
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case _:  # lossy: the reader takes at most 16,383 squared and allocates row by row
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


_PNG: Final = _Kind(media_type="image/png", reader=PngImageFile, check_end=_check_png, size=_size_unread)
_JPEG: Final = _Kind(media_type="image/jpeg", reader=JpegImageFile, check_end=_check_jpeg, size=_size_unread)
_WEBP: Final = _Kind(media_type="image/webp", reader=WebPImageFile, check_end=_check_webp, size=_webp_size)
