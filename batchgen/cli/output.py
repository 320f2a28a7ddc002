"""How answers are printed: JSON documents, tables and lines for terminals of 80 columns, and text from strangers made harmless."""

import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal, TextIO

import click

WIDTH: Final = 80
"""Columns of the terminal that every answer fits."""
_HANGING: Final = 4
_MARKS: Final = frozenset({"Mn", "Me"})
_AS_EMOJI: Final = "\N{VARIATION SELECTOR-16}"
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def document(kind: str, **content: object) -> None:
    """Print one JSON document of schema ``batchgen.<kind>/1``."""
    click.echo(json.dumps({"schema": f"batchgen.{kind}/1", **content}, ensure_ascii=False, indent=2))


def say(text: str, *, err: bool = False) -> None:
    """Print a line for people on the way; one that finds no reader or no room is dropped and counted, because the work matters more."""
    try:
        tell(text, err=err)
    except OSError:
        from batchgen import logs

        logs.drop()
        silence("stderr" if err else "stdout")


def silence(name: Literal["stdout", "stderr"]) -> None:
    """Count whatever is still said on a stream that takes nothing any more; the interpreter must not fail over it again when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, getattr(sys, name).fileno())
        os.close(nowhere)
    setattr(sys, name, _Void())


def end_stderr() -> None:
    """Write out what was said to people, or let it vanish: it may not change the exit code."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        silence("stderr")


class _Void(io.TextIOBase):
    """Takes the place of a stream that is gone or full."""

    def write(self, text: str) -> int:
        """Count the lines."""
        from batchgen import logs

        for _ in range(text.count("\n")):
            logs.drop()
        return len(text)


def complete_streams() -> None:
    """Put something harmless in the place of each standard stream that the process was started without.

    Otherwise the next file that is opened would take its number, and get what is meant for a person.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))
            if nowhere != number:
                os.close(nowhere)


def tell(text: str, *, err: bool = False) -> None:
    """Print a text for people as one line; on a terminal, where it is longer than that is wide, wrapped between words."""
    for part in wrapped(harmless(text)) if _is_terminal(sys.stderr if err else sys.stdout) else [harmless(text)]:
        click.echo(part, err=err)


def fit(text: str) -> None:
    """Print a text for people in 80 columns: wrapped on a terminal, else one line that is cut."""
    tell(text if _is_terminal(sys.stdout) else cut(text, WIDTH))


def line(content: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def harmless(text: str) -> str:
    """Show control, bidirectional and other invisible characters escaped, so that a prompt cannot steer the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _HIDDEN else char for char in text)


def columns_of(text: str) -> int:
    """Count the terminal columns that a text takes: wide characters take two, marks upon another none."""
    return sum(_columns(char) for char in text)


def wrapped(text: str) -> list[str]:
    """Break a harmless text between words where 80 columns end; what follows hangs. A longer word stands whole."""
    hanging = " " * (len(text) - len(text.lstrip()) + _HANGING)
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if lines[-1].strip() and columns_of(lines[-1] + word) > WIDTH:
            lines.append(hanging + word.lstrip())
        else:
            lines[-1] += word
    return lines


def cut(text: str, width: int) -> str:
    """Shorten a harmless text to ``width`` columns, with an ellipsis."""
    text = harmless(text)
    if columns_of(text) <= width:
        return text
    taken, used = [], 0
    for char in text:
        used += columns_of(char)
        if used > width - 1:
            break
        taken.append(char)
    return "".join(taken) + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, last_width: int = 40) -> None:
    """Print rows under their heads, columns aligned; the last column is cut to ``last_width``.

    On a terminal the last two columns are cut further, the wider one first, until the table fits.
    """
    shown = [[*(harmless(cell) for cell in row[:-1]), cut(row[-1], last_width)] for row in rows]
    widths = [max(columns_of(row[index]) for row in [list(head), *shown]) for index in range(len(head))]
    if _is_terminal(sys.stdout):
        while sum(widths) + 2 * (len(widths) - 1) > WIDTH and max(widths[-2:]) > 1:
            widths[-2 if widths[-2] > widths[-1] else -1] -= 1
    for row in [list(head), *shown]:
        parts = [cut(cell, width) for cell, width in zip(row, widths, strict=True)]
        cells = [part + " " * (width - columns_of(part)) for part, width in zip(parts, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def size(count: int) -> str:
    """Write bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _columns(char: str) -> int:
    """Give a character's columns; the mark that turns a symbol into an emoji takes the column by which that is wider."""
    if unicodedata.category(char) in _MARKS:
        return int(char == _AS_EMOJI)
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii") if char not in "\u2028\u2029" else f"\\u{ord(char):04x}"
