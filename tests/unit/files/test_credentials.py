"""Where C2PA credentials are found, and where something merely resembles them."""

import io
import struct

import pytest

from batchgen.files.looks.credentials import has_credentials
from tests.support.pictures import picture, png_of_chunks, with_chunk_after_header

PNG, JPEG, WEBP = picture("PNG"), picture("JPEG"), picture("WEBP")
UUID = bytes.fromhex("63327061001100108000 00AA00389B71")


def superbox(label: bytes = b"c2pa", *, kind: bytes = b"jumb", is_long: bool = False) -> bytes:
    """Build a JUMBF superbox with a description and a little content; with ``is_long`` its length takes eight bytes."""
    description = b"jumd" + UUID + b"\x03" + label + b"\0"
    content = (4 + len(description)).to_bytes(4) + description + (12).to_bytes(4) + b"json" + b"{  }"
    if is_long:
        return (1).to_bytes(4) + kind + (16 + len(content)).to_bytes(8) + content
    return (8 + len(content)).to_bytes(4) + kind + content


def app11(box: bytes, *, mark: bytes = b"JP", marker: int = 0xEB) -> bytes:
    """Wrap a box in a JPEG segment, as the first of its sequence."""
    return struct.pack(">BBH", 0xFF, marker, 2 + 8 + len(box)) + mark + struct.pack(">HI", 1, 1) + box


def jpeg_with(*segments: bytes) -> bytes:
    """Put segments behind a JPEG's start."""
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def webp_with(name: bytes, content: bytes) -> bytes:
    """Append a chunk to a WebP."""
    body = WEBP[8:] + name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def found(data: bytes, media_type: str) -> bool:
    """Look for credentials in bytes."""
    return has_credentials(io.BytesIO(data), media_type)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(with_chunk_after_header(PNG, b"caBX", superbox()), "image/png", id="png"),
        pytest.param(jpeg_with(app11(superbox())), "image/jpeg", id="jpeg"),
        pytest.param(jpeg_with(app11(superbox(b"other")), b"\xff\xff", app11(superbox())), "image/jpeg", id="jpeg, behind another box"),
        pytest.param(jpeg_with(app11(superbox(is_long=True))), "image/jpeg", id="jpeg, long box"),
        pytest.param(webp_with(b"C2PA", superbox()), "image/webp", id="webp"),
        pytest.param(WEBP[:4] + webp_with(b"odd ", b"123")[4:] + b"C2PA\0\0\0\0", "image/webp", id="webp, behind an odd chunk"),
    ],
)
def test_credentials_are_found_in_each_format(data: bytes, media_type: str) -> None:
    """Each has its own place for them."""
    assert found(data, media_type)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(PNG, "image/png", id="png"),
        pytest.param(JPEG, "image/jpeg", id="jpeg"),
        pytest.param(WEBP, "image/webp", id="webp"),
        pytest.param(with_chunk_after_header(PNG, b"tEXt", b"caBX\0caBX"), "image/png", id="the word in a text of a png"),
        pytest.param(webp_with(b"EXIF", b"C2PA\4\0\0\0C2PA"), "image/webp", id="the word in a chunk of a webp"),
        pytest.param(jpeg_with(app11(superbox(b"c2pax"))), "image/jpeg", id="another label"),
        pytest.param(jpeg_with(app11(superbox(kind=b"free"))), "image/jpeg", id="another box"),
        pytest.param(jpeg_with(app11(superbox(), mark=b"XT")), "image/jpeg", id="another use of the segment"),
        pytest.param(jpeg_with(app11(superbox(), marker=0xE1)), "image/jpeg", id="another segment"),
        pytest.param(JPEG + app11(superbox()), "image/jpeg", id="behind the picture"),
        pytest.param(JPEG[:2] + b"\xff\xeb\0\x02" + JPEG[2:], "image/jpeg", id="empty segment"),
        pytest.param(JPEG[:2] + b"\xff\xeb\0\0" * 4, "image/jpeg", id="impossible length"),
        pytest.param(png_of_chunks([])[:12], "image/png", id="cut short"),
        pytest.param(webp_with(b"C2PA", b"")[:-3], "image/webp", id="cut in the name"),
        pytest.param(with_chunk_after_header(PNG, b"caBX", superbox()), "video/mp4", id="not looked into"),
    ],
)
def test_what_only_resembles_them_is_not_taken_for_them(data: bytes, media_type: str) -> None:
    """Words in texts, other boxes and other segments are none."""
    assert not found(data, media_type)


def test_endless_fill_bytes_end() -> None:
    """A hostile file is given up after so many parts."""
    assert not found(b"\xff\xd8" + b"\xff" * 300_000, "image/jpeg")
