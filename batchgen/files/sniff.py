"""What received bytes turned out to be: the description of what is wanted, and a name for everything else."""

from dataclasses import dataclass
from typing import Final

SUFFIXES: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
}
"""What is taken, and the extension it gets."""

_MAGICS: Final = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"<svg", "an SVG document"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"<", "markup"),
    (b"{", "a JSON document"),
    (b"[", "a JSON document"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the bytes turned out to be, still or moving. ``suffix`` is the file name's extension with its dot."""

    media_type: str
    suffix: str
    width: int
    height: int
    has_alpha: bool = False


def sniffed(head: bytes) -> str:
    """Name, for people, what the first bytes of a file belong to."""
    if head[4:8] == b"ftyp":
        return f"an ISO media file ({head[8:12].decode('ascii', 'backslashreplace')!r})"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP image"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        return "an SVG document"
    for magic, name in _MAGICS:
        if head.startswith(magic) or text.startswith(magic):
            return name
    return f"unknown data (0x{head[:8].hex()}…)"
