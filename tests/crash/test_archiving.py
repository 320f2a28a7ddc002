"""Death at a statement of an archiving: the batch stands whole in the one database or in the other, and the same command ends it."""

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from batchgen.app.archiving import archive
from batchgen.core import events as e
from batchgen.settings import Settings
from batchgen.store import runs
from batchgen.store.engine import open_engine
from tests.crash.warm import WarmLine, warm_lines
from tests.support.cli import CommandLine, study
from tests.support.databases import START, opened, specs, violated

SIGKILL = -9
LAST = 60
"""So many statements follow once the archive has its name: the mark, and the removal of the rows."""
EVERY = int(os.environ.get("EVERY", "12"))
"""Of these one in so many is died at, and of those before, which only make the copy, one in fifteen times as many."""
TABLES = ("job", "attempt", "artifact", "event", "plan", "command", "purse")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmLine]:
    """Start a warm interpreter."""
    with warm_lines(1, tmp_path_factory.mktemp("line")) as lines:
        yield lines.get()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, line: WarmLine) -> Path:
    """Make a folder in which one batch is finished, a job saved and one failed, and another waits."""
    folder = tmp_path_factory.mktemp("finished")
    CommandLine(folder=folder).write(study("http://127.0.0.1:9", ["a fox", "a hen"], name="day"), "day.yaml")
    assert 0 == line(folder, "plan", "day.yaml", "--save", "--offline").code
    with opened(f"sqlite:///{folder / 'batchgen.db'}") as open_table:
        table = open_table(rows=specs(2, first=50))
        table.walk(3, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished, e.ImagesStaged, e.ImagesSaved)
        table.walk(4, e.SubmitStarted, e.SubmitAccepted, e.RenderFailed)
        table.sql("UPDATE plan SET settings = (SELECT settings FROM plan WHERE id = 1)")
        ending = runs.Ending(stop_reason="finished", exit_code=3)
        table.thread.call(lambda c: runs.finish(c, table.run_id, ending, at=START)).result()
    return folder


def rows(database: Path, batch: str) -> dict[str, set[tuple[object, ...]]]:
    """Read what a database has of a batch, whole rows by table; nothing where there is no such file."""
    if not database.exists():
        return {table: set() for table in TABLES}
    ours = "SELECT id FROM batch WHERE name = ?"
    with closing(sqlite3.connect(database)) as connection:
        return {
            table: set(connection.execute(f"SELECT * FROM {table} WHERE {_whose(table)} IN ({ours})", (batch,)))  # noqa: S608 - our tables
            for table in TABLES
        }


def _whose(table: str) -> str:
    return f"(SELECT j.batch_id FROM job j WHERE j.id = {table}.job_id)" if table in {"attempt", "event"} else "batch_id"  # noqa: S608 - as above


def marked(database: Path) -> bool:
    """Say whether a batch is marked as archived: then nobody plans it."""
    with closing(sqlite3.connect(database)) as connection:
        return bool(connection.execute("SELECT count(*) FROM archive").fetchone()[0])


def sound(database: Path) -> bool:
    """Say whether every invariant holds in a database."""
    engine = open_engine(str(database))
    try:
        return [] == violated(engine)
    finally:
        engine.dispose()


def play(line: WarmLine, folder: Path, whole: dict[str, dict[str, set[tuple[object, ...]]]], statement: int) -> tuple[bool, list[str]]:
    """Let an archiving die before a statement, look, and archive again; say whether it died, and what is wrong."""
    source, copy = folder / "batchgen.db", folder / "night-archive.db"
    dead = line(folder, "db", "archive", "night", statement=statement)
    here, there = rows(source, "night"), rows(copy, "night")
    wrong = {
        f"the dying command ended with {dead.code}: {dead.err}": dead.code not in {SIGKILL, 0},
        "a row is in neither database": any(whole["night"][table] - here[table] - there[table] for table in TABLES),
        "rows went before the archive was whole": here != whole["night"] and there != whole["night"],
        "rows went without a mark": here != whole["night"] and not marked(source),
        "the source breaks an invariant": not sound(source),
    }
    again = line(folder, "db", "archive", "night")
    wrong |= {
        f"archiving again ended with {again.code}: {again.err}": again.code != 0,
        "the archive is not the batch": rows(copy, "night") != whole["night"],
        "rows are left": any(rows(source, "night").values()),
        "the neighbour was touched": rows(source, "day") != whole["day"],
        "the source breaks an invariant afterwards": not sound(source),
        "something is left beside": bool([*folder.glob(".*.part*")]),
    }
    return dead.code == SIGKILL, [f"statement {statement}: {text}" for text, is_wrong in wrong.items() if is_wrong]


@pytest.mark.slow
def test_death_at_any_statement_loses_no_row(line: WarmLine, finished: Path, tmp_path: Path) -> None:
    """Every row is in the source or in a whole archive, a batch that is not whole is marked, and the same command ends what was begun."""
    whole = {name: rows(finished / "batchgen.db", name) for name in ("night", "day")}
    statements = _statements(shutil.copytree(finished, tmp_path / "counted"))
    chosen = [*range(1, statements - LAST, 15 * EVERY), *range(statements - LAST, statements + 1, EVERY)]
    assert whole["night"]["event"]

    died, wrong = [], []
    for statement in chosen:
        is_dead, texts = play(line, shutil.copytree(finished, tmp_path / str(statement)), whole, statement)
        died.append(is_dead)
        wrong += texts

    assert [] == wrong
    assert all(died)


def _statements(folder: Path) -> int:
    """Count the statements and commits of an archiving that nothing ends."""
    seen: Counter[str] = Counter()

    def reached(*_: object) -> None:
        seen["statements"] += 1

    settings = Settings.from_environment({}, db=str(folder / "batchgen.db"))
    with listening(reached):
        list(archive(settings, "night", folder / "night-archive.db", on_progress=print))
    return seen["statements"]


@contextmanager
def listening(reached: Callable[..., None]) -> Iterator[None]:
    """Tell of every statement and commit of this process."""
    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, reached)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(Engine, name, reached)
