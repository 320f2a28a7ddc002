"""Contact sheets: where pictures and words stand, what is refused, what is left on disk."""

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from batchgen.core.errors import FileError, InputError
from batchgen.files.looks import lettering
from batchgen.files.looks.sheet import draw_sheet

RED, BLUE = (200, 20, 20), (20, 20, 200)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Name a sheet."""
    return tmp_path / "sheet.png"


def thumbnail(path: Path, colour: tuple[int, ...], size: tuple[int, int] = (320, 320)) -> Path:
    """Save a thumbnail of one colour."""
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(path, "WEBP", lossless=True, exact=True)
    return path


def sheet_of(target: Path) -> Image.Image:
    """Open a sheet."""
    return Image.open(io.BytesIO(target.read_bytes())).convert("RGB")


def place_of(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    """Give the box of all pixels of a colour."""
    masks = [band.point([255 * (level == wanted) for level in range(256)]) for band, wanted in zip(image.split(), colour, strict=True)]
    return Image.merge("RGB", masks).convert("L").point([0] * 255 + [255]).getbbox()


def ink(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    """Count the dark pixels in a box."""
    return sum(image.crop(box).convert("L").histogram()[:100])


def test_pictures_stand_in_their_row_and_column(tmp_path: Path, target: Path) -> None:
    """The first number is the row; a small picture is in the middle of its cell; legends stand above and at the left."""
    cells = {(0, 1): thumbnail(tmp_path / "r", RED), (1, 0): thumbnail(tmp_path / "b", BLUE, (100, 50))}

    draw_sheet(target, title="Foxes", columns=["gpt-image-2", "nano-banana-2"], rows=["a fox", "a heron"], cells=cells)

    sheet = sheet_of(target)
    red, blue = place_of(sheet, RED), place_of(sheet, BLUE)
    assert red is not None
    assert blue is not None
    assert (320, 320) == (red[2] - red[0], red[3] - red[1])
    assert (100, 50) == (blue[2] - blue[0], blue[3] - blue[1])
    assert (red[0] - 332 + 110, red[1] + 332 + 135) == blue[:2]
    assert ink(sheet, (red[0], 0, red[2], red[1])) > 50
    assert ink(sheet, (0, red[1], red[0] - 332, red[3])) > 50


def test_word_stands_where_there_is_no_picture(tmp_path: Path, target: Path) -> None:
    """A given word, or one of ours for a thumbnail that is gone or broken; what has neither stays empty."""
    (tmp_path / "broken").write_bytes(b"RIFF\0\0\0\0WEBPnonsense")
    cells: dict[tuple[int, int], Path | str] = {(0, 0): "moderated", (0, 1): tmp_path / "gone", (0, 2): tmp_path / "broken"}

    draw_sheet(target, title="", columns=list("abcd"), rows=["r"], cells=cells)

    sheet = sheet_of(target)
    words = [ink(sheet, (280 + 332 * column, sheet.height - 332, 600 + 332 * column, sheet.height)) for column in range(4)]
    assert words[1] == words[2] > 50
    assert words[0] not in {0, words[1]}
    assert 0 == words[3]


def test_transparent_picture_shows_the_paper_of_its_cell(tmp_path: Path, target: Path) -> None:
    """Nothing of what transparency hides is seen."""
    draw_sheet(target, title="", columns=["c"], rows=["r"], cells={(0, 0): thumbnail(tmp_path / "t", (200, 20, 20, 0))})

    assert place_of(sheet_of(target), RED) is None


@pytest.mark.parametrize("text", ["x" * 5000, "many words " * 500, "狐狸" * 800, "\N{FOX FACE}" * 300, "\u202e\0\n\t evil <b>"])
def test_hostile_legends_stay_in_their_room(tmp_path: Path, target: Path, text: str) -> None:
    """However long they are and whatever they hold, no picture is covered and the sheet grows by four lines at most."""
    draw_sheet(target, title=text, columns=[text] * 2, rows=[text] * 2, cells={(1, 1): thumbnail(tmp_path / "r", RED), (0, 0): text})

    sheet = sheet_of(target)
    red = place_of(sheet, RED)
    assert red is not None
    assert (320, 320) == (red[2] - red[0], red[3] - red[1])
    assert sheet.height <= 2 * 332 + 2 * lettering.line_height(30) + 4 * lettering.line_height(18) + 36
    between = (280 + 320, red[1] - 332, 280 + 332, sheet.height)
    assert 0 == ink(sheet, between)
    assert 0 == ink(sheet, (269, red[1] - 332, 280, sheet.height))


@pytest.mark.parametrize(
    ("columns", "rows", "words"),
    [
        (2, 100, r"2 columns and 100 rows has 956 x 3\d+ pixels.*choose fewer than 100 rows"),
        (100, 2, r"choose fewer than 100 columns"),
        (50, 50, r"150 million are drawn; choose fewer than 50"),
    ],
)
def test_sheet_that_would_be_too_large_is_refused(target: Path, columns: int, rows: int, words: str) -> None:
    """The error says what to narrow; nothing is written."""
    with pytest.raises(InputError, match=words):
        draw_sheet(target, title="t", columns=["c"] * columns, rows=["r"] * rows, cells={})

    assert not target.exists()


def test_nothing_is_overwritten_unless_told(target: Path) -> None:
    """Neither is anything left beside it."""
    target.write_bytes(b"mine")

    with pytest.raises(InputError, match="exists already"):
        draw_sheet(target, title="t", columns=["c"], rows=["r"], cells={})
    assert b"mine" == target.read_bytes()
    draw_sheet(target, title="t", columns=["c"], rows=["r"], cells={}, force=True)

    assert "PNG" == Image.open(io.BytesIO(target.read_bytes())).format
    assert [target] == list(target.parent.iterdir())


def test_disk_that_refuses_is_said(tmp_path: Path) -> None:
    """In one line that names the sheet."""
    with pytest.raises(FileError, match=r"cannot write .*sheet.png: No such file"):
        draw_sheet(tmp_path / "nowhere" / "sheet.png", title="t", columns=["c"], rows=["r"], cells={})


# --- lettering ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("one", ["one"]),
        (" one\ttwo\n three ", ["one two three"]),
        ("aaaaaaaaaa bbbbbbbbbb cccccccccc", ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"]),
    ],
)
def test_text_is_wrapped_at_blanks(text: str, expected: Sequence[str]) -> None:
    """Blanks of all kinds count as one."""
    assert expected == lettering.wrapped(text, size=18, width=180, lines=9)


@pytest.mark.parametrize("text", ["word " * 200, "w" * 900, "狐" * 900])
def test_wrapped_lines_fit_their_width_and_end_with_an_ellipsis(text: str) -> None:
    """A long word is broken, a wide character is a word; what is left out is shown to be."""
    found = lettering.wrapped(text, size=18, width=120, lines=3)

    assert 3 == len(found)
    assert all(lettering._width(line, 18) <= 120 for line in found)
    assert found[-1].endswith("…")


def test_text_beyond_what_is_measured_shows_as_cut() -> None:
    """Even where there would be lines for it."""
    assert lettering.wrapped("ab " * 300, size=18, width=900, lines=99)[-1].endswith("…")


def test_character_that_no_font_has_is_framed() -> None:
    """Two of them are told from each other by their code points; letters are not framed."""
    faces = [lettering._face(char) for char in ("a", "\0", "\u202e", "\U0010fffd")]

    assert [0, -1, -1, -1] == faces


def test_lines_lie_below_each_other() -> None:
    """By more than the size of the letters."""
    heights = [lettering.line_height(size) for size in (10, 18, 30)]

    assert all(low < high for low, high in pairwise(heights))
    assert all(height > size for height, size in zip(heights, (10, 18, 30), strict=True))
