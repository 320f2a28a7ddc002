"""Prompt files as tables: lines, whole files, and the two formats with columns.

A table gives rows with their line numbers, and getters for columns. What cannot be read is reported with its line and column in the
file itself; reading goes on with the next row where that is safe.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from batchgen.planning.opening import content_of, lines_of, without_end
from batchgen.planning.reader import Report

Row = Any
"""A text (txt, whole), a list of texts (csv, tsv), or a JSON value (jsonl, json, yaml): only the table's own getters look inside."""
Getter = Callable[[Row], str | None]


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


def say_nothing(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
    """Drop a problem that another reading reports."""


def itself(row: Row) -> str | None:
    """Give a row that is the prompt."""
    return str(row)


class LineTable:
    """One prompt a line; blank lines are no prompts."""

    columns: tuple[str, ...] | None = None
    is_fixed = True

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._report = report

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Give every row with its line."""
        for number, line in lines_of(self._path, self._report):
            text = without_end(line)
            if text and not text.isspace():
                yield number, text

    def getter(self, column: str) -> Getter | None:  # noqa: ARG002 - the protocol's
        """Give the getter of a column."""
        return None

    def default_getter(self) -> Getter | None:
        """Give the getter of the prompt."""
        return itself


class WholeTable(LineTable):
    """The file is one prompt, from its first byte to its last."""

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Give every row with its line."""
        text = content_of(self._path, self._report)
        if text is not None:
            yield 1, text


class ColumnTable:
    """A header and rows of texts, as a function reads them."""

    is_fixed = True
    columns: tuple[str, ...] | None = ()

    def __init__(self, read: Callable[[Path, Report], Iterator[tuple[int, list[str]]]], path: Path, report: Report) -> None:
        self._read = read
        self._path = path
        self._report = report
        self.columns = self._read_header()

    def _read_header(self) -> tuple[str, ...]:
        line, header = next(self._read(self._path, say_nothing), (1, []))
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            self._report("E203", f"the column {twice[0]!r} stands twice in the header", line, 1)
        return tuple(header)

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Give every row with its line."""
        records = self._read(self._path, self._report)
        next(records, None)
        width = len(self.columns or ())
        for line, row in records:
            if len(row) == width:
                yield line, row
            else:
                self._report("E203", f"the row has {len(row)} fields, the header {width}", line, 1)

    def getter(self, column: str) -> Getter | None:
        """Give the getter of a column."""
        names = self.columns or ()
        if column not in names:
            return None
        index = names.index(column)
        return lambda row: row[index] or None

    def default_getter(self) -> Getter | None:
        """Give the getter of the prompt."""
        names = self.columns or ()
        likely = names if len(names) == 1 else [name for name in names if name.casefold() in {"prompt", "text"}]
        index = names.index(likely[0]) if len(likely) == 1 else None
        return None if index is None else lambda row: row[index]


def tsv_records(path: Path, report: Report) -> Iterator[tuple[int, list[str]]]:
    """Split at tabs, nothing quoted; empty lines are no rows."""
    for number, line in lines_of(path, report):
        if text := without_end(line):
            yield number, text.split("\t")


def csv_records(path: Path, report: Report) -> Iterator[tuple[int, list[str]]]:
    """Read RFC 4180: quotes doubled, line breaks inside quotes kept as they are; empty lines are no rows."""
    reader = csv.reader((line for _, line in lines_of(path, report)), strict=True)
    started = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            report("E203", f"not RFC 4180: {error}", started, 1, hint="double the quotes inside a quoted field")
            return
        if row is None:
            return
        if row:
            yield started, row
        started = reader.line_num + 1
