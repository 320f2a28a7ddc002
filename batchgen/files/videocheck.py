"""Whether received bytes are one whole video: MP4 or WebM, by their content and never by what anybody called them.

Nothing is decoded: a decoder for video is a large and dangerous thing to ship for a yes or no. What a broken download looks like shows in
the container (see ``mp4`` and ``webm``), which is read with seeks, a few bytes at a time; how many headers are read is bounded.
"""

from typing import BinaryIO, Final

from batchgen.core.errors import BadImageError
from batchgen.files import mp4, webm
from batchgen.files.sniff import SUFFIXES, Picture, sniffed

_EBML: Final = b"\x1a\x45\xdf\xa3"
# Relatives of MP4 that are told from it by their main brand alone: QuickTime, and still pictures.
_OTHER_BRANDS: Final = frozenset({b"qt  ", b"avif", b"heic", b"heix", b"mif1"})


def is_video(head: bytes) -> bool:
    """Say whether the first bytes of a file are those of a container that may hold a video."""
    return head[4:8] == b"ftyp" or head.startswith(_EBML)


def check(file: BinaryIO, *, size_bytes: int) -> Picture:
    """Walk through the file and describe the video; raise BadImageError with a reason word, or the OSError of a failing disk."""
    file.seek(0)
    head = file.read(256)
    if head[4:8] == b"ftyp" and head[8:12] not in _OTHER_BRANDS:
        width, height = mp4.measure(file, size_bytes=size_bytes)
        return Picture(media_type="video/mp4", suffix=SUFFIXES["video/mp4"], width=width, height=height)
    if head.startswith(_EBML):
        width, height = webm.measure(file, size_bytes=size_bytes)
        return Picture(media_type="video/webm", suffix=SUFFIXES["video/webm"], width=width, height=height)
    raise BadImageError(f"received {sniffed(head)} instead of MP4 or WebM", reason="wrong_type")
