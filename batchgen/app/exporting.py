"""Hand the public views on as tables for other programs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from batchgen.app.reading import reading
from batchgen.core.columns import Kind
from batchgen.core.errors import InputError
from batchgen.files.placing import new_file
from batchgen.report.tables import WRITERS, Writer, write_spreadsheet_csv
from batchgen.settings import Settings
from batchgen.store import queries

_JOBS: Final = "v_jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which view, of one batch or of all, and how it is to be written."""

    view: str
    batch: str | None
    format_name: str
    is_excel_safe: bool


def chosen_format(output: Path | None, wanted: str | None) -> str:
    """Give the format that was asked for, else the one that the file's suffix names, else CSV."""
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return wanted or (suffix if suffix in WRITERS else "csv")


def export(settings: Settings, wanted: Wanted, to: IO[bytes] | Path, *, replaces: bool = False) -> None:
    """Write a view to an open file, or to a new one, which has its name only once it is whole.

    Raises InputError for a view or a batch that does not exist, for options that contradict each other and for a file that stands already.
    """
    write, columns = _writer(wanted), queries.kinds_of(wanted.view)
    if wanted.format_name == "parquet" and not isinstance(to, Path):
        raise InputError("Parquet is not written to a terminal or a pipe: name a file with --output")
    with _opened(to, replaces=replaces) as file, reading(settings) as engine:
        rows = queries.view_rows(engine, wanted.view, batch=wanted.batch)
        if (wanted.view, wanted.format_name) == (_JOBS, "jsonl"):
            columns, rows = {"custom_id": Kind.TEXT, **columns}, map(_named, rows)
        write(file, columns, rows)


def _writer(wanted: Wanted) -> Writer:
    if not wanted.is_excel_safe:
        return WRITERS[wanted.format_name]
    if wanted.format_name != "csv":
        raise InputError(f"--excel-safe is for CSV, not for {wanted.format_name}")
    return write_spreadsheet_csv


@contextmanager
def _opened(to: IO[bytes] | Path, *, replaces: bool) -> Iterator[IO[bytes]]:
    if isinstance(to, Path):
        with new_file(to, replaces=replaces) as file:
            yield file
    else:
        yield to


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"custom_id": row["key"], **row}
