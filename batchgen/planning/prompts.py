"""Read prompt files: txt, csv, tsv, jsonl, json, yaml, and whole files. Byte for byte, streamed where the format allows it.

A file is opened as a ``Table``: rows with their line numbers, and getters for columns. What cannot be read is reported with its
line and column in the file itself; reading goes on with the next row where that is safe.
"""

import csv
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from io import BufferedReader
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, Protocol

from batchgen.core.errors import InputError
from batchgen.planning.manifest import FormatName
from batchgen.planning.reader import Node, Report
from batchgen.planning.reader import read as read_yaml

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

MAX_WHOLE_BYTES: Final = 64 * 1024 * 1024
"""Files that must be read in one piece (json, whole) may be this big; the others are streamed."""
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"

Row = Any
"""A text (txt, whole), a list of texts (csv, tsv), or a JSON value (jsonl, json, yaml): only the table's own getters look inside."""
Getter = Callable[[Row], str | None]


class UnreadableError(InputError):
    """A file cannot be opened, or is not a regular file; the message says why."""


class Table(Protocol):
    """An opened prompt file."""

    columns: tuple[str, ...] | None
    """The columns or keys to choose from; None when rows are bare texts."""
    is_fixed: bool
    """Whether every row has every column."""

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Give every row with its line, counted from 1."""

    def getter(self, column: str) -> Getter | None:
        """Give a function from row to the text of a column, or None where there is no such column."""

    def default_getter(self) -> Getter | None:
        """Give the function for the prompt when no column is named, or None where it is not plain which one is meant."""


def format_of(path: Path) -> FormatName | None:
    """Tell the format from the suffix."""
    return SUFFIXES.get(path.suffix.lower())


def open_table(path: Path, file_format: FormatName, report: Report, *, items: str = "") -> Table:
    """Open a prompt file; raise UnreadableError when it cannot be read at all.

    Problems inside the file go to ``report`` while the rows are read.
    """
    open_regular(path).close()
    match file_format:
        case "txt":
            return _Lines(path, report)
        case "whole":
            return _Whole(path, report)
        case "csv":
            return _Csv(path, report)
        case "tsv":
            return _Tsv(path, report)
        case "jsonl":
            return _Objects(_json_lines, path, report)
        case "json":
            return _Objects(lambda path, report: _json_items(path, report, items), path, report)
        case "yaml":
            return _Objects(lambda path, report: _yaml_items(path, report, items), path, report)


def open_regular(path: Path, *, follow_links: bool = True) -> BufferedReader:
    """Open a regular file for reading, without ever waiting; raise UnreadableError for anything else."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise UnreadableError("there is no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableError("is not a regular file")
    return os.fdopen(descriptor, "rb")


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


# --- lines ---


def _lines(path: Path, report: Report) -> Iterator[tuple[int, str]]:
    """Give every line with its line end, decoded; a line that is not UTF-8 is reported and left out."""
    with open_regular(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
            line = raw.removeprefix(_BOM) if number == 1 else raw
            if len(raw) >= MAX_LINE_BYTES:
                report("E203", f"the line is longer than {MAX_LINE_BYTES // 1024 // 1024} MiB", number, 1)
                return
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode()) + 1
                report("E202", "the line is not UTF-8", number, column, hint="save the file as UTF-8")


def _content(path: Path, report: Report) -> str | None:
    """Give a whole file, decoded and without byte order mark; None after a report."""
    with open_regular(path) as file:
        raw = file.read(MAX_WHOLE_BYTES + 1)
    if len(raw) > MAX_WHOLE_BYTES:
        report("E201", f"the file is bigger than {MAX_WHOLE_BYTES // 1024 // 1024} MiB", 0, 0, hint="use jsonl")
        return None
    try:
        return raw.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        before = raw.removeprefix(_BOM)[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        report("E202", "the file is not UTF-8", before.count(b"\n") + 1, column, hint="save the file as UTF-8")
        return None


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _itself(row: Row) -> str | None:
    return str(row)


class _Lines:
    """One prompt a line; blank lines are no prompts."""

    columns: tuple[str, ...] | None = None
    is_fixed = True

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._report = report

    def rows(self) -> Iterator[tuple[int, Row]]:
        for number, line in _lines(self._path, self._report):
            text = _without_end(line)
            if text and not text.isspace():
                yield number, text

    def getter(self, column: str) -> Getter | None:  # noqa: ARG002 - the protocol's
        return None

    def default_getter(self) -> Getter | None:
        return _itself


class _Whole(_Lines):
    """The file is one prompt, from its first byte to its last."""

    def rows(self) -> Iterator[tuple[int, Row]]:
        text = _content(self._path, self._report)
        if text is not None:
            yield 1, text


# --- columns ---


class _Columns:
    """A header and rows of texts."""

    is_fixed = True
    columns: tuple[str, ...] | None = ()

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._report = report
        self.columns = self._read_header()

    def _records(self, report: Report) -> Iterator[tuple[int, list[str]]]:
        raise NotImplementedError

    def _read_header(self) -> tuple[str, ...]:
        line, header = next(self._records(_say_nothing), (1, []))
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            self._report("E203", f"the column {twice[0]!r} stands twice in the header", line, 1)
        return tuple(header)

    def rows(self) -> Iterator[tuple[int, Row]]:
        records = self._records(self._report)
        next(records, None)
        width = len(self.columns or ())
        for line, row in records:
            if len(row) == width:
                yield line, row
            else:
                self._report("E203", f"the row has {len(row)} fields, the header {width}", line, 1)

    def getter(self, column: str) -> Getter | None:
        names = self.columns or ()
        if column not in names:
            return None
        index = names.index(column)
        return lambda row: row[index] or None

    def default_getter(self) -> Getter | None:
        names = self.columns or ()
        likely = names if len(names) == 1 else [name for name in names if name.casefold() in {"prompt", "text"}]
        index = names.index(likely[0]) if len(likely) == 1 else None
        return None if index is None else lambda row: row[index]


class _Tsv(_Columns):
    """Fields between tabs, nothing quoted; empty lines are no rows."""

    def _records(self, report: Report) -> Iterator[tuple[int, list[str]]]:
        for number, line in _lines(self._path, report):
            if text := _without_end(line):
                yield number, text.split("\t")


class _Csv(_Columns):
    """RFC 4180: quotes doubled, line breaks inside quotes kept as they are; empty lines are no rows."""

    def _records(self, report: Report) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader((line for _, line in _lines(self._path, report)), strict=True)
        started = 1
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                report("E203", f"not RFC 4180: {error}", started, 1, hint="double the quotes inside a quoted field")
                return
            if row:
                yield started, row
            started = reader.line_num + 1


def _say_nothing(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
    """Drop a problem that the next reading will report."""


# --- objects ---


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _refuse_constant(word: str) -> object:
    raise JSONDecodeError(f"{word} is not JSON", word, 0)


_DECODER: Final = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant)


class _Objects:
    """A stream of texts or objects."""

    is_fixed = False

    def __init__(self, read: Callable[[Path, Report], Iterator[tuple[int, object]]], path: Path, report: Report) -> None:
        self._read = read
        self._path = path
        self._report = report
        _, first = next(read(path, _say_nothing), (0, None))
        self._is_text = not isinstance(first, dict)
        is_bare = isinstance(first, str)
        self.columns: tuple[str, ...] | None = None if is_bare else tuple(first) if isinstance(first, dict) else ()

    def rows(self) -> Iterator[tuple[int, Row]]:
        for line, item in self._read(self._path, self._report):
            if isinstance(item, str) is self._is_text and isinstance(item, str | dict):
                yield line, item
            else:
                wanted = "a text" if self._is_text else "an object"
                self._report("E203", f"must be {wanted} like the first row", line, 1)

    def getter(self, column: str) -> Getter | None:
        if self._is_text:
            return None
        steps = pointer(column)
        return lambda row: as_text(at_pointer(row, steps))

    def default_getter(self) -> Getter | None:
        if self._is_text:
            return _itself
        likely = [name for name in self.columns or () if name.casefold() in {"prompt", "text"}]
        return self.getter(likely[0]) if len(likely) == 1 else None


def pointer(column: str) -> tuple[str, ...]:
    """Read a key, or a JSON pointer when it begins with a slash, as steps."""
    if not column.startswith("/"):
        return (column,)
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in column[1:].split("/"))


def at_pointer(value: object, steps: Iterable[str]) -> object:
    """Follow the steps into a JSON value; None where they lead nowhere."""
    for step in steps:
        match value:
            case dict() if step in value:
                value = value[step]
            case list() if step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            case _:
                return None
    return value


def as_text(value: object) -> str | None:
    """Give a JSON value as text: texts and numbers as they stand there, lists and objects as compact JSON, null as nothing."""
    return str(value) if isinstance(value, str) else None if value is None else _compact(value)


def _compact(value: object) -> str:
    match value:
        case _Number():
            return str(value)
        case dict():
            return "{" + ",".join(f"{_compact(key)}:{_compact(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_compact, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _json_lines(path: Path, report: Report) -> Iterator[tuple[int, object]]:
    for number, line in _lines(path, report):
        if line.isspace():
            continue
        text = _without_end(line)
        with suppress(_NotJsonError):
            yield number, _parsed(text, report, number)


class _NotJsonError(Exception):
    """A text is not JSON; it was reported."""


def _parsed(text: str, report: Report, line: int = 1) -> object:
    try:
        return _DECODER.decode(text)
    except JSONDecodeError as error:
        report("E203", f"not JSON: {error.msg}", line + error.lineno - 1, error.colno)
    except RecursionError:
        report("E203", "the JSON is nested too deeply", line, 1)
    raise _NotJsonError


def _json_items(path: Path, report: Report, items: str) -> Iterator[tuple[int, object]]:
    text = _content(path, report)
    if text is None:
        return
    with suppress(_NotJsonError):
        value = at_pointer(_parsed(text, report), pointer(items) if items else ())
        if isinstance(value, list):
            yield from ((0, item) for item in value)
        else:
            report("E203", f"must be a list of texts or objects{_where(items)}", 1, 1, hint=_ITEMS_HINT)


def _yaml_items(path: Path, report: Report, items: str) -> Iterator[tuple[int, object]]:
    with open_regular(path) as file:
        node = read_yaml(file.read(MAX_WHOLE_BYTES), _inside_file(report))
    if node is None:
        return
    found = node.find(pointer(items) if items else ())
    if found is not None and isinstance(found.value, list):
        yield from ((item.line, _plain(item)) for item in found.value)
    else:
        report("E203", f"must be a list of texts or objects{_where(items)}", node.line, node.column, hint=_ITEMS_HINT)


_ITEMS_HINT: Final = "name the place of the list with `items: /key`"


def _where(items: str) -> str:
    return f" at {items!r}" if items else ""


def _plain(node: Node) -> object:
    return node.plain()


def _inside_file(report: Report) -> Report:
    """Report the YAML reader's problems as problems of a prompt file."""

    def tell(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        report("E202" if code == "E109" else "E203", message, line, column, hint=hint)

    return tell


def natural_order(path: str) -> tuple[list[tuple[int, int | str]], str]:
    """Give a sort key under which p2 stands before p10."""
    parts = re.split(r"([0-9]+)", path.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path
