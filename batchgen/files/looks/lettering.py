"""Set hostile text in a box of a picture: wrap it, cut it with an ellipsis, and draw it in a font that has its characters.

Fonts are taken where the system has them: DejaVu, Noto or Liberation, then some that cover Chinese, Japanese and Korean, and at last
Pillow's own, which has little more than ASCII; none comes with this program. A character that no font here can draw (most emoji), and
any invisible one, becomes a small frame with its code point in hexadecimal. Scripts that run from right to left, or join their letters,
are drawn letter by letter, from left to right.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Final

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts")
_WANTED: Final = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "NotoEmoji-Regular.ttf",
    "Symbola.ttf",
)
_NO_FACE: Final = -1
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LEADING: Final = 1.3
_FRAME: Final = 1.1
_LONGEST_CHARS: Final = 600
"""More of a text is never measured; no box here holds as much."""


def line_height(size: int) -> int:
    """Give the distance of two lines of a font size, in pixels."""
    return round(size * _LEADING)


def wrapped(text: str, *, size: int, width: int, lines: int) -> Sequence[str]:
    """Break a text into at most so many lines of at most that width; what is left out shows as an ellipsis."""
    found: list[str] = []
    for line in _lines(" ".join(text[:_LONGEST_CHARS].split()), size, width):
        if len(found) == lines:
            return [*found[:-1], _ellipsis(found[-1], size, width)]
        found.append(line)
    return [*found[:-1], _ellipsis(found[-1], size, width)] if found and len(text) > _LONGEST_CHARS else found


def write(draw: ImageDraw.ImageDraw, lines: Sequence[str], *, at: tuple[int, int], size: int, colour: str) -> None:
    """Draw lines below each other, the first with its upper left corner at the point."""
    x, y = at
    for number, line in enumerate(lines):
        _write_line(draw, line, at=(x, y + number * line_height(size)), size=size, colour=colour)


def _lines(text: str, size: int, width: int) -> Iterator[str]:
    line = ""
    for word in _words(text):
        if _width(line + word, size) <= width:
            line += word
            continue
        if line:
            yield line
        line = word.lstrip(" ")
        while _width(line, size) > width and len(line) > 1:
            head = max(1, _longest_head(line, size, width))
            yield line[:head]
            line = line[head:]
    if line:
        yield line


def _longest_head(line: str, size: int, width: int) -> int:
    """Say how many of the first characters fit; more of them are never narrower."""
    return bisect_right(range(1, len(line)), width, key=lambda cut: ceil(_width(line[:cut], size)))


def _words(text: str) -> Iterator[str]:
    """Give words, each with the blank before it; a wide character, as of Chinese, is a word of its own."""
    word = ""
    for char in text:
        if char == " " or _is_wide(char) or (word and _is_wide(word[-1])):
            if word:
                yield word
            word = ""
        word += char
    if word:
        yield word


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in {"W", "F"}


def _ellipsis(line: str, size: int, width: int) -> str:
    while line and _width(f"{line}…", size) > width:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _width(line: str, size: int) -> float:
    return sum(len(run) * size * _FRAME if face == _NO_FACE else _font(face, size).getlength(run) for face, run in _runs(line))


def _write_line(draw: ImageDraw.ImageDraw, line: str, *, at: tuple[int, int], size: int, colour: str) -> None:
    x, y = float(at[0]), at[1]
    for face, run in _runs(line):
        if face == _NO_FACE:
            for char in run:
                _frame(draw, char, at=(round(x), y), size=size, colour=colour)
                x += size * _FRAME
        else:
            draw.text((x, y + size), run, font=_font(face, size), fill=colour, anchor="ls")
            x += _font(face, size).getlength(run)


def _frame(draw: ImageDraw.ImageDraw, char: str, *, at: tuple[int, int], size: int, colour: str) -> None:
    """Draw a code point, its digits in two rows."""
    x, top = at[0], at[1] + round(size * 0.1)
    digits = f"{ord(char):04x}"
    half = (len(digits) + 1) // 2
    draw.rectangle((x, top, x + size, top + size), outline=colour)
    for part, share in ((digits[:half], 0.28), (digits[half:], 0.75)):
        draw.text((x + size / 2, top + size * share), part, font=_font(0, max(6, round(size * 0.45))), fill=colour, anchor="mm")


def _runs(line: str) -> Iterator[tuple[int, str]]:
    for face, run in groupby(line, _face):
        yield face, "".join(run)


@lru_cache(maxsize=8192)
def _face(char: str) -> int:
    """Give the number of the first font that can draw the character."""
    if char == " ":
        return 0
    if unicodedata.category(char) in _INVISIBLE:
        return _NO_FACE
    fonts = (_font(face, 16) for face in range(len(_faces())))
    # What a font lacks it draws like U+FFFF, which is no character and in no font.
    return next((face for face, font in enumerate(fonts) if bytes(font.getmask(char)) != bytes(font.getmask("\uffff"))), _NO_FACE)


@lru_cache(maxsize=1)
def _faces() -> tuple[Path | None, ...]:
    """Give the fonts in the order in which they are tried; None stands for Pillow's own."""
    found = {path.name: path for folder in map(Path, _FOLDERS) for path in folder.rglob("*.[to]t[fc]")}
    return (*(found[name] for name in _WANTED if name in found), None)


@lru_cache(maxsize=128)
def _font(face: int, size: int) -> Font:
    path = _faces()[face]
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(path, size)
