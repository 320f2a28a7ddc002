"""Tables as CSV, JSON lines and Parquet."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from batchgen.core.columns import Kind
from batchgen.core.errors import InputError
from batchgen.report.tables import Columns, Row, Writer, write_csv, write_json_lines, write_parquet, write_spreadsheet_csv

COLUMNS = {"key": Kind.TEXT, "params": Kind.JSON, "cost": Kind.WHOLE, "took": Kind.REAL, "decided": Kind.CLAIM}
FULL = {"key": "a", "params": '{"ratio":"1:1"}', "cost": 2**62, "took": 0.25, "decided": True}
EMPTY = dict.fromkeys(COLUMNS)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def written(write: Writer, *rows: Row, columns: Columns = COLUMNS) -> bytes:
    """Give what a writer writes."""
    file = io.BytesIO()
    write(file, columns, rows)
    return file.getvalue()


def read_back(content: bytes) -> list[list[str]]:
    """Read CSV as any program does."""
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_csv_is_exactly_what_the_standard_says() -> None:
    """A head line, line ends of two characters, quotes only where they are needed and doubled inside, no mark at the beginning."""
    quoted = FULL | {"key": 'says "OPEN", twice\n'}

    content = written(write_csv, quoted, EMPTY)

    head = b"key,params,cost,took,decided\r\n"
    row = b'"says ""OPEN"", twice\n","{""ratio"":""1:1""}",4611686018427387904,0.25,true\r\n'
    assert head + row + b",,,,\r\n" == content


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_every_text_comes_back_from_csv(texts: list[str]) -> None:
    """Whatever a prompt is made of, a reader gets it back, character for character."""
    content = written(write_csv, *({"prompt": text, "n": 1} for text in texts), columns={"prompt": Kind.TEXT, "n": Kind.WHOLE})

    assert [["prompt", "n"], *([text, "1"] for text in texts)] == read_back(content)


@pytest.mark.parametrize("char", [*"=+-@\t\r\n", "＝", "＋", "－", "＠"], ids=ascii)  # noqa: RUF001 - spreadsheets read them as well
def test_no_text_is_a_formula_for_a_spreadsheet(char: str) -> None:
    """A text that begins like a formula gets an apostrophe, and every text is quoted; a number below zero stays a number."""
    content = written(write_spreadsheet_csv, EMPTY | {"key": f"{char}1+1", "cost": -5})

    assert f'"\'{char}1+1","",-5,"",""\r\n' == content.decode().partition("\r\n")[2]


@given(TEXTS)
def test_the_apostrophe_is_all_that_changes(text: str) -> None:
    """Without it the text is what it was, and no cell begins like a formula."""
    content = written(write_spreadsheet_csv, {"prompt": text, "n": 1}, columns={"prompt": Kind.TEXT, "n": Kind.WHOLE})

    _, (cell, number) = read_back(content)
    assert text in {cell, cell.removeprefix("'")}
    assert not cell.startswith(tuple("=+-@\t\r\n"))
    assert "1" == number


@given(st.lists(TEXTS, max_size=5))
def test_every_text_comes_back_from_json_lines(texts: list[str]) -> None:
    """One object a line, whatever line ends a text has."""
    content = written(write_json_lines, *({"prompt": text} for text in texts), columns={"prompt": Kind.TEXT})

    assert [{"prompt": text} for text in texts] == [json.loads(line) for line in content.splitlines()]


def test_json_lines_keep_order_and_kind() -> None:
    """Members come in the order of the columns, JSON as a value, nothing as null."""
    content = written(write_json_lines, FULL, EMPTY)

    first = b'{"key":"a","params":{"ratio":"1:1"},"cost":4611686018427387904,"took":0.25,"decided":true}\n'
    assert first + b'{"key":null,"params":null,"cost":null,"took":null,"decided":null}\n' == content


def test_parquet_keeps_kinds_though_nothing_is_there() -> None:
    """The type of a column does not hang on its first rows."""
    table = parquet.read_table(io.BytesIO(written(write_parquet, EMPTY, FULL)))

    assert [EMPTY, FULL] == table.to_pylist()
    assert ["string", "string", "int64", "double", "bool"] == [str(field.type) for field in table.schema]


def test_parquet_is_written_in_groups() -> None:
    """Ten thousand rows are held at once, not all."""
    content = io.BytesIO(written(write_parquet, *({"n": n} for n in range(20_001)), columns={"n": Kind.WHOLE}))

    assert [10_000, 10_000, 1] == [parquet.ParquetFile(content).metadata.row_group(group).num_rows for group in range(3)]


def test_parquet_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence is the command that helps."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(InputError, match=r"pip install 'batchgen-cli\[parquet\]'"):
        written(write_parquet, FULL)


@pytest.mark.parametrize("write", [write_csv, write_spreadsheet_csv, write_json_lines])
def test_rows_are_written_as_they_come(write: Writer) -> None:
    """What was asked for is on its way long before the last row; a table without an end fills no memory."""

    class FullError(Exception):
        """The file has enough."""

    class File(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, content: object) -> int:  # noqa: ARG002 - a file's own signature
            raise FullError

    asked = count()

    def rows() -> Iterator[Row]:
        for _ in asked:
            yield FULL

    with pytest.raises(FullError):
        write(File(), COLUMNS, rows())  # type: ignore[arg-type] # as much of a file as a writer needs

    assert next(islice(asked, 1)) < 1_000
