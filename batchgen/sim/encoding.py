"""Encode a drawing as PNG, JPEG or WebP, padded to a wanted size without changing a pixel."""

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

FORMATS = ("png", "jpeg", "webp")
MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
_IEND = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_COMMENT_LONGEST = 65_533


@dataclass(frozen=True, slots=True)
class File:
    """Hold the bytes of a result and what they are."""

    body: bytes
    media_type: str


def encoded(image: Image.Image, form: str, *, at_least_bytes: int = 0) -> bytes:
    """Return the picture in the form, `png`, `jpeg` (or `jpg`), `webp` or `gif`; JPEG has no transparency.

    PNG and JPEG reach the wanted size; a WebP or GIF keeps its own.
    """
    buffer = io.BytesIO()
    match form:
        case "jpeg" | "jpg":
            image.convert("RGB").save(buffer, "JPEG", quality=88)
            return _commented(buffer.getvalue(), at_least_bytes)
        case "webp":
            image.save(buffer, "WEBP", quality=88, method=1)
            return buffer.getvalue()
        case "gif":
            image.save(buffer, "GIF")
            return buffer.getvalue()
        case _:
            image.save(buffer, "PNG", compress_level=1)
            return padded(buffer.getvalue(), at_least_bytes)


def padded(png: bytes, at_least_bytes: int) -> bytes:
    """Return the PNG with a private ancillary chunk before its end, so that it has the wanted size if that is larger."""
    missing = at_least_bytes - len(png) - 12
    if missing < 0:
        return png
    body = b"fiLl" + bytes(missing)
    chunk = struct.pack(">I", missing) + body + struct.pack(">I", zlib.crc32(body))
    return png.removesuffix(_IEND) + chunk + _IEND


def _commented(jpeg: bytes, at_least_bytes: int) -> bytes:
    comments = []
    missing = at_least_bytes - len(jpeg)
    while missing > 0:
        size = min(max(missing - 4, 0), _COMMENT_LONGEST)
        comments.append(b"\xff\xfe" + struct.pack(">H", size + 2) + bytes(size))
        missing -= size + 4
    return jpeg[:2] + b"".join(comments) + jpeg[2:]
