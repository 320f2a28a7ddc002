"""What counts as a whole picture, and what every hostile or broken answer is called."""

import errno
import io
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchgen.core.errors import BadImageError
from batchgen.files.imagecheck import check
from batchgen.files.sniff import Picture
from tests.support.pictures import PNG_MAGIC, animation, bomb, film_of, picture, png_of_chunks, with_chunk_after_header

PNG = picture("PNG")
JPEG = picture("JPEG")
WEBP = picture("WEBP")
LOSSLESS = picture("WEBP", lossless=True)


def look(data: bytes, *, max_pixels: int = 64_000_000) -> Picture:
    """Check bytes as a draft would."""
    return check(io.BytesIO(data), size_bytes=len(data), max_pixels=max_pixels)


def refusal(data: bytes, *, max_pixels: int = 64_000_000) -> BadImageError:
    """Check bytes that must be refused, and give the error."""
    with pytest.raises(BadImageError) as caught:
        look(data, max_pixels=max_pixels)
    return caught.value


@pytest.mark.parametrize(
    ("data", "media_type", "suffix"),
    [
        pytest.param(PNG, "image/png", ".png", id="png"),
        pytest.param(picture("PNG", compress_level=0), "image/png", ".png", id="stored png"),
        pytest.param(JPEG, "image/jpeg", ".jpg", id="jpeg"),
        pytest.param(picture("JPEG", progressive=True), "image/jpeg", ".jpg", id="progressive jpeg"),
        pytest.param(WEBP, "image/webp", ".webp", id="lossy webp"),
        pytest.param(LOSSLESS, "image/webp", ".webp", id="lossless webp"),
        pytest.param(picture("WEBP", exif=b"Exif\0\0II*\0"), "image/webp", ".webp", id="extended webp"),
    ],
)
def test_whole_pictures_are_described_by_their_content(data: bytes, media_type: str, suffix: str) -> None:
    """Type, extension and size come from the bytes."""
    assert Picture(media_type=media_type, suffix=suffix, width=40, height=30) == look(data)


@pytest.mark.parametrize("data", [PNG, JPEG, WEBP], ids=["png", "jpeg", "webp"])
def test_zero_padding_after_the_end_is_tolerated(data: bytes) -> None:
    """Some storage pads objects with zeros; the picture before them is whole."""
    assert look(data).width == look(data + b"\0" * 512).width


@pytest.mark.parametrize(
    ("data", "sniffed"),
    [
        pytest.param(b"<!DOCTYPE html><html>", "an HTML page", id="html"),
        pytest.param(b"\xef\xbb\xbf\n <HTML><body>", "an HTML page", id="html with BOM"),
        pytest.param(b'<?xml version="1.0"?>\n<svg onload="x"/>', "an SVG document", id="svg with prologue"),
        pytest.param(b"<svg xmlns='x'><script/></svg>", "an SVG document", id="svg"),
        pytest.param(b'<?xml version="1.0"?><Error>AccessDenied</Error>', "an XML document", id="xml"),
        pytest.param(b"%PDF-1.7\n" + PNG, "a PDF document", id="pdf and png in one"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript", id="eps"),
        pytest.param(b"\xc5\xd0\xd3\xc6" + b"\0" * 40, "PostScript", id="binary eps"),
        pytest.param(picture("GIF"), "a GIF image", id="gif"),
        pytest.param(picture("BMP"), "a BMP image", id="bmp"),
        pytest.param(picture("TIFF"), "a TIFF image", id="tiff"),
        pytest.param(b"\0\0\0\x1cftypavif\0\0\0\0", "an ISO media file ('avif')", id="avif"),
        pytest.param(b'{"code": 20000}', "a JSON document", id="json"),
        pytest.param(b"\x1f\x8b\x08\0", "gzip data", id="gzip"),
        pytest.param(b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", "unknown data (0x0102030405060708…)", id="noise"),
        pytest.param(b"RIFF\x10\0\0\0WAVEfmt ", "unknown data (0x5249464610000000…)", id="riff but no webp"),
    ],
)
def test_other_types_are_refused_and_named(data: bytes, sniffed: str) -> None:
    """Only PNG, JPEG and WebP are images here, whatever the answer's header said."""
    error = refusal(data)

    assert error.reason == "wrong_type"
    assert sniffed in str(error)


@pytest.mark.parametrize("data", [PNG, JPEG, WEBP, LOSSLESS], ids=["png", "jpeg", "webp", "lossless webp"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_pictures_have_no_end_marker(data: bytes, kept: float) -> None:
    """A picture cut short is told from a whole one before anything is decoded."""
    assert refusal(data[: int(len(data) * kept)]).reason == "no_end_marker"


@pytest.mark.parametrize("data", [PNG, JPEG], ids=["png", "jpeg"])
def test_zeroed_tail_has_no_end_marker(data: bytes) -> None:
    """A preallocated file of the right length whose end never arrived is refused."""
    half = len(data) // 2

    assert refusal(data[:half] + b"\0" * (len(data) - half)).reason in {"no_end_marker", "not_decodable"}


@pytest.mark.parametrize("data", [WEBP, LOSSLESS], ids=["lossy", "lossless"])
def test_zeroed_tail_of_a_webp_is_a_hole(data: bytes) -> None:
    """WebP announces its length at the front and its decoder accepts zeros, so a long run of them at the end is looked for."""
    half = len(data) // 2

    assert refusal(data[:half] + b"\0" * (len(data) - half)).reason == "no_end_marker"


def test_flat_webp_that_ends_in_zeros_is_no_hole() -> None:
    """The coding of an empty picture ends in a hundred zero bytes of its own."""
    data = picture("WEBP", size=(1024, 1024), is_flat=True)

    assert data.endswith(b"\0" * 50)
    assert look(data).width == 1024


@pytest.mark.parametrize("data", [PNG, WEBP], ids=["png", "webp"])
def test_polyglot_with_a_page_behind_the_image_is_refused(data: bytes) -> None:
    """Bytes behind the end marker make the file something else as well."""
    assert refusal(data + b"<script>alert(1)</script>").reason == "no_end_marker"


def test_polyglot_jpeg_with_an_archive_behind_the_image_is_refused() -> None:
    """A JPEG must end with its end-of-image marker."""
    assert refusal(JPEG + b"PK\x05\x06" + b"\0" * 18).reason == "no_end_marker"


def test_padding_beyond_64_kib_is_refused() -> None:
    """A few zeros are storage, many are a hole."""
    assert refusal(PNG + b"\0" * 65_537).reason == "no_end_marker"


def test_hole_in_uncompressed_image_data_is_found_by_checksum() -> None:
    """Zeros inside stored data would decode to black pixels; the chunk's checksum does not fit them."""
    data = bytearray(picture("PNG", compress_level=0))
    data[600:1200] = bytes(600)

    assert refusal(bytes(data)).reason == "not_decodable"


def test_bomb_of_400_million_pixels_is_refused_by_its_header() -> None:
    """A 50 KB PNG of 20,000 squared pixels is never decoded."""
    data = bomb()

    error = refusal(data)

    assert len(data) < 250_000
    assert error.reason == "too_many_pixels"
    assert "20000 x 20000" in str(error)


@pytest.mark.parametrize("data", [PNG, JPEG, WEBP, LOSSLESS], ids=["png", "jpeg", "webp", "lossless webp"])
def test_pixel_cap_holds_for_every_format(data: bytes) -> None:
    """One pixel over the cap is too many, the cap itself is not."""
    assert look(data, max_pixels=1200).height == 30
    assert refusal(data, max_pixels=1199).reason == "too_many_pixels"


def test_extended_webp_of_16_million_squared_pixels_is_refused_before_its_canvas_is_made() -> None:
    """The canvas size in an extended header is judged before the decoder allocates it."""
    canvas = b"\0\0\0\0" + b"\xff\xff\xff" * 2
    body = b"WEBPVP8X" + len(canvas).to_bytes(4, "little") + canvas

    assert refusal(b"RIFF" + len(body).to_bytes(4, "little") + body).reason == "too_many_pixels"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused(kind: str) -> None:
    """One still image was ordered."""
    assert refusal(animation(kind)).reason == "many_frames"


def test_announced_100_000_frames_are_refused_without_reading_them() -> None:
    """The number of frames is judged by its announcement."""
    announced = (100_000).to_bytes(4) + (0).to_bytes(4)

    assert refusal(with_chunk_after_header(PNG, b"acTL", announced)).reason == "many_frames"


def test_compressed_text_of_100_megabytes_is_refused() -> None:
    """A metadata bomb does not get its memory."""
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000), 1)

    assert refusal(with_chunk_after_header(PNG, b"zTXt", text)).reason == "not_decodable"


def test_film_of_100_000_frames_is_refused_by_its_number() -> None:
    """The frames of an animated WebP are counted, not decoded."""
    assert refusal(film_of(100_000)).reason == "many_frames"


def test_text_of_100_megabytes_is_refused() -> None:
    """Metadata has a cap of its own, where the file has none."""
    assert refusal(with_chunk_after_header(PNG, b"tEXt", b"Comment\0" + b"x" * 100_000_000)).reason == "not_decodable"


def test_colour_profile_of_100_megabytes_is_refused() -> None:
    """A profile that unpacks to more than a profile ever has is no profile."""
    profile = b"icc\0\0" + zlib.compress(bytes(100_000_000), 1)

    assert refusal(with_chunk_after_header(PNG, b"iCCP", profile)).reason == "not_decodable"


def test_png_of_100_001_empty_chunks_is_refused() -> None:
    """The number of chunks is capped, so tiny ones cannot keep the reader busy."""
    assert refusal(png_of_chunks([(b"teSt", b"")] * 100_000)).reason == "not_decodable"


def test_png_without_pixels_is_refused() -> None:
    """A header of zero by zero is no picture."""
    assert refusal(png_of_chunks([(b"IHDR", bytes(8) + b"\x08\x02\0\0\0"), (b"IDAT", b"")])).reason == "not_decodable"


def test_c2pa_chunk_is_no_obstacle() -> None:
    """Content credentials in a private chunk are ordinary."""
    assert look(with_chunk_after_header(PNG, b"caBX", bytes(range(256)) * 40)).width == 40


def test_large_picture_is_decoded_like_any_other_once_it_has_its_turn() -> None:
    """Above 16 million pixels pictures take turns, and that is all."""
    turns: list[str] = []
    large, small = bomb(5_000), bomb(4_000)

    for data in (large, small):
        check(io.BytesIO(data), size_bytes=len(data), max_pixels=64_000_000, wait_turn=lambda: turns.append("waited"))

    assert ["waited"] == turns


class FailingFile(io.BytesIO):
    """A file whose disk fails at the second look at its beginning."""

    looks = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail when the decoder starts to read."""
        self.looks += self.tell() == 0
        if self.looks > 1:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_error_of_the_disk_is_not_the_images_fault() -> None:
    """EIO while reading back passes through: the image may be whole."""
    with pytest.raises(OSError, match="Input/output error"):
        check(FailingFile(PNG), size_bytes=len(PNG), max_pixels=1200)


@given(st.binary(max_size=300), st.sampled_from([b"", PNG_MAGIC, PNG[:60], JPEG[:200], WEBP[:60], LOSSLESS[:60]]))
@example(b"", b"")
def test_any_bytes_are_either_a_picture_or_refused(tail: bytes, head: bytes) -> None:
    """Nothing that a vendor sends ends in another error."""
    try:
        look(head + tail)
    except BadImageError as error:
        reason = error.reason
    else:
        reason = "none"

    assert reason
