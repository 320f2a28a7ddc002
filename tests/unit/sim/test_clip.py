"""Tests of the films: the containers hold what players look for, at the places where they look."""

import io
import struct
from collections.abc import Iterator

import pytest
from PIL import Image

from batchgen.sim.clip import mp4, webm

FRAMES = [Image.new("RGB", (64, 36), (40 * index, 90, 120)) for index in range(6)]
NESTED = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf"}


def boxes(raw: bytes, path: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of every box."""
    at = 0
    while at < len(raw):
        size, kind = struct.unpack(">I4s", raw[at : at + 8])
        assert 8 <= size <= len(raw) - at
        here, content = f"{path}/{kind.decode()}", raw[at + 8 : at + size]
        yield here, content
        if kind in NESTED:
            yield from boxes(content, here)
        at += size


def test_an_mp4_has_the_boxes_of_a_film() -> None:
    """Every box ends where the next begins, and none that a player needs is missing."""
    found = dict(boxes(mp4(FRAMES, 3.0)))

    track = "/moov/trak/mdia"
    assert list(found)[:2] == ["/ftyp", "/moov"]
    assert {f"{track}/minf/stbl/{kind}" for kind in ("stsd", "stts", "stsc", "stsz", "stco")} <= found.keys()
    assert {"/moov/mvhd", "/moov/trak/tkhd", f"{track}/mdhd", f"{track}/hdlr", f"{track}/minf/vmhd", "/mdat"} <= found.keys()


def test_an_mp4_tells_its_size_and_duration() -> None:
    """The track header holds width and height, the movie header three seconds."""
    found = dict(boxes(mp4(FRAMES, 3.0)))

    width, height = struct.unpack(">2I", found["/moov/trak/tkhd"][-8:])
    scale, lasts = struct.unpack(">2I", found["/moov/mvhd"][12:20])

    assert (width >> 16, height >> 16) == (64, 36)
    assert lasts / scale == pytest.approx(3.0)


def test_an_mp4_finds_its_frames() -> None:
    """Offset and sizes lead to one JPEG after the other."""
    raw = mp4(FRAMES, 3.0)
    table = dict(boxes(raw))
    at = struct.unpack(">I", table["/moov/trak/mdia/minf/stbl/stco"][8:12])[0]
    sizes = struct.unpack(">6I", table["/moov/trak/mdia/minf/stbl/stsz"][12:])

    for frame, size in zip(FRAMES, sizes, strict=True):
        image = Image.open(io.BytesIO(raw[at : at + size]))
        image.load()
        assert (image.format, image.size) == ("JPEG", frame.size)
        at += size

    assert at == len(raw)


def elements(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the id and content of the elements on one level; all sizes here are eight bytes long."""
    at = 0
    while at < len(raw):
        length = 9 - raw[at].bit_length()
        size = int.from_bytes(raw[at + length : at + length + 8]) & (1 << 56) - 1
        at += length + 8
        yield int.from_bytes(raw[at - 8 - length : at - 8]), raw[at : at + size]
        at += size


def test_a_webm_holds_a_header_a_track_and_a_cluster_for_each_frame() -> None:
    """The document type is webm, the codec VP8, and every block is a key frame of the right size."""
    (_, header), (_, segment) = elements(webm(FRAMES, 3.0))
    inner = list(elements(segment))
    tracks = next(content for kind, content in inner if kind == 0x1654AE6B)
    blocks = [dict(elements(content))[0xA3] for kind, content in inner if kind == 0x1F43B675]

    assert dict(elements(header))[0x4282] == b"webm"
    assert dict(elements(dict(elements(tracks))[0xAE]))[0x86] == b"V_VP8"
    assert len(blocks) == len(FRAMES)
    assert {block[7:10] for block in blocks} == {b"\x9d\x01\x2a"}
    assert {struct.unpack("<2H", block[10:14]) for block in blocks} == {(64, 36)}
