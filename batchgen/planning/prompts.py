"""Read prompt files: txt, csv, tsv, jsonl, json, yaml, and whole files. Byte for byte, streamed where the format allows it."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from batchgen.planning.manifest import FormatName
from batchgen.planning.objects import ObjectTable, json_items, json_lines, yaml_items
from batchgen.planning.opening import open_regular
from batchgen.planning.reader import Report
from batchgen.planning.tables import ColumnTable, LineTable, Table, WholeTable, csv_records, tsv_records

SUFFIXES: Final[Mapping[str, FormatName]] = {
    ".txt": "txt",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".md": "whole",
    ".prompt": "whole",
}
"""The format that a suffix stands for."""


def format_of(path: Path) -> FormatName | None:
    """Tell the format from the suffix."""
    return SUFFIXES.get(path.suffix.lower())


def open_table(path: Path, file_format: FormatName, report: Report, *, items: str = "") -> Table:
    """Open a prompt file; raise UnreadableError when it cannot be read at all.

    ``items`` points to the list inside a json or yaml file. Problems inside the file go to ``report`` while the rows are read.
    """
    open_regular(path).close()
    return _OPENERS[file_format](path, report, items)


_OPENERS: Final[Mapping[FormatName, Callable[[Path, Report, str], Table]]] = {
    "txt": lambda path, report, _: LineTable(path, report),
    "whole": lambda path, report, _: WholeTable(path, report),
    "csv": lambda path, report, _: ColumnTable(csv_records, path, report),
    "tsv": lambda path, report, _: ColumnTable(tsv_records, path, report),
    "jsonl": lambda path, report, _: ObjectTable(json_lines, path, report),
    "json": lambda path, report, items: ObjectTable(partial(json_items, items=items), path, report),
    "yaml": lambda path, report, items: ObjectTable(partial(yaml_items, items=items), path, report),
}


def unusable(text: str) -> tuple[str, str] | None:
    """Say by code and message why a text cannot be a prompt."""
    if not text or text.isspace():
        return "E205", "the prompt is empty"
    if "\0" in text:
        return "E202", "the prompt holds a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "E202", "the prompt holds half of a surrogate pair"
    return None


def natural_order(path: str) -> tuple[list[tuple[int, int | str]], str]:
    """Give a sort key under which p2 stands before p10."""
    parts = re.split(r"([0-9]+)", path.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path
