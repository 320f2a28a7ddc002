"""How answers are printed: JSON documents, plain tables of at most 80 columns, and text from strangers made harmless."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import click

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def document(kind: str, **content: object) -> None:
    """Print one JSON document of schema ``batchgen.<kind>/1``."""
    click.echo(json.dumps({"schema": f"batchgen.{kind}/1", **content}, ensure_ascii=False, indent=2))


def say(text: str) -> None:
    """Print a line for people on the way; one that finds no reader or no room is dropped, because the work matters more."""
    with suppress(OSError):
        click.echo(harmless(text))


def line(content: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def harmless(text: str) -> str:
    """Show control, bidirectional and other invisible characters escaped, so that a prompt cannot steer the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _HIDDEN else char for char in text)


def columns_of(text: str) -> int:
    """Count the terminal columns that a text takes: wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


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
    """Print rows under their heads, columns aligned; the last column is cut to ``last_width``."""
    shown = [[*(harmless(cell) for cell in row[:-1]), cut(row[-1], last_width)] for row in rows]
    widths = [max(columns_of(row[index]) for row in [list(head), *shown]) for index in range(len(head))]
    for row in [list(head), *shown]:
        cells = [cell + " " * (width - columns_of(cell)) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def size(count: int) -> str:
    """Write bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def duration(seconds: float) -> str:
    """Write a duration for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii") if char not in "\u2028\u2029" else f"\\u{ord(char):04x}"
