"""Put pictures into a small film: MP4 with Motion JPEG frames, or WebM with VP8 key frames, both as players read them.

A box of MP4 is its size, its kind and its content; an element of WebM is its id, its size and its content. No encoder is
needed: JPEG is a codec of MP4, and a lossy WebP holds one VP8 key frame.
"""

import io
import struct
from collections.abc import Iterator, Sequence

from PIL import Image

_TICKS = 1000
_QUALITY = 72
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_JPEG_IN_MP4 = 0x6C
_VISUAL_STREAM = 0x11


def mp4(frames: Sequence[Image.Image], seconds: float) -> bytes:
    """Return an MP4 that shows the frames, all of one size, for this long."""
    samples = [_saved(frame, "JPEG") for frame in frames]
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
    step = max(1, round(seconds * _TICKS / len(samples)))
    first_byte = len(kind) + len(_moov(frames[0].size, samples, step, 0)) + 8
    return kind + _moov(frames[0].size, samples, step, first_byte) + _box(b"mdat", *samples)


def webm(frames: Sequence[Image.Image], seconds: float) -> bytes:
    """Return a WebM that shows the frames, all of one size, for this long."""
    step = max(1, round(seconds * _TICKS / len(frames)))
    header = _element(
        0x1A45DFA3,
        _number(0x4286, 1),
        _number(0x42F7, 1),
        _number(0x42F2, 4),
        _number(0x42F3, 8),
        _element(0x4282, b"webm"),
        _number(0x4287, 2),
        _number(0x4285, 2),
    )
    told = _element(
        0x1549A966,
        _number(0x2AD7B1, 1_000_000),
        _element(0x4489, struct.pack(">d", step * len(frames))),
        _element(0x4D80, b"sim"),
        _element(0x5741, b"sim"),
    )
    clusters = [_cluster(index * step, _key_frame(frame)) for index, frame in enumerate(frames)]
    return header + _element(0x18538067, told, _tracks(frames[0].size), *clusters)


def _saved(frame: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    frame.convert("RGB").save(buffer, form, quality=_QUALITY)
    return buffer.getvalue()


def _box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I", 8 + sum(map(len, content))) + kind + b"".join(content)


def _full(kind: bytes, *content: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *content)


def _moov(size: tuple[int, int], samples: list[bytes], step: int, first_byte: int) -> bytes:
    lasts = step * len(samples)
    movie = struct.pack(">4I", 0, 0, _TICKS, lasts) + struct.pack(">IH10x", 0x10000, 0x0100) + _MATRIX + bytes(24) + struct.pack(">I", 2)
    track = struct.pack(">5I8x4H", 0, 0, 1, 0, lasts, 0, 0, 0, 0) + _MATRIX + struct.pack(">2I", size[0] << 16, size[1] << 16)
    media = struct.pack(">4I2H", 0, 0, _TICKS, lasts, 0x55C4, 0)
    speaks = struct.pack(">I", 0) + b"vide" + bytes(12) + b"frames\0"
    here = _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1))
    inner = _box(b"minf", _full(b"vmhd", bytes(8), flags=1), _box(b"dinf", here), _samples(size, samples, step, first_byte))
    media_box = _box(b"mdia", _full(b"mdhd", media), _full(b"hdlr", speaks), inner)
    return _box(b"moov", _full(b"mvhd", movie), _box(b"trak", _full(b"tkhd", track, flags=7), media_box))


def _samples(size: tuple[int, int], samples: list[bytes], step: int, first_byte: int) -> bytes:
    sizes = [len(sample) for sample in samples]
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), _entry(size, max(sizes))),
        _full(b"stts", struct.pack(">3I", 1, len(sizes), step)),
        _full(b"stsc", struct.pack(">4I", 1, 1, len(sizes), 1)),
        _full(b"stsz", struct.pack(f">{len(sizes) + 2}I", 0, len(sizes), *sizes)),
        _full(b"stco", struct.pack(">2I", 1, first_byte)),
    )


def _entry(size: tuple[int, int], largest: int) -> bytes:
    shown = struct.pack(">6xH16x2H2I4xH32x2H", 1, *size, 0x480000, 0x480000, 1, 0x0018, 0xFFFF)
    decoder = struct.pack(">BB", _JPEG_IN_MP4, _VISUAL_STREAM) + largest.to_bytes(3) + bytes(8)
    stream = struct.pack(">HB", 1, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02")
    return _box(b"mp4v", shown, _full(b"esds", _descriptor(3, stream)))


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def _element(kind: int, *content: bytes) -> bytes:
    size = sum(map(len, content))
    return kind.to_bytes((kind.bit_length() + 7) // 8) + (size | 1 << 56).to_bytes(8) + b"".join(content)


def _number(kind: int, value: int) -> bytes:
    return _element(kind, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def _tracks(size: tuple[int, int]) -> bytes:
    video = _element(0xE0, _number(0xB0, size[0]), _number(0xBA, size[1]))
    return _element(0x1654AE6B, _element(0xAE, _number(0xD7, 1), _number(0x73C5, 1), _number(0x83, 1), _element(0x86, b"V_VP8"), video))


def _cluster(at: int, frame: bytes) -> bytes:
    return _element(0x1F43B675, _number(0xE7, at), _element(0xA3, b"\x81\0\0\x80", frame))


def _key_frame(frame: Image.Image) -> bytes:
    """Return the VP8 key frame inside a lossy WebP."""
    return next(body for kind, body in _chunks(_saved(frame, "WEBP")) if kind == b"VP8 ")


def _chunks(webp: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at < len(webp):
        size = int.from_bytes(webp[at + 4 : at + 8], "little")
        yield webp[at : at + 4], webp[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
