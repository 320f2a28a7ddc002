"""Set text in a box: choose a font that has the glyphs, wrap, shrink until it fits, cut with an ellipsis.

Prompts are hostile text in any script. A character that no installed font can draw, and any control or invisible one,
becomes a small frame with its code point in hexadecimal, so that nothing is lost or acted upon.
"""

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts")
_WANTED = (
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
    "Hiragino Sans GB.ttc",
)
_FRAMED = -1
_LEADING = 1.32
_SHRINK = 0.9
_DENSEST = 0.45
_LONGEST_SHOWN = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Hold wrapped lines and the size in pixels at which they fit their box."""

    lines: tuple[str, ...]
    size: int

    @property
    def line_height(self) -> int:
        """Return the distance between two baselines in pixels."""
        return round(self.size * _LEADING)

    @property
    def height(self) -> int:
        """Return the height of all lines in pixels."""
        return self.line_height * len(self.lines)


def fit(text: str, *, width: int, height: int, largest: int, smallest: int) -> Setting:
    """Return the text set as large as it fits the box; at the smallest size what does not fit is cut."""
    shown = text[:_LONGEST_SHOWN] + ("…" if len(text) > _LONGEST_SHOWN else "")
    size = max(smallest, min(largest, round(math.sqrt(width * height / max(1, len(shown)) / _DENSEST))))
    while True:
        setting = Setting(lines=tuple(_wrapped(shown, size, width)), size=size)
        if setting.height <= height:
            return setting
        if size <= smallest:
            return _cut(setting, height)
        overfull = (height / setting.height) ** 0.5
        size = max(smallest, min(round(size * max(overfull, 0.6)), int(size * _SHRINK)))


def write(draw: ImageDraw.ImageDraw, setting: Setting, *, at: tuple[int, int], colour: Colour) -> None:
    """Draw the lines with their upper left corner at the point."""
    x, y = at
    for line in setting.lines:
        write_line(draw, line, at=(x, y), size=setting.size, colour=colour)
        y += setting.line_height


def write_line(draw: ImageDraw.ImageDraw, line: str, *, at: tuple[int, int], size: int, colour: Colour) -> None:
    """Draw one line with its upper left corner at the point."""
    x, y = float(at[0]), at[1]
    for face, run in _runs(line):
        if face == _FRAMED:
            for char in run:
                _frame(draw, char, at=(round(x), y), size=size, colour=colour)
                x += _frame_width(size)
        else:
            draw.text((x, y + size), run, font=_font(face, size), fill=colour, anchor="ls")
            x += _font(face, size).getlength(run)


@lru_cache(maxsize=4096)
def width_of(line: str, size: int) -> float:
    """Return the width of one line in pixels."""
    return sum(len(run) * _frame_width(size) if face == _FRAMED else _font(face, size).getlength(run) for face, run in _runs(line))


def _wrapped(text: str, size: int, width: int) -> Iterator[str]:
    line, used = "", 0.0
    for token in _tokens(text):
        wide = width_of(token, size)
        if used + wide <= width:
            line, used = line + token, used + wide
            continue
        if line:
            yield line
        line = token.lstrip()
        while (used := width_of(line, size)) > width:
            head = _head(line, size, width)
            yield line[:head]
            line = line[head:]
    if line:
        yield line


def _tokens(text: str) -> Iterator[str]:
    """Yield words with their leading blank; a wide (CJK) character is a word of its own."""
    word = ""
    for char in " ".join(text.split()):
        if char == " " or unicodedata.east_asian_width(char) in {"W", "F"}:
            if word:
                yield word
            word = char
        elif word and unicodedata.east_asian_width(word[-1]) in {"W", "F"}:
            yield word
            word = char
        else:
            word += char
    if word:
        yield word


def _head(line: str, size: int, width: int) -> int:
    head = max(1, min(len(line) - 1, int(width / (size * 0.35))))
    while head > 1 and width_of(line[:head], size) > width:
        head -= 1
    return head


def _cut(setting: Setting, height: int) -> Setting:
    kept = setting.lines[: max(1, height // setting.line_height)]
    if len(kept) < len(setting.lines):
        kept = (*kept[:-1], kept[-1][:-2].rstrip(" ,.;:…") + "…")
    return Setting(lines=kept, size=setting.size)


def _runs(line: str) -> Iterator[tuple[int, str]]:
    for face, run in groupby(line, _face):
        yield face, "".join(run)


@lru_cache(maxsize=8192)
def _face(char: str) -> int:
    """Return the index of the first font with a glyph for the character, or _FRAMED."""
    if char == " ":
        return 0
    if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return _FRAMED
    for face in range(len(_sources())):
        font = _font(face, 16)
        if bytes(font.getmask(char)) != bytes(font.getmask("\uffff")):
            return face
    return _FRAMED


@lru_cache(maxsize=1)
def _sources() -> tuple[Path | None, ...]:
    """Return the fonts to try in order; None stands for the one inside Pillow."""
    found: dict[str, Path] = {}
    for folder in map(Path, _FONT_FOLDERS):
        for path in folder.rglob("*.[to]t[fc]"):
            found.setdefault(path.name, path)
    return (None, *(found[name] for name in _WANTED if name in found))


@lru_cache(maxsize=256)
def _font(face: int, size: int) -> Font:
    source = _sources()[face]
    return ImageFont.truetype(source, size) if source else ImageFont.load_default(size)


def _frame_width(size: int) -> int:
    return round(size * 1.05)


def _frame(draw: ImageDraw.ImageDraw, char: str, *, at: tuple[int, int], size: int, colour: Colour) -> None:
    x, y = at
    side = round(size * 0.94)
    draw.rectangle((x, y + size - side + 1, x + side, y + size + 1), outline=colour)
    digits = f"{ord(char):04x}"
    half = (len(digits) + 1) // 2
    for row, part in enumerate((digits[:half], digits[half:])):
        middle = (x + side / 2, y + size - side + 1 + side * (0.27 + 0.46 * row))
        draw.text(middle, part, font=_font(0, max(6, round(size * 0.42))), fill=colour, anchor="mm")
