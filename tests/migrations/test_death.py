"""Death at every statement of an upgrade: the same command upgrades, and nothing of the data is missing."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from queue import Queue

import pytest

from batchgen.store import migrate
from batchgen.store.engine import open_engine, parse
from tests.crash.warm import WarmLine, warm_lines
from tests.support.databases import MIGRATIONS, postgres_url, violated

RELEASED = sorted(Path(__file__).with_name("released").glob("*.sql"))
"""A database of every released schema, as SQL: a batch with jobs that are saved, in doubt, cancelled, planned, and planned again."""

OLD = [path.stem for path in RELEASED[:-1]]
AT_ONCE = 4
STEP = 1 if os.environ.get("EVERY_STATEMENT") else 16
"""Every so-manieth statement is the last one; ``make crash-upgrades`` plays them all."""
SIGKILL = -9


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Queue[WarmLine]"]:
    """Start some warm interpreters."""
    with warm_lines(AT_ONCE, tmp_path_factory.mktemp("lines")) as lines:
        yield lines


def _lay(folder: Path, revision: str) -> Path:
    """Put the database of a released schema into a new folder; there is none of the schema ``nothing``."""
    folder.mkdir()
    database = folder / "batchgen.db"
    if revision != "nothing":
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript((Path(__file__).with_name("released") / f"{revision}.sql").read_text())
    return database


def _content(database: Path) -> list[str]:
    """Give a sound database as SQL, without the identity that each new one has; one that does not exist is empty."""
    with closing(sqlite3.connect(database if database.exists() else ":memory:")) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
        return sorted(line for line in connection.iterdump() if "'db_uuid'" not in line)


def _rows(database: Path, columns: dict[str, str]) -> dict[str, list[object]]:
    """Read some columns of some tables."""
    with closing(sqlite3.connect(database)) as connection:
        return {table: connection.execute(f"SELECT {names} FROM {table} ORDER BY 1, 2").fetchall() for table, names in columns.items()}  # noqa: S608 - names of our own tables


def _columns(database: Path) -> dict[str, str]:
    """Name the tables that hold an operator's data, and their columns."""
    with closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {table: ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA table_info({table})")) for table in tables}
    return {table: names for table, names in columns.items() if table not in {"alembic_version", "edge"}}


def _die_and_upgrade(lines: "Queue[WarmLine]", folder: Path, revision: str, statement: int, whole: list[str]) -> tuple[bool, list[str]]:
    """Let an upgrade die before a statement and upgrade again; say whether it died there, and what is wrong afterwards."""
    database = _lay(folder, revision)
    old = _content(database)
    line = lines.get()
    try:
        dead = line(folder, "db", "upgrade", statement=statement)
        left = _content(database)
        again = line(folder, "db", "upgrade")
    finally:
        lines.put(line)
    wrong = {
        f"the dying upgrade ended with {dead.code}: {dead.err}": dead.code not in {SIGKILL, 0},
        "the dead upgrade changed something": dead.code == SIGKILL and left != old,
        f"upgrading again ended with {again.code}: {again.err}": again.code != 0,
        f"the content differs: {set(_content(database)) ^ set(whole)}": _content(database) != whole,
        "a copy is not the database of before": any(_content(copy) != old for copy in folder.glob("*.bak-*")),
    }
    return dead.code == SIGKILL, [f"statement {statement}: {text}" for text, is_wrong in wrong.items() if is_wrong]


def _at_every_statement(play: Callable[[int], tuple[bool, list[str]]], *, first: int = 1) -> tuple[int, list[str]]:
    """Play deaths until the upgrade outlives one; give how many statements it lived through, and all that was wrong."""
    statements, died, wrong = count(1 + first % STEP, STEP), [True], []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while died[-1]:
            for is_dead, texts in pool.map(play, [next(statements) for _ in range(AT_ONCE)]):
                died.append(is_dead)
                wrong += texts
    return STEP * (sum(died) - 1), wrong


def test_every_schema_is_there_as_a_database() -> None:
    """A revision comes with a database that the program before the next one wrote."""
    assert [path.stem for path in RELEASED] == migrate.revisions(MIGRATIONS)


@pytest.mark.parametrize("revision", [path.stem for path in RELEASED])
def test_released_database_keeps_all_its_rows(lines: "Queue[WarmLine]", tmp_path: Path, revision: str) -> None:
    """Every row is there after the upgrade as it was before, and no invariant is broken."""
    database = _lay(tmp_path / "data", revision)
    columns = _columns(database)
    before = _rows(database, columns)

    line = lines.get()
    upgraded = line(tmp_path / "data", "db", "upgrade")
    lines.put(line)
    engine = open_engine(str(database))
    broken = violated(engine)
    engine.dispose()

    assert 0 == upgraded.code, upgraded.err
    assert 6 == len(before["job"])
    assert before == _rows(database, columns)
    assert [] == broken


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("revision", ["nothing", *OLD])
def test_death_at_every_statement_leaves_an_upgrade_to_be_done(lines: "Queue[WarmLine]", tmp_path: Path, revision: str) -> None:
    """Whatever the statement, nothing has changed, and the same command ends with what an undisturbed upgrade makes."""
    whole = _lay(tmp_path / "whole", revision)
    migrate.upgrade(str(whole), MIGRATIONS)
    content = _content(whole)

    deaths, wrong = _at_every_statement(
        lambda number: _die_and_upgrade(lines, tmp_path / str(number), revision, number, content), first=ord(revision[-1])
    )

    assert [] == wrong
    assert deaths >= 20


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.postgres
def test_death_at_every_statement_on_a_server(lines: "Queue[WarmLine]", postgres: str, tmp_path: Path) -> None:
    """PostgreSQL takes back what a dead upgrade did, and is upgraded by the same command."""
    first = tmp_path / "first" / "migrations"
    shutil.copytree(MIGRATIONS, first, ignore=shutil.ignore_patterns("__pycache__", "0002_*", "0003_*", "0004_*", "0005_*", "0006_*"))
    template = postgres_url(postgres, "template0")
    migrate.upgrade(template, first)

    def play(statement: int) -> tuple[bool, list[str]]:
        url = postgres_url(postgres, str(parse(template).database))
        line = lines.get()
        dead, left = line(tmp_path, "--db", url, "db", "upgrade", statement=statement), migrate.current(url)
        again, whole = line(tmp_path, "--db", url, "db", "upgrade"), migrate.current(url)
        lines.put(line)
        expected = ("0001" if dead.code == SIGKILL else migrate.head(MIGRATIONS), 0, migrate.head(MIGRATIONS))
        return dead.code == SIGKILL, [f"statement {statement}: {left}, {again}, {whole}"] * ((left, again.code, whole) != expected)

    deaths, wrong = _at_every_statement(play)

    assert [] == wrong
    assert deaths >= 20
