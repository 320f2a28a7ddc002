"""Looks at saved pictures: what is seen, what is kept for the next time, and what hostile bytes cost."""

import hashlib
import io
import json
import os
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from batchgen.core.errors import FileError
from batchgen.files.inspector import Bounds, Inspector, _look_of
from batchgen.files.looks.album import Look, Wanted, _Album, look_at
from batchgen.files.sights import sight_of
from tests.support.pictures import animation, bomb, costly, mp4, picture, png_of_chunks, webm, with_chunk_after_header

GLOW = picture("PNG", size=(64, 48))

See = Callable[..., Look]


@pytest.fixture
def thumbs(tmp_path: Path) -> Path:
    """Name a folder that does not exist yet."""
    return tmp_path / "report" / "thumbs"


@pytest.fixture
def see(tmp_path: Path, thumbs: Path, inspector: Inspector) -> Iterator[See]:
    """Give a function that saves bytes and has one look at them, by the children that all tests share."""
    album = _Album(thumbs)

    def run(data: bytes, name: str = "a.png") -> Look:
        return album.look(saved(tmp_path / name, data), inspector)

    yield run
    album.keep()


def saved(path: Path, data: bytes) -> Wanted:
    """Save a picture and ask for it under the name of its file."""
    path.write_bytes(data)
    return Wanted(key=path.stem, path=path, sha256=hashlib.sha256(data).hexdigest())


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Encode a picture; ``options`` are Pillow's."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def flat(colour: object, mode: str = "RGB", size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Draw one colour."""
    return Image.new(mode, size, colour)


def slope(size: tuple[int, int] = (400, 300), *, levels: int = 255) -> Image.Image:
    """Draw a grey that grows lighter from top to bottom, up to so many levels."""
    return Image.linear_gradient("L").point([level * levels // 255 for level in range(256)]).resize(size).convert("RGB")


def opened(thumbs: Path, look: Look) -> Image.Image:
    """Open the thumbnail of a look."""
    return Image.open(io.BytesIO((thumbs / look.thumbnail).read_bytes()))


# --- what is seen ---


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_look_describes_a_picture_and_leaves_a_small_one(see: See, thumbs: Path, kind: str, media_type: str) -> None:
    """Size and type are the picture's; the thumbnail is a WebP named by the hash, its longest edge 320 pixels."""
    data = picture(kind, size=(1000, 500))

    look = see(data)

    assert ("a", "", 1000, 500, media_type) == (look.key, look.problem, look.width, look.height, look.media_type)
    assert f"{hashlib.sha256(data).hexdigest()[:32]}.webp" == look.thumbnail
    assert (320, 160) == (look.thumb_width, look.thumb_height)
    assert ("WEBP", (320, 160)) == (opened(thumbs, look).format, opened(thumbs, look).size)


@pytest.mark.parametrize(("size", "small"), [((1, 1), (1, 1)), ((30_000, 1), (320, 1)), ((200, 320), (200, 320))])
def test_odd_sizes_keep_an_edge_of_one_pixel_and_are_never_enlarged(
    see: See, thumbs: Path, size: tuple[int, int], small: tuple[int, int]
) -> None:
    """What is small stays as it is."""
    look = see(picture("PNG", size=size))

    assert size == (look.width, look.height)
    assert small == (look.thumb_width, look.thumb_height) == opened(thumbs, look).size


@pytest.mark.parametrize(
    ("turned", "corner"), [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (0, 1)), (5, (0, 0)), (6, (1, 0)), (7, (1, 1)), (8, (0, 1))]
)
def test_picture_is_shown_upright(see: See, thumbs: Path, turned: int, corner: tuple[int, int]) -> None:
    """The EXIF orientation turns the thumbnail, and width and height with it: the black corner goes where it says."""
    image = flat("white")
    image.paste("black", (0, 0, 150, 100))
    exif = Image.Exif()
    exif[0x0112] = turned

    look = see(encoded(image, "JPEG", exif=exif))

    assert ((300, 400) if turned >= 5 else (400, 300)) == (look.width, look.height)
    shown = opened(thumbs, look).convert("L")
    corners = {(x, y): shown.getpixel((x * (shown.width - 1), y * (shown.height - 1))) for x in (0, 1) for y in (0, 1)}
    assert corner == min(corners, key=corners.__getitem__)


def test_damaged_exif_does_not_hide_a_picture(see: See) -> None:
    """What cannot be read turns nothing."""
    look = see(encoded(slope(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))

    assert ("", 400, 300) == (look.problem, look.width, look.height)


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        pytest.param(flat((200, 30, 30)), "PNG", (200, 30, 30), id="rgb"),
        pytest.param(flat((200, 30, 30)).convert("P"), "PNG", (200, 30, 30), id="palette"),
        pytest.param(flat(1, "1"), "PNG", (255, 255, 255), id="one bit"),
        pytest.param(flat(0x8000, "I;16"), "PNG", (128, 128, 128), id="16 bits"),
        pytest.param(flat((60, 99), "LA"), "PNG", (60, 60, 60, 99), id="grey and alpha"),
        pytest.param(flat((0, 255, 255, 0), "CMYK"), "JPEG", (254, 0, 0), id="cmyk"),
        pytest.param(flat((0, 0, 255, 100), "RGBA"), "PNG", (0, 0, 255, 100), id="alpha"),
    ],
)
def test_colours_and_transparency_survive(see: See, thumbs: Path, image: Image.Image, kind: str, expected: tuple[int, ...]) -> None:
    """Every way in which pictures hold their colours comes out as the same colours, as far as WebP keeps them."""
    shown = opened(thumbs, see(encoded(image, kind)))

    assert all(abs(channel - other) <= 5 for channel, other in zip(expected, shown.getpixel((160, 120)), strict=True))


def test_colours_are_brought_home_from_a_profile(see: See, thumbs: Path) -> None:
    """Colours that mean something else without their profile are converted by it; the profile itself is not handed on."""
    swapped = _profile_with_red_and_blue_exchanged()

    look = see(encoded(flat((255, 0, 0)), "PNG", icc_profile=swapped))

    shown = opened(thumbs, look)
    red, _, blue = shown.getpixel((160, 120))
    assert red < 50
    assert blue > 200
    assert "icc_profile" not in shown.info


def _profile_with_red_and_blue_exchanged() -> bytes:
    """Take sRGB and let the tags of its red and blue primaries change places."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return content.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def test_nonsense_for_a_profile_is_left_aside(see: See, thumbs: Path) -> None:
    """The colours are taken as they are."""
    shown = opened(thumbs, see(encoded(flat((255, 0, 0)), "PNG", icc_profile=b"nonsense")))

    red, _, blue = shown.getpixel((160, 120))
    assert red > 200
    assert blue < 50


# --- blank or not ---


@pytest.mark.parametrize(
    ("image", "is_blank"),
    [
        pytest.param(flat("white"), True, id="white"),
        pytest.param(flat("black"), True, id="black"),
        pytest.param(flat((12, 200, 90)), True, id="green"),
        pytest.param(slope(levels=8), True, id="a gradient that nobody sees"),
        pytest.param(flat((255, 0, 0, 0), "RGBA"), True, id="nothing but transparency"),
        pytest.param(slope(levels=24), False, id="slight gradient"),
        pytest.param(Image.effect_noise((400, 300), 40), False, id="noise"),
    ],
)
def test_picture_of_one_colour_is_blank(see: See, image: Image.Image, is_blank: bool) -> None:
    """Nearly one colour is one; what an eye can see is not. A blank picture is like no other, so it has no hash."""
    look = see(encoded(image))

    assert is_blank == look.is_blank == (look.dhash is None)


def test_small_mark_or_a_white_drawing_on_nothing_is_not_blank(see: See) -> None:
    """A letter's worth of ink, and white that only its transparency outlines, are something."""
    marked, cut_out = flat("white", size=(1024, 1024)), flat((255, 255, 255, 0), "RGBA")
    marked.paste("black", (500, 500, 512, 512))
    cut_out.paste((255, 255, 255, 255), (100, 100, 200, 200))

    assert not see(encoded(marked), "marked.png").is_blank
    assert not see(encoded(cut_out), "cut_out.png").is_blank


# --- the hash of what it looks like ---


def test_hash_survives_another_format_and_size_but_not_another_picture(see: See) -> None:
    """It is close for the same picture encoded again, and far for another."""
    one, other = (Image.frombytes("RGB", (12, 12), random.Random(seed).randbytes(432)).resize((600, 600), 3) for seed in (1, 2))

    first = see(encoded(one), "one.png").dhash
    again = see(encoded(one.resize((450, 450)), "JPEG", quality=60), "again.jpg").dhash
    different = see(encoded(other), "other.png").dhash

    assert first is not None
    assert again is not None
    assert different is not None
    assert (first ^ again).bit_count() <= 4
    assert (first ^ different).bit_count() > 10


def test_hash_says_where_it_grows_brighter_from_left_to_right(see: See) -> None:
    """Its bits are 64, row by row."""
    rising = slope((300, 300)).rotate(90)

    assert 2**64 - 1 == see(encoded(rising), "rising.png").dhash
    assert 0 == see(encoded(rising.rotate(180)), "falling.png").dhash


# --- what there is no picture of ---


def test_missing_and_changed_files_are_told_from_each_other(tmp_path: Path, inspector: Inspector) -> None:
    """No file, a folder, and a link are missing; other bytes are changed."""
    changed = saved(tmp_path / "changed.png", GLOW)
    changed.path.write_bytes(GLOW + b"\0")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(changed.path)
    album = _Album(tmp_path / "others")
    places = (tmp_path / "nothing", tmp_path / "folder", tmp_path / "link", tmp_path / "no" / "way", changed.path / "below")

    looks = [album.look(Wanted(key="k", path=path, sha256=changed.sha256), inspector) for path in places]

    assert [Look(key="k", problem="missing")] * 5 == looks
    assert Look(key="changed", problem="changed") == album.look(changed, inspector)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GLOW[:-30], id="truncated"),
        pytest.param(bomb(), id="bomb"),
        pytest.param(animation("WEBP"), id="animation"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<svg onload='alert(1)'/>", id="markup"),
        pytest.param(encoded(slope(), "GIF"), id="gif"),
        pytest.param(b"\0\0\0\x18ftypavif" + bytes(40), id="another container"),
        pytest.param(png_of_chunks([(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b""))]), id="no data"),
    ],
)
def test_what_does_not_decode_is_said_and_leaves_nothing(see: See, thumbs: Path, data: bytes) -> None:
    """There is no thumbnail of it."""
    assert Look(key="a", problem="not_decodable") == see(data)
    assert [] == list(thumbs.iterdir())


def test_picture_that_kills_its_child_costs_itself_only(tmp_path: Path, thumbs: Path) -> None:
    """The next one is looked at by a new child."""
    inspector = Inspector(Bounds(cpu_s=1))
    album = _Album(thumbs)
    try:
        looks = [album.look(saved(tmp_path / name, data), inspector) for name, data in (("1", GLOW), ("2", costly()), ("3", GLOW))]
    finally:
        inspector.close()

    assert ["", "not_decodable", ""] == [look.problem for look in looks]


@pytest.mark.parametrize(("data", "media_type"), [(mp4(64, 36), "video/mp4"), (webm(64, 36), "video/webm")])
def test_video_is_measured_and_not_decoded(see: See, data: bytes, media_type: str) -> None:
    """Its container says how large it is."""
    expected = Look(key="a", problem="video", width=64, height=36, media_type=media_type)

    assert expected == see(data)
    assert expected == see(data)


def test_file_that_the_disk_does_not_give_stops_the_looks(tmp_path: Path) -> None:
    """An unreadable file is not called missing."""
    path = tmp_path / ("n" * 300)

    with pytest.raises(FileError, match=r"cannot read .*File name too long"):
        next(look_at([Wanted(key="k", path=path, sha256="0" * 64)], tmp_path / "t"))


# --- many, and again ---


def numbered(folder: Path, count: int) -> Sequence[Wanted]:
    """Save pictures that differ."""
    return [saved(folder / f"{number:02}.png", picture("PNG", seed=number)) for number in range(count)]


def test_looks_come_in_order_and_are_taken_as_they_are_wanted(tmp_path: Path, thumbs: Path) -> None:
    """An endless row of pictures can be looked at: only a few are under way."""
    pictures = numbered(tmp_path, 3)
    asked = 0

    def endless() -> Iterator[Wanted]:
        nonlocal asked
        while True:
            yield pictures[asked % 3]
            asked += 1

    looks = look_at(endless(), thumbs, workers=2)
    keys = [next(looks).key for _ in range(6)]
    looks.close()

    assert ["00", "01", "02"] * 2 == keys
    assert asked < 20
    assert 4 == len((thumbs / "looks.jsonl").read_text(encoding="utf-8").splitlines())


def test_second_look_decodes_nothing_and_says_the_same(tmp_path: Path, thumbs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts come from the cache, thumbnails are left as they are, and the cache is not written again."""
    pictures = numbered(tmp_path, 4)
    first = list(look_at(pictures, thumbs))
    before = {path.name: path.stat().st_mtime_ns for path in thumbs.iterdir()}
    monkeypatch.setattr("sys.executable", "/nowhere/python")

    second = list(look_at(pictures, thumbs))

    assert first == second
    assert before == {path.name: path.stat().st_mtime_ns for path in thumbs.iterdir()}
    assert 5 == len(before)


def test_file_touched_since_is_hashed_again(tmp_path: Path, thumbs: Path) -> None:
    """A changed one is found out; one that only has a new time is not decoded again, and its new time is noted."""
    touched, changed = numbered(tmp_path, 2)
    list(look_at([touched, changed], thumbs))
    os.utime(touched.path, ns=(1, 1))
    changed.path.write_bytes(GLOW)

    assert ["", "changed"] == [look.problem for look in look_at([touched, changed], thumbs)]
    assert "1]" in (thumbs / "looks.jsonl").read_text(encoding="utf-8")


def test_lost_thumbnail_is_drawn_again_and_one_that_is_there_is_not(tmp_path: Path, thumbs: Path) -> None:
    """Even without the cache, what stands under the name is left alone."""
    lost, there = (look.thumbnail for look in look_at(numbered(tmp_path, 2), thumbs))
    (thumbs / lost).unlink()
    (thumbs / there).write_bytes(b"mine")
    (thumbs / "looks.jsonl").unlink()

    list(look_at(numbered(tmp_path, 2), thumbs))

    assert (thumbs / lost).read_bytes().startswith(b"RIFF")
    assert b"mine" == (thumbs / there).read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"\xff\xfe\0", id="no text"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda content: content.replace(b"looks/1", b"looks/9"), id="another version"),
        pytest.param(lambda content: content.replace(b'"width": 40', b'"width": -1'), id="impossible"),
        pytest.param(lambda content: content[: len(content) // 2] + b"[" * 100_000, id="cut and deep"),
    ],
)
def test_cache_that_cannot_be_read_is_ignored(tmp_path: Path, thumbs: Path, damage: Callable[[bytes], bytes]) -> None:
    """Everything is looked at again, and the cache is whole afterwards."""
    pictures = numbered(tmp_path, 3)
    first = list(look_at(pictures, thumbs))
    kept = thumbs / "looks.jsonl"
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))

    assert first == list(look_at(pictures, thumbs))
    assert sorted(whole.splitlines()) == sorted(kept.read_bytes().splitlines())


def test_same_picture_of_two_jobs_has_one_thumbnail(tmp_path: Path, thumbs: Path) -> None:
    """Both are told of."""
    pictures = [saved(tmp_path / f"{number}.png", GLOW) for number in range(6)]

    looks = list(look_at(pictures, thumbs))

    assert list("012345") == [look.key for look in looks]
    assert 1 == len({look.thumbnail for look in looks}) == len(list(thumbs.glob("*.webp")))
    assert [] == list(thumbs.glob(".*"))


def test_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """In one line, as trouble of the disk."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(FileError, match=r"cannot make .*: Not a directory"):
        next(look_at([], tmp_path / "file" / "thumbs"))


# --- what a child says ---

SIGHT = {
    "media_type": "image/png",
    "width": 9,
    "height": 9,
    "dhash": 5,
    "is_blank": False,
    "has_credentials": False,
    "thumb_width": 9,
    "thumb_height": 9,
}
WEBP_TEXT = "UklGRgAAAABXRUJQ"


@pytest.mark.parametrize(
    "change",
    [
        {"media_type": "text/html"},
        {"width": 0},
        {"height": 2**31},
        {"dhash": 2**64},
        {"dhash": -1},
        {"is_blank": 1},
        {"thumb_width": 321},
        {"thumb_height": -1},
    ],
)
def test_sight_that_cannot_be_is_none(change: dict[str, object]) -> None:
    """Neither from a child nor from the cache."""
    assert sight_of(json.loads(json.dumps(SIGHT))) is not None
    assert sight_of({**SIGHT, **change}) is None


@pytest.mark.parametrize(
    "thumbnail",
    [pytest.param("PGh0bWw+", id="html"), pytest.param("%%", id="no base64"), pytest.param("", id="none where one was announced")],
)
def test_thumbnail_that_is_no_webp_is_not_taken(thumbnail: str) -> None:
    """Whoever took over a child puts no other kind of file beside a page."""
    assert _look_of({"sight": SIGHT, "thumbnail": WEBP_TEXT}) is not None
    assert _look_of({"sight": SIGHT, "thumbnail": thumbnail}) is None


def test_thumbnail_too_large_for_an_answer_is_left_out(see: See) -> None:
    """Noise that is transparent by noise: all else is still told."""
    noise = Image.frombytes("RGBA", (320, 320), random.Random(1).randbytes(409_600))

    look = see(encoded(noise))

    assert ("", 320, "", 0) == (look.problem, look.width, look.thumbnail, look.thumb_width)


def test_credentials_are_seen_on_the_way(see: See) -> None:
    """The look says that they are there."""
    assert see(with_chunk_after_header(GLOW, b"caBX", b"manifest")).has_credentials
    assert not see(GLOW, "b.png").has_credentials
