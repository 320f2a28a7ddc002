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
