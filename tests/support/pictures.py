"""Pictures for tests, good and hostile, as bytes."""

import io
import random
import struct
import zlib
from collections.abc import Sequence

from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def picture(kind: str = "PNG", *, size: tuple[int, int] = (40, 30), seed: int = 1, is_flat: bool = False, **options: object) -> bytes:
    """Encode a picture of noise, or of white; ``kind`` and ``options`` are Pillow's."""
    return _encoded(Image.new("RGB", size, "white") if is_flat else _noise(size, seed), kind, **options)


def animation(kind: str, *, frames: int = 3) -> bytes:
    """Encode an animated picture."""
    first, *rest = (_noise((20, 20), seed) for seed in range(frames))
    return _encoded(first, kind, save_all=True, append_images=rest)


def png_of_chunks(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Build a PNG from (type, data) pairs with correct checksums; IEND is added."""
    return PNG_MAGIC + b"".join(_chunk(kind, data) for kind, data in (*chunks, (b"IEND", b"")))


def bomb(side: int = 20_000) -> bytes:
    """Build a PNG of ``side`` squared black pixels in about fifty kilobytes."""
    row = b"\0" * (1 + (side + 7) // 8)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return png_of_chunks([(b"IHDR", header), (b"IDAT", zlib.compress(row * side, 1))])


def costly(side: int = 2000, *, scans: int = 20_000) -> bytes:
    """Build a JPEG that names one of its scans again and again: half a megabyte that takes a minute to decode."""
    head, marker, scan = _encoded(Image.new("L", (side, side)), "JPEG", progressive=True).rpartition(b"\xff\xda")
    end = scan[-2:]
    return head + (marker + scan.removesuffix(end)) * scans + end


def film_of(frames: int) -> bytes:
    """Build an animated WebP that shows its last frame again and again."""
    short = animation("WEBP", frames=2)
    last = short.rindex(b"ANMF")
    body = short[8:last] + short[last:] * (frames - 1)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def with_chunk_after_header(png: bytes, kind: bytes, data: bytes) -> bytes:
    """Insert a chunk behind a PNG's header."""
    end_of_header = len(PNG_MAGIC) + 12 + 13
    return png[:end_of_header] + _chunk(kind, data) + png[end_of_header:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(data, zlib.crc32(kind)).to_bytes(4)


def _noise(size: tuple[int, int], seed: int) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * size[0] * size[1]))


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


# --- videos: containers by hand, with bytes in them that no decoder would take ---

MEDIA = bytes(range(1, 256)) * 4


def mp4(width: int = 64, height: int = 36, *, media: bytes = MEDIA, is_fast_start: bool = False, brand: bytes = b"isom") -> bytes:
    """Build an MP4 of a sound and a video track; its index stands behind the media, or with ``is_fast_start`` before them."""
    index = box(b"moov", box(b"mvhd", bytes(100)), track(b"soun", 0, 0), track(b"vide", width, height))
    body = [box(b"mdat", media), index]
    return box(b"ftyp", brand, b"\0\0\2\0isommp42") + b"".join(reversed(body) if is_fast_start else body)


def track(handler: bytes, width: int, height: int, *, version: int = 0) -> bytes:
    """Build a track of an MP4 with a header, a handler and tables."""
    header = bytes([version, 0, 0, 3]) + bytes(84 if version else 72) + struct.pack(">HHHH", width, 0, height, 0)
    tables = box(b"minf", box(b"stbl", box(b"stsd", bytes(8)), box(b"stco", bytes(4) + b"\0\0\0\1\0\0\0\x30")))
    return box(b"trak", box(b"tkhd", header), box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(12)), tables))


def box(kind: bytes, *parts: bytes) -> bytes:
    """Build a box of an MP4."""
    content = b"".join(parts)
    return (8 + len(content)).to_bytes(4) + kind + content


def webm(width: int = 64, height: int = 36, *, is_open: bool = False, kind: bytes = b"webm", media: bytes = MEDIA) -> bytes:
    """Build a WebM of a sound and a video track and two clusters; with ``is_open`` their lengths and the segment's are left open."""
    size = element(0xE0, element(0xB0, width.to_bytes(2)), element(0xBA, height.to_bytes(2)))
    tracks = element(0x1654AE6B, element(0xAE, element(0x83, b"\2")), element(0xAE, element(0x83, b"\1"), size))
    block = element(0xA3, b"\x81\0\0\x80", media)
    clusters = [element(0x1F43B675, element(0xE7, bytes([at])), block, is_open=is_open) for at in (0, 40)]
    return element(0x1A45DFA3, element(0x4282, kind)) + element(0x18538067, tracks, *clusters, is_open=is_open)


def element(number: int, *parts: bytes, is_open: bool = False) -> bytes:
    """Build an element of a WebM, its length in eight bytes."""
    content = b"".join(parts)
    length = b"\x01" + (b"\xff" * 7 if is_open else len(content).to_bytes(7))
    return number.to_bytes((number.bit_length() + 7) // 8) + length + content
