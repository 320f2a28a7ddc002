"""What counts as a whole video, and what every hostile or broken answer is called."""

import io
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.errors import BadImageError
from batchgen.core.jobs import Job
from batchgen.files.inspector import Inspector
from batchgen.files.shelf import ImageShelf
from batchgen.files.sniff import Picture
from batchgen.files.videocheck import check
from tests.support.pictures import MEDIA, box, element, mp4, picture, track, webm

FTYP = box(b"ftyp", b"isom\0\0\2\0")
INDEX = box(b"moov", track(b"vide", 64, 36))
HEADER = element(0x1A45DFA3, element(0x4282, b"webm"))
TRACKS = element(0x1654AE6B, element(0xAE, element(0x83, b"\1"), element(0xE0, element(0xB0, b"\x40"), element(0xBA, b"\x24"))))
CLUSTER = element(0x1F43B675, element(0xA3, MEDIA))


def look(data: bytes) -> Picture:
    """Check bytes as a draft would."""
    return check(io.BytesIO(data), size_bytes=len(data))


def refusal(data: bytes) -> BadImageError:
    """Check bytes that must be refused, and give the error."""
    with pytest.raises(BadImageError) as caught:
        look(data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "media_type", "suffix"),
    [
        pytest.param(mp4(), "video/mp4", ".mp4", id="mp4"),
        pytest.param(mp4(is_fast_start=True), "video/mp4", ".mp4", id="fast start"),
        pytest.param(mp4(brand=b"dash"), "video/mp4", ".mp4", id="other brand"),
        pytest.param(FTYP + INDEX + (1).to_bytes(4) + b"mdat" + (16 + 5).to_bytes(8) + b"media", "video/mp4", ".mp4", id="64-bit length"),
        pytest.param(FTYP + INDEX + (0).to_bytes(4) + b"mdat" + b"media", "video/mp4", ".mp4", id="length up to the end"),
        pytest.param(mp4() + box(b"free", bytes(9000)), "video/mp4", ".mp4", id="padding behind"),
        pytest.param(FTYP + box(b"moov", track(b"vide", 64, 36, version=1)) + box(b"mdat", b"m"), "video/mp4", ".mp4", id="version 1"),
        pytest.param(webm(), "video/webm", ".webm", id="webm"),
        pytest.param(webm(is_open=True), "video/webm", ".webm", id="open webm"),
    ],
)
def test_whole_videos_are_described_by_their_content(data: bytes, media_type: str, suffix: str) -> None:
    """Type, extension and size come from the bytes."""
    assert Picture(media_type=media_type, suffix=suffix, width=64, height=36) == look(data)


@pytest.mark.parametrize("data", [mp4(1920, 1080), webm(1920, 1080)], ids=["mp4", "webm"])
def test_size_is_the_video_tracks(data: bytes) -> None:
    """A track of sound before it has none."""
    assert (1920, 1080) == (look(data).width, look(data).height)


@pytest.mark.parametrize(
    ("data", "sniffed"),
    [
        pytest.param(b"", "unknown data", id="nothing"),
        pytest.param(b"<!DOCTYPE html>", "an HTML page", id="html"),
        pytest.param(picture("PNG"), "a PNG image", id="png"),
        pytest.param(picture("JPEG"), "a JPEG image", id="jpeg"),
        pytest.param(picture("WEBP"), "a WebP image", id="webp"),
        pytest.param(picture("GIF"), "a GIF image", id="gif"),
        pytest.param(mp4(brand=b"qt  "), "('qt  ')", id="quicktime"),
        pytest.param(mp4(brand=b"avif"), "('avif')", id="avif"),
        pytest.param(mp4()[24:], "unknown data", id="media without a first box"),
        pytest.param(webm(kind=b"matroska"), "a Matroska file", id="matroska"),
        pytest.param(element(0x1A45DFA3) + webm(), "a Matroska file", id="ebml without a type"),
    ],
)
def test_other_types_are_refused_and_named(data: bytes, sniffed: str) -> None:
    """Only MP4 and WebM are videos here."""
    error = refusal(data)

    assert "wrong_type" == error.reason
    assert sniffed in str(error)


@pytest.mark.parametrize("data", [mp4(), mp4(is_fast_start=True), webm()], ids=["mp4", "fast start", "webm"])
def test_video_cut_anywhere_is_refused(data: bytes) -> None:
    """No beginning of a video is a video."""
    assert {"truncated"} == {refusal(data[:length]).reason for length in range(8, len(data))}


def test_open_webm_cut_inside_an_element_is_refused() -> None:
    """Where no length tells the end, a file may end between two elements of a cluster, and nowhere else."""
    data = webm(is_open=True)

    passing = [length for length in range(len(data)) if _passes(data[:length])]

    assert len(passing) == 3  # behind the first block, the second cluster's head, and its time
    assert all(_passes(data[:length]) for length in passing)


def _passes(data: bytes) -> bool:
    try:
        look(data)
    except BadImageError:
        return False
    return True


@pytest.mark.parametrize("data", [mp4(media=MEDIA * 20, is_fast_start=True), webm(media=MEDIA * 20)], ids=["mp4", "webm"])
def test_hole_of_more_than_a_page_at_the_end_is_refused(data: bytes) -> None:
    """Media that were announced and never written are zeros in most file systems."""
    assert "no_end_marker" == refusal(data[:-5000] + bytes(5000)).reason
    assert _passes(data[:-4000] + bytes(4000))


@pytest.mark.parametrize("data", [mp4(), webm()], ids=["mp4", "webm"])
def test_hole_over_a_header_is_refused(data: bytes) -> None:
    """Where a header should stand, zeros begin nothing."""
    half = len(data) // 2

    assert "no_end_marker" == refusal(data[:half] + bytes(len(data) - half)).reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(FTYP + INDEX, "truncated", id="no media"),
        pytest.param(FTYP + INDEX + box(b"mdat"), "truncated", id="empty media"),
        pytest.param(FTYP + box(b"mdat", b"m"), "truncated", id="no index"),
        pytest.param(FTYP, "truncated", id="first box alone"),
        pytest.param(mp4() + b"\0\0\0", "truncated", id="bytes behind"),
        pytest.param(mp4() + bytes(512), "no_end_marker", id="zeros behind"),
        pytest.param(mp4() + b"<script>alert(1)</script>", "truncated", id="page behind"),
        pytest.param(mp4(0, 0), "not_decodable", id="no pixels"),
        pytest.param(mp4(64, 0), "not_decodable", id="no height"),
        pytest.param(FTYP + box(b"moov", track(b"soun", 0, 0)) + box(b"mdat", b"m"), "not_decodable", id="sound alone"),
        pytest.param(FTYP + box(b"moov", track(b"vide", 1, 1, version=7)) + box(b"mdat", b"m"), "not_decodable", id="version 7"),
        pytest.param(FTYP + box(b"moov", box(b"trak", box(b"tkhd"))) + box(b"mdat", b"m"), "not_decodable", id="empty header"),
        pytest.param(
            FTYP + box(b"moov", struct.pack(">I4s", 7, b"trak")) + box(b"mdat", b"m"), "not_decodable", id="length below a header"
        ),
        pytest.param(FTYP + box(b"moov", struct.pack(">I4s", 0, b"trak")) + box(b"mdat", b"m"), "not_decodable", id="inner length of zero"),
        pytest.param(
            FTYP + box(b"moov", struct.pack(">I4s", 99, b"trak")) + box(b"mdat", b"m"), "not_decodable", id="child over its parent"
        ),
        pytest.param(FTYP + struct.pack(">I4sQ", 1, b"mdat", 0), "not_decodable", id="long length of zero"),
        pytest.param(FTYP + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1), "truncated", id="length of 2^64"),
        pytest.param(FTYP + struct.pack(">I4s", 1, b"mdat"), "not_decodable", id="long length cut off"),
        pytest.param(FTYP + box(b"free") * 60_000, "not_decodable", id="60,000 boxes"),
        pytest.param(FTYP + box(b"moov", box(b"free") * 60_000) + box(b"mdat", b"m"), "not_decodable", id="60,000 inner boxes"),
        pytest.param(HEADER, "truncated", id="header alone"),
        pytest.param(HEADER + TRACKS, "not_decodable", id="no segment"),
        pytest.param(HEADER + element(0x18538067, TRACKS), "truncated", id="no cluster"),
        pytest.param(HEADER + element(0x18538067, TRACKS, is_open=True), "truncated", id="open without cluster"),
        pytest.param(HEADER + element(0x18538067, TRACKS, element(0x1F43B675)), "truncated", id="empty cluster"),
        pytest.param(HEADER + element(0x18538067, CLUSTER), "truncated", id="no tracks"),
        pytest.param(HEADER + element(0x18538067), "truncated", id="empty segment"),
        pytest.param(webm() + b"\0\0\0", "no_end_marker", id="bytes behind the segment"),
        pytest.param(webm(is_open=True) + bytes(9), "no_end_marker", id="zeros behind the open segment"),
        pytest.param(webm(0, 0), "not_decodable", id="webm without pixels"),
        pytest.param(HEADER + element(0x18538067, element(0x1654AE6B), CLUSTER), "not_decodable", id="no video track"),
        pytest.param(HEADER + element(0x18538067, element(0x1654AE6B, is_open=True), CLUSTER), "not_decodable", id="open tracks"),
        pytest.param(
            HEADER + element(0x18538067, element(0x1654AE6B, b"\xae\x90"), CLUSTER), "not_decodable", id="element over its parent"
        ),
        pytest.param(
            HEADER + element(0x18538067, b"\x1f\x43\xb6\x75\x82\xa3\x83AAA", TRACKS), "not_decodable", id="block over its cluster"
        ),
        pytest.param(
            HEADER + element(0x18538067, element(0x1654AE6B, element(0xAE, element(0x83, bytes(9)))), CLUSTER),
            "not_decodable",
            id="long number",
        ),
        pytest.param(HEADER + element(0x18538067, element(0xEC) * 250_000), "not_decodable", id="250,000 elements"),
        pytest.param(HEADER + b"\x18\x53\x80\x67\x00", "no_end_marker", id="length that begins with zero"),
        pytest.param(HEADER + b"\x18\x53\x80\x67\x01", "truncated", id="length cut off"),
        pytest.param(b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff", "wrong_type", id="open header"),
    ],
)
def test_broken_and_hostile_containers_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    """Huge, absent, negative and endless lengths neither pass nor hang."""
    assert reason == refusal(data).reason


def test_deep_nesting_leads_nowhere() -> None:
    """A thousand tracks inside each other are one level for whoever follows only the path that exists."""
    nested = b""
    for _ in range(1000):
        nested = box(b"trak", nested)

    assert "not_decodable" == refusal(FTYP + box(b"moov", nested) + box(b"mdat", b"m")).reason


def test_video_of_two_gigabytes_is_read_by_its_headers(tmp_path: Path) -> None:
    """Media are stepped over, so the check of the largest file takes no time."""
    place = tmp_path / "large"
    size = 2**31 - 16
    with place.open("wb") as file:
        file.write(FTYP + INDEX + size.to_bytes(4) + b"mdat")
        file.seek(size - 9, io.SEEK_CUR)
        file.write(b"m")

    with place.open("rb") as file:
        assert 64 == check(file, size_bytes=place.stat().st_size).width


@given(st.binary(max_size=300), st.sampled_from([b"", FTYP, FTYP + INDEX, mp4()[:300], HEADER, webm()[:200], webm(is_open=True)]))
def test_any_bytes_are_either_a_video_or_refused(tail: bytes, head: bytes) -> None:
    """Nothing that a vendor sends ends in another error."""
    _passes(head + tail)


@given(st.data(), st.sampled_from([mp4(), mp4(is_fast_start=True), webm(), webm(is_open=True)]))
def test_any_damage_is_either_a_video_or_refused(choice: st.DataObject, whole: bytes) -> None:
    """Neither do a few bytes that were changed on the way."""
    damaged = bytearray(whole)
    for _ in range(choice.draw(st.integers(1, 4))):
        damaged[choice.draw(st.integers(0, len(whole) - 1))] = choice.draw(st.integers(0, 255))

    _passes(bytes(damaged))


# --- in a draft ---


@pytest.mark.parametrize(("data", "path"), [(mp4(), "lettering/logo.mp4"), (webm(), "lettering/logo.webm")], ids=["mp4", "webm"])
def test_ordered_video_is_published_like_an_image(shelf: ImageShelf, job: Job, root: Path, data: bytes, path: str) -> None:
    """Its name says what it is and its description has its size."""
    draft = shelf.draft(replace(job, operation="video"), 0)
    draft.write(data)
    image = draft.finish(length=len(data))

    assert shelf.publish(image)
    assert (path, 64, 36) == (image.path, image.width, image.height)
    assert data == (root / path).read_bytes()


@pytest.mark.parametrize(("operation", "data"), [("video", picture("PNG")), ("image", mp4()), ("edit", webm())])
def test_what_was_not_ordered_is_the_wrong_type(shelf: ImageShelf, job: Job, operation: str, data: bytes) -> None:
    """A picture is no video, and a video no picture."""
    draft = shelf.draft(replace(job, operation=operation), 0)
    draft.write(data)

    with pytest.raises(BadImageError) as caught:
        draft.finish(length=None)

    assert "wrong_type" == caught.value.reason


def test_videos_have_a_cap_of_their_own(root: Path, job: Job, inspector: Inspector) -> None:
    """What is too much for an image is little for a video."""
    shelf = ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector, max_bytes=10, max_video_bytes=20)
    draft = shelf.draft(replace(job, operation="video"), 0)
    draft.write(bytes(20))

    with pytest.raises(BadImageError, match="the video is larger than the 20 bytes") as caught:
        draft.write(b"0")

    assert "too_big" == caught.value.reason
    draft.discard()
