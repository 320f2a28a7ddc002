"""Views as tables for other programs."""

import csv
import io
import json
from collections.abc import Iterator

import pytest
from pyarrow import parquet

from batchgen.app.exporting import Wanted, export
from batchgen.cli.handing import VIEWS as NAMED
from batchgen.settings import Settings
from batchgen.store.views import VIEWS
from tests.acceptance.test_hostile_prompts import PROMPTS
from tests.support.cli import CommandLine, Vendor, study

HOSTILE = (*PROMPTS, '=HYPERLINK("https://x.example","y")', "a,b;c\td", " spaces ", '"', "'", "{{ x }}", "\\N", "NULL", "-1+1", "＝1+1")  # noqa: RUF001 - as a spreadsheet reads it


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[CommandLine]:
    """Give a folder with a batch of two pictures, and one of hostile prompts that is only planned."""
    command_line = CommandLine(folder=tmp_path_factory.mktemp("export"))
    command_line.write(study(vendor.url, ["a fox to hand on", "a hen to hand on"]))
    command_line.write_text("".join(json.dumps({"p": prompt}) + "\n" for prompt in HOSTILE), "prompts.jsonl")
    command_line.write(study(vendor.url, [{"file": "prompts.jsonl", "prompt": "p"}], name="hostile"), "hostile.yaml")
    run, plan = command_line("run", "study.yaml", "-y"), command_line("plan", "hostile.yaml", "--save")
    assert (0, 0) == (run.code, plan.code), run.err + plan.err
    yield command_line
    assert [] == command_line.leaks()


def rows(content: bytes) -> list[dict[str, str]]:
    """Read CSV as any program does."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_every_view_is_exported_with_its_columns(cli: CommandLine) -> None:
    """The members of each object are the documented columns; the help names every view."""
    settings = Settings.from_environment({}, db=str(cli.folder / "batchgen.db"))
    for view in VIEWS:
        file = io.BytesIO()

        export(settings, Wanted(view=view.name, batch=None, format_name="csv", is_excel_safe=False), file)

        assert list(view.columns) == file.getvalue().decode().splitlines()[0].split(",")
        assert {tuple(view.columns)} >= {tuple(row) for row in rows(file.getvalue())}
    assert tuple(view.name for view in VIEWS) == NAMED


def test_hostile_prompts_come_back(cli: CommandLine) -> None:
    """Byte for byte, from CSV and from JSON lines."""
    ended = [cli("export", "hostile", "--output", name).code for name in ("all.csv", "all.jsonl")]

    files = cli.files()
    assert [0, 0] == ended
    assert list(HOSTILE) == [row["prompt"] for row in rows(files["all.csv"])]
    assert list(HOSTILE) == [json.loads(line)["prompt"] for line in files["all.jsonl"].split(b"\n")[:-1]]


def test_objects_of_jobs_begin_with_their_key(cli: CommandLine) -> None:
    """So they can be used where a custom_id is asked for; money is whole, and JSON is a value."""
    first, second = cli("export", "study", "--format", "jsonl").lines

    assert "custom_id" == next(iter(first))
    assert [first["key"], second["key"]] == [first["custom_id"], second["custom_id"]]
    assert ({"model": "gpt-image-2", "quality": "low"}, 30_000) == (first["params"], first["cost_micros"])


def test_parquet_says_the_same(cli: CommandLine) -> None:
    """The same rows as JSON lines, with JSON as text."""
    assert 0 == cli("export", "study", "--output", "jobs.parquet").code

    table = parquet.read_table(cli.folder / "jobs.parquet").to_pylist()
    lines = cli("export", "study", "--format", "jsonl").lines
    told = [
        {name: json.dumps(cell, separators=(",", ":")) if isinstance(cell, list | dict) else cell for name, cell in line.items()}
        for line in lines
    ]
    assert told == [{"custom_id": row["key"], **row} for row in table]


def test_a_file_is_replaced_only_if_asked(cli: CommandLine) -> None:
    """Otherwise it stays as it is."""
    cli.write_text("precious", "mine.csv")

    refused, kept = cli("export", "--output", "mine.csv"), cli.files()["mine.csv"]
    forced = cli("export", "--output", "mine.csv", "--force")

    assert (2, b"precious") == (refused.code, kept)
    assert "mine.csv exists already" in refused.err
    assert 0 == forced.code
    assert cli.files()["mine.csv"].startswith(b"job_id,")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--view", "job"], "there is no view job; there are: v_jobs"),
        (["nobody"], "there is no batch nobody"),
        (["--output", "x.parquet", "--excel-safe"], "--excel-safe is for CSV"),
        (["--format", "parquet"], "name a file with --output"),
    ],
)
def test_what_cannot_be_exported_is_refused(cli: CommandLine, words: list[str], said: str) -> None:
    """One line, and no file."""
    told = cli("export", *words)

    assert (2, "") == (told.code, told.out)
    assert said in told.err
    assert 1 == told.err.count("\n")
    assert not any(name.startswith((".", "x")) for name in cli.files())


def test_a_missing_folder_is_a_matter_of_storage(cli: CommandLine) -> None:
    """Exit 7 and the path."""
    told = cli("export", "--output", "nowhere/x.csv")

    assert (7, "error: cannot write nowhere/x.csv: No such file or directory\n") == (told.code, told.err)


def test_datasette_is_told_about_the_database(cli: CommandLine) -> None:
    """A file of metadata, whole paths in the line to type, and the output folder as static files."""
    told, again = cli("db", "datasette"), cli("db", "datasette")

    described = json.loads(cli.files()["metadata.json"])["databases"]["batchgen"]
    install, start, newer = told.out.splitlines()
    assert (0, 2) == (told.code, again.code)
    assert "pip install datasette datasette-json-html" == install
    folder = cli.folder
    assert f"datasette {folder}/batchgen.db --metadata {folder}/metadata.json --static images:{folder}/out" == start
    assert newer.endswith(f"--config {folder}/metadata.json")
    assert f"WHEN '{folder}/out' THEN '/images/'" in described["queries"]["pictures"]["sql"]
