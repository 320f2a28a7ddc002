"""Draw a contact sheet: thumbnails in a grid, with what the columns and the rows are along the top and the left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw
from PIL.WebPImagePlugin import WebPImageFile

from batchgen.core.errors import InputError
from batchgen.files.imagecheck import DECODE_ERRORS, fitted
from batchgen.files.looks import lettering
from batchgen.files.placing import new_file
from batchgen.files.sights import EDGE

_LONGEST_SIDE: Final = 20_000
_MOST_PIXELS: Final = 150_000_000
"""Three bytes each, and they are all in memory at once."""
_GAP: Final = 12
_STEP: Final = EDGE + _GAP
_LEFT: Final = 280
_TITLE_SIZE: Final = 30
_TITLE_LINES: Final = 2
_SIZE: Final = 18
_COLUMN_LINES: Final = 4
_ROW_LINES: Final = EDGE // lettering.line_height(_SIZE)
_WORD_LINES: Final = 3
_PAPER: Final = "#ffffff"
_INK: Final = "#16181d"
_FAILED: Final = "#8a1c1c"
_EMPTY: Final = "#f0f0f2"
_NO_PICTURE: Final = "no picture"

Cell = tuple[int, int]
"""The number of a row and of a column, from 0."""


def draw_sheet(
    target: Path,
    *,
    title: str,
    columns: Sequence[str],
    rows: Sequence[str],
    cells: Mapping[Cell, Path | str],
    force: bool = False,
) -> None:
    """Write a PNG of the thumbnails, each in its (row, column); text in a cell stands in its place, and a cell without anything is empty.

    The paths are those of our own thumbnails, since they are decoded right here; one that is gone shows as "no picture". Texts are
    cut to their room. The sheet has its name only once it is whole. Raises InputError when it would be too large, or when something
    stands at the target and ``force`` is not set; FileError when the disk refuses.
    """
    top = _top(title, columns)
    size = (_LEFT + len(columns) * _STEP + _GAP, top + len(rows) * _STEP)
    _check_size(size, columns, rows)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write_legends(draw, title, columns, rows, top)
    for (row, column), content in cells.items():
        _fill(sheet, draw, content, at=(_LEFT + column * _STEP, top + row * _STEP))
    with new_file(target, replaces=force) as file:
        sheet.save(file, "PNG")


def _check_size(size: tuple[int, int], columns: Sequence[str], rows: Sequence[str]) -> None:
    wide, high = size
    if max(size) <= _LONGEST_SIDE and wide * high <= _MOST_PIXELS:
        return
    name, count = ("columns", len(columns)) if wide > high else ("rows", len(rows))
    limit = f"at most {_LONGEST_SIDE} a side and {_MOST_PIXELS // 10**6} million are drawn"
    raise InputError(
        f"a sheet of {len(columns)} columns and {len(rows)} rows has {wide} x {high} pixels, and {limit}; choose fewer than {count} {name}"
    )


def _top(title: str, columns: Sequence[str]) -> int:
    """Give the room above the pictures, which depends on how many lines the legends take."""
    width = _LEFT + max(1, len(columns)) * _STEP - 2 * _GAP
    titles = len(lettering.wrapped(title, size=_TITLE_SIZE, width=width, lines=_TITLE_LINES))
    names = max((len(_column_lines(name)) for name in columns), default=0)
    return 3 * _GAP + titles * lettering.line_height(_TITLE_SIZE) + names * lettering.line_height(_SIZE)


def _column_lines(name: str) -> Sequence[str]:
    return lettering.wrapped(name, size=_SIZE, width=EDGE, lines=_COLUMN_LINES)


def _write_legends(draw: ImageDraw.ImageDraw, title: str, columns: Sequence[str], rows: Sequence[str], top: int) -> None:
    width = _LEFT + max(1, len(columns)) * _STEP - 2 * _GAP
    lines = lettering.wrapped(title, size=_TITLE_SIZE, width=width, lines=_TITLE_LINES)
    lettering.write(draw, lines, at=(_GAP, _GAP), size=_TITLE_SIZE, colour=_INK)
    for number, name in enumerate(columns):
        lines = _column_lines(name)
        at = (_LEFT + number * _STEP, top - _GAP - len(lines) * lettering.line_height(_SIZE))
        lettering.write(draw, lines, at=at, size=_SIZE, colour=_INK)
    for number, name in enumerate(rows):
        lines = lettering.wrapped(name, size=_SIZE, width=_LEFT - 2 * _GAP, lines=_ROW_LINES)
        lettering.write(draw, lines, at=(_GAP, top + number * _STEP), size=_SIZE, colour=_INK)


def _fill(sheet: Image.Image, draw: ImageDraw.ImageDraw, content: Path | str, *, at: tuple[int, int]) -> None:
    picture = _opened(content) if isinstance(content, Path) else str(content)
    x, y = at
    draw.rectangle((x, y, x + EDGE - 1, y + EDGE - 1), fill=_EMPTY)
    if isinstance(picture, str):
        lines = lettering.wrapped(picture, size=_SIZE, width=EDGE - 2 * _GAP, lines=_WORD_LINES)
        lettering.write(draw, lines, at=(x + _GAP, y + _GAP), size=_SIZE, colour=_FAILED)
        return
    place = (x + (EDGE - picture.width) // 2, y + (EDGE - picture.height) // 2)
    sheet.paste(picture, place, picture if picture.mode == "RGBA" else None)


def _opened(path: Path) -> Image.Image | str:
    """Give a thumbnail, or a word where there is none."""
    try:
        with path.open("rb") as file:
            image = WebPImageFile(file)
            image.load()
    except DECODE_ERRORS:
        return _NO_PICTURE
    return image.resize(fitted(image.size, EDGE)) if max(image.size) > EDGE else image
