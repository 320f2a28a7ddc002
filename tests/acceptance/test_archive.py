"""A finished batch leaves the job database for one of its own, in which everything can be done with it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.store.lock import RunLock
from tests.crash.warm import WarmLine, warm_lines
from tests.support.cli import CommandLine, Finished, Vendor, study
from tests.support.databases import postgres_url

TWO = ("an owl in rain", "a gate in rain")

Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmLine]:
    """Start a warm interpreter."""
    with warm_lines(1, tmp_path_factory.mktemp("line")) as lines:
        yield lines.get()


def ordered(line: WarmLine, vendor: Vendor, folder: Path, name: str, *prompts: str, db: str = "batchgen.db") -> None:
    """Run a batch to its end; all batches of a folder share its journal."""
    CommandLine(folder=folder).write(study(vendor.url, [f"{prompt} for {name}" for prompt in prompts], name=name), f"{name}.yaml")
    done = line(folder, "--db", db, "run", f"{name}.yaml", "-y")
    assert 0 == done.code, done.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, line: WarmLine, vendor: Vendor) -> Path:
    """Give a folder with two batches that are done."""
    folder = tmp_path_factory.mktemp("finished")
    for name in ("night", "day"):
        ordered(line, vendor, folder, name, *TWO)
    return folder


@pytest.fixture
def batchgen(line: WarmLine, finished: Path, tmp_path: Path) -> Run:
    """Give a command line in a copy of that folder; its pictures and the journal are those of the first."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("out"))
    return lambda *words: line(tmp_path, *words)


def test_an_archive_is_a_job_database(batchgen: Run, tmp_path: Path, vendor: Vendor) -> None:
    """Every command says of it what it said before, nothing of it is bought again there, and it is one file, its owner's alone."""
    before = {word: batchgen(word, "night", "--json").document for word in ("jobs", "events")}
    archived = batchgen("db", "archive", "night", "--to", "old.db")
    posts = vendor.posts

    alone = [path.name for path in tmp_path.iterdir() if "old.db" in path.name]
    mode = (tmp_path / "old.db").stat().st_mode & 0o777
    there = {word: batchgen("--db", "old.db", word, "night", "--json").document for word in ("jobs", "events")}
    story = batchgen("--db", "old.db", "show", there["jobs"]["jobs"][0]["key"][:8])
    codes = [batchgen("--db", "old.db", *words).code for words in (["status"], ["verify"], ["export"], ["report", "--output", "page"])]
    again = batchgen("--db", "old.db", "run", "night.yaml", "-y")

    assert 0 == archived.code, archived.err
    assert "night: 2 jobs, 2 orders, spent" in archived.out
    assert (["old.db"], 0o600) == (alone, mode)
    assert before == there
    assert ([0] * 4, 0) == (codes, story.code)
    assert (0, posts) == (again.code, vendor.posts), again.err


def test_an_archived_name_is_refused_where_it_was(batchgen: Run, tmp_path: Path, vendor: Vendor) -> None:
    """To plan, run or resume it would buy it all again; status lists it in a line, and the database is sound."""
    batchgen("db", "archive", "night")
    posts = vendor.posts

    refused = [batchgen(*words) for words in (["plan", "night.yaml"], ["run", "night.yaml", "-y"], ["resume", "night"], ["jobs", "night"])]
    status, alone = batchgen("status"), batchgen("status", "night", "--json").document

    where = str(tmp_path / "night-archive.db")
    assert [2] * 4 == [each.code for each in refused]
    assert all(f"night was archived to {where}" in each.err for each in refused)
    assert "would all be bought again here" in refused[1].err
    assert posts == vendor.posts
    assert f"): {where}" in status.out
    assert "day  (2 jobs" in status.out
    (gone,) = alone["archived"]
    assert ([], "night", 2, where, True) == (alone["batches"], gone["batch"], gone["jobs"], gone["path"], gone["is_gone"])
    assert 0 == batchgen("verify").code
    CommandLine(folder=tmp_path).write(study(vendor.url, ["an owl in rain for night"], name="third"), "third.yaml")
    assert "what archived batches have bought is not known here, and may be bought again: night" in batchgen("plan", "third.yaml").out


def test_a_file_that_is_something_else_is_left_alone(batchgen: Run, tmp_path: Path) -> None:
    """Neither the database itself, nor a copy of it, nor another batch's archive, nor a stranger's file is taken for the archive."""
    batchgen("db", "archive", "day")
    batchgen("db", "backup", "copy.db")
    (tmp_path / "notes.txt").write_text("precious")

    refused = [batchgen("db", "archive", "night", "--to", name) for name in ("batchgen.db", "copy.db", "day-archive.db", "notes.txt")]

    assert [2] * 4 == [each.code for each in refused]
    assert all("exists already, and is not night as it is now" in each.err for each in refused)
    assert "precious" == (tmp_path / "notes.txt").read_text()
    assert ["saved"] * 2 == [job["state"] for job in batchgen("jobs", "night", "--json").document["jobs"]]


def test_an_archive_is_found_again_where_it_was_moved(batchgen: Run, tmp_path: Path) -> None:
    """A missing one is told; the file named with --to must be the very one."""
    batchgen("db", "archive", "night")
    batchgen("db", "archive", "day")
    (tmp_path / "night-archive.db").rename(tmp_path / "shelf.db")

    missing, other = batchgen("db", "archive", "night"), batchgen("db", "archive", "night", "--to", "day-archive.db")
    found = batchgen("db", "archive", "night", "--to", "shelf.db")

    assert (7, 2, 0) == (missing.code, other.code, found.code)
    assert "say where it is now with --to" in missing.err
    assert "is not the archive of night" in other.err
    assert "archived already" in found.out
    assert str(tmp_path / "shelf.db") in batchgen("status").out


def test_what_is_not_finished_stays(batchgen: Run, tmp_path: Path, vendor: Vendor) -> None:
    """The refusal counts what is left, and says what to type; so does that of a database on which a run is at work."""
    CommandLine(folder=tmp_path).write(study(vendor.url, TWO, name="later"), "later.yaml")
    batchgen("plan", "later.yaml", "--save", "--offline")

    unfinished = batchgen("db", "archive", "later")
    with RunLock(f"sqlite:///{tmp_path / 'batchgen.db'}"):
        locked = batchgen("db", "archive", "night")

    assert (2, 8) == (unfinished.code, locked.code)
    assert "later is not finished: 2 planned; " in unfinished.err
    assert all(words in unfinished.err for words in ("resume later finishes it", "cancel later drops what was not sent"))
    assert not [*tmp_path.glob("*-archive.db")]


def test_the_database_is_no_older_copy_of_itself(line: WarmLine, tmp_path: Path, vendor: Vendor) -> None:
    """The newest orders are gone, of which the folder's journal tells, and the other batch goes on; a true older copy is known as one."""
    ordered(line, vendor, tmp_path, "day", "a hen")
    ordered(line, vendor, tmp_path, "night", "a hen")
    archived = line(tmp_path, "db", "archive", "night")
    shutil.copy(tmp_path / "batchgen.db", tmp_path / "older.db")

    ordered(line, vendor, tmp_path, "day", "a hen", "a boat")
    with closing(sqlite3.connect(tmp_path / "batchgen.db")) as connection:
        numbers = [row[0] for row in connection.execute("SELECT id FROM job ORDER BY id")]
    (tmp_path / "older.db").rename(tmp_path / "batchgen.db")
    older = line(tmp_path, "run", "day.yaml", "-y")

    assert 0 == archived.code, archived.err
    assert [1, 3] == numbers
    assert 7 == older.code
    assert "this database is an older copy" in older.err


@pytest.mark.postgres
def test_a_batch_leaves_a_server_while_another_run_goes_on(line: WarmLine, tmp_path: Path, vendor: Vendor, postgres: str) -> None:
    """The archive is an SQLite file that says the same; a run of another batch is not held up."""
    url = postgres_url(postgres)
    ordered(line, vendor, tmp_path, "night", *TWO, db=url)
    before = line(tmp_path, "--db", url, "jobs", "--json").document

    with RunLock(url):
        archived = line(tmp_path, "--db", url, "db", "archive", "night")
    refused = line(tmp_path, "--db", url, "run", "night.yaml", "-y")

    assert (0, 2) == (archived.code, refused.code), archived.err
    assert before == line(tmp_path, "--db", "night-archive.db", "jobs", "--json").document
    assert [0, 0] == [line(tmp_path, "--db", db, "verify").code for db in ("night-archive.db", url)]
    assert [] == line(tmp_path, "--db", url, "jobs", "--json").document["jobs"]
