"""Write rows as CSV, JSON lines or Parquet, one after the other: what a writer remembers does not grow with the table.

Duty: bytes from rows. Must not know where the rows come from, nor what becomes of the file. Every writer takes an open file, the columns
with what each holds, and the rows, which have all of them.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, Any, Final, TypeAlias

from batchgen.core.columns import Kind
from batchgen.core.errors import InputError

Columns: TypeAlias = Mapping[str, Kind]
Row: TypeAlias = Mapping[str, Any]
Writer: TypeAlias = Callable[[IO[bytes], Columns, Iterable[Row]], None]

_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - spreadsheets read the full-width forms as well
_ROW_GROUP: Final = 10_000


def write_csv(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    """Write CSV as RFC 4180 has it, with a head line, in UTF-8 without a mark: every text byte for byte, quotes doubled."""
    _write_csv(file, columns, (map(_cell, row) for row in _values(columns, rows)), quoting=csv.QUOTE_MINIMAL)


def write_spreadsheet_csv(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    """Write CSV in which no text is taken for a formula: one that begins like it gets an apostrophe, and every text is quoted."""
    _write_csv(file, columns, (map(_harmless, row) for row in _values(columns, rows)), quoting=csv.QUOTE_NONNUMERIC)


def write_json_lines(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    """Write one JSON object a line, its members in the order of the columns; what is JSON text stands there as the value."""
    readers = {name: json.loads if kind is Kind.JSON else _as_it_is for name, kind in columns.items()}
    for row in rows:
        content = {name: None if row[name] is None else read(row[name]) for name, read in readers.items()}
        file.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def write_parquet(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    """Write a Parquet file, ten thousand rows a group; raise InputError without the library for it."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, and slow to load
        from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise InputError("Parquet needs the extra 'parquet': pip install 'batchgen-cli[parquet]'") from error
    text = pa.string()
    types = {Kind.TEXT: text, Kind.JSON: text, Kind.WHOLE: pa.int64(), Kind.REAL: pa.float64(), Kind.CLAIM: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    remaining = iter(rows)
    with ParquetWriter(file, schema) as writer:
        while group := list(islice(remaining, _ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


WRITERS: Final[Mapping[str, Writer]] = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}
"""The writer of each format, which is also the suffix of its files."""


def _write_csv(file: IO[bytes], columns: Columns, rows: Iterable[Iterable[object]], *, quoting: Any) -> None:  # a constant of csv, untyped
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text, quoting=quoting)
        writer.writerow(columns)
        writer.writerows(rows)
        text.flush()
    finally:
        text.detach()  # the file stays its owner's


def _values(columns: Columns, rows: Iterable[Row]) -> Iterator[list[Any]]:
    for row in rows:
        yield [row[name] for name in columns]


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else _cell(value)


def _as_it_is(value: object) -> object:
    return value
