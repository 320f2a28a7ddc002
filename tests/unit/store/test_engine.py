"""The settings under which a database is opened, and the databases that are refused."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from batchgen.core.errors import InputError, SchemaError, StoreError
from batchgen.store.engine import durability, journal_settings, open_engine, parse, place_of, reading


@contextmanager
def engine_on(url: str, *, readonly: bool = False) -> Iterator[Engine]:
    """Open an engine and dispose of it at the end."""
    engine = open_engine(url, readonly=readonly)
    try:
        yield engine
    finally:
        engine.dispose()


def pragma(engine: Engine, name: str) -> object:
    """Read a setting of a connection."""
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((3, 40, 1), "truncate"),
        ((3, 44, 5), "truncate"),
        ((3, 44, 6), "wal"),
        ((3, 45, 0), "truncate"),
        ((3, 50, 6), "truncate"),
        ((3, 50, 7), "wal"),
        ((3, 51, 2), "truncate"),
        ((3, 51, 3), "wal"),
        ((3, 52, 0), "wal"),
        ((4, 0, 0), "wal"),
    ],
)
def test_wal_is_used_only_where_the_library_is_sound(version: tuple[int, ...], expected: str) -> None:
    """A library whose WAL can corrupt gets a rollback journal; both are synced in full."""
    assert (expected, "full") == journal_settings(version)


def test_sqlite_settings_are_in_force(url: str) -> None:
    """A writer's connection has the durable settings, read back."""
    with engine_on(url) as engine:
        found = [pragma(engine, name) for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "busy_timeout")]

    assert [journal_settings(sqlite3.sqlite_version_info)[0], 2, 1, 0, 30_000] == found


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Prompts and result URLs are nobody else's business."""
    path = tmp_path / "jobs.db"

    with engine_on(str(path)):
        mode = stat.S_IMODE(path.stat().st_mode)

    assert 0o600 == mode


def test_a_writer_takes_the_lock_when_it_begins(url: str) -> None:
    """While one writer's transaction is open another cannot begin, so nobody reads what he cannot update."""
    path = parse(url).database or ""
    with engine_on(url) as engine, engine.begin():
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_a_reader_takes_no_write_lock(url: str) -> None:
    """Reading leaves the writer alone."""
    path = parse(url).database or ""
    with engine_on(url) as engine, reading(engine).connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.close()


def test_a_readonly_engine_writes_nothing(url: str) -> None:
    """Commands that only look cannot change anything, even by mistake."""
    from batchgen.store.faults import translated  # noqa: PLC0415 - beside its use

    with engine_on(url, readonly=True) as engine, pytest.raises(StoreError), translated("here"), engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM batch")


def test_a_readonly_file_can_still_be_read(url: str) -> None:
    """A database on a read-only medium answers questions."""
    path = Path(parse(url).database or "")
    path.chmod(0o400)

    with engine_on(url, readonly=True) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM job").scalar() == 0


def test_reading_rolls_back_what_a_killed_writer_left(tmp_path: Path, url: str) -> None:
    """After a crash in the middle of a commit, the first look at the database puts it right."""
    path = Path(parse(url).database or "")
    broken = tmp_path / "broken.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN IMMEDIATE")
    writer.executemany("INSERT INTO meta VALUES (?, ?)", [(f"k{n}", "x" * 500) for n in range(2000)])
    broken.write_bytes(path.read_bytes())
    journal = path.with_name(path.name + "-journal")
    broken.with_name(broken.name + "-journal").write_bytes(journal.read_bytes())
    writer.execute("ROLLBACK")
    writer.close()

    with engine_on(str(broken), readonly=True) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM meta").scalar() == 2


def test_a_missing_database_is_not_created_by_a_reader(tmp_path: Path) -> None:
    """Looking at nothing says so and leaves nothing behind."""
    path = tmp_path / "jobs.db"

    with pytest.raises(StoreError, match="no job database"):
        open_engine(str(path), readonly=True)

    assert not path.exists()


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    """A foreign SQLite file is neither read as ours nor written to."""
    path = tmp_path / "theirs.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE contacts(name)")
    other.commit()
    other.close()
    before = path.read_bytes()

    with pytest.raises(SchemaError, match="another program"):
        open_engine(str(path))

    assert before == path.read_bytes()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A text file is left as it is."""
    path = tmp_path / "notes.db"
    path.write_text("not a database at all, but long enough to have a header " * 40)

    with pytest.raises(SchemaError, match="not an SQLite database"):
        open_engine(str(path))


def test_a_second_name_is_refused(tmp_path: Path, url: str) -> None:
    """Locks belong to one name: a hard link would let two runners in."""
    os.link(parse(url).database or "", tmp_path / "again.db")

    with pytest.raises(StoreError, match="hard link"):
        open_engine(url)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A mistyped path is reported, not created."""
    with pytest.raises(StoreError, match="folder of the job database does not exist"):
        open_engine(str(tmp_path / "nowhere" / "jobs.db"))


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "://"])
def test_other_databases_are_refused(url: str) -> None:
    """Only an SQLite file or PostgreSQL can hold the jobs."""
    with pytest.raises(InputError):
        parse(url)


def test_a_bare_path_means_sqlite() -> None:
    """The shortest way to name a database works."""
    assert "sqlite:///night.db" == parse("night.db").render_as_string()


def test_messages_never_show_the_password() -> None:
    """A server is named without its password."""
    assert "s3cret" not in place_of(parse("postgresql://ana:s3cret@db.example/jobs"))


def test_errors_never_show_values(url: str) -> None:
    """A failing statement does not carry its parameters into a message."""
    statement = "INSERT INTO batch_total VALUES (?, ?, 1)"
    with engine_on(url) as engine, pytest.raises(IntegrityError) as refusal, engine.begin() as connection:
        connection.exec_driver_sql(statement, (99, "canary-value"))

    assert "canary-value" not in str(refusal.value)


def test_durability_is_described(url: str) -> None:
    """Whoever examines the machine reads how the database keeps its word."""
    assert "synchronous full" in durability(url)
    assert "PostgreSQL" in durability("postgresql://db.example/jobs")
