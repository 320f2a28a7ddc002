"""One runner a database, and copies of it."""

import stat
from pathlib import Path

import pytest

from batchgen.core import events as e
from batchgen.core.errors import InputError, LockedError, StoreError
from batchgen.core.ports import Upload
from batchgen.store import queries
from batchgen.store.backup import backup, forget_addresses
from batchgen.store.engine import open_engine, parse
from batchgen.store.lock import RunLock
from tests.support.databases import START, Table, violated


def test_a_second_runner_is_refused_and_told_who_runs(table: Table) -> None:
    """The holder is named by process, host and time, as the run table has them."""
    with RunLock(table.url), pytest.raises(LockedError, match="process 4711 on night-1, since 2026-11-22 01:02:03 UTC"):
        RunLock(table.url).acquire()


def test_a_lock_without_a_run_is_refused_all_the_same(url: str) -> None:
    """A runner that has not written its row yet holds the database too."""
    with RunLock(url), pytest.raises(LockedError, match="another process is already running on"):
        RunLock(url).acquire()


def test_a_released_lock_can_be_taken_again(url: str) -> None:
    """The end of one run is the beginning of the next."""
    lock = RunLock(url)
    lock.acquire()
    lock.release()
    lock.release()

    with RunLock(url):
        pass


def test_a_lock_file_that_cannot_be_used_is_named(url: str) -> None:
    """A folder in the lock's place is reported."""
    Path(f"{parse(url).database}.lock").mkdir()

    with pytest.raises(StoreError, match="lock file"):
        RunLock(url).acquire()


def test_a_backup_is_a_whole_database(table: Table, tmp_path: Path) -> None:
    """A copy made while the database is in use opens, is sound, and belongs to its owner only."""
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)
    target = tmp_path / "copy.db"

    backup(table.url, target)

    engine = open_engine(str(target))
    assert 3 == queries.totals(engine, 1).jobs
    assert [] == violated(engine)
    assert 0o600 == stat.S_IMODE(target.stat().st_mode)
    engine.dispose()


def test_a_copy_forgets_signed_addresses(table: Table, tmp_path: Path) -> None:
    """Neither rows nor bytes of the file hold one; all else is as it was, in one file that can be read where nothing is written."""
    table.walk(1, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished)
    upload = Upload(vendor="v", sha256="ab" * 32, url="https://x.example/?secret", expires_at=START, created_at=START)
    table.ledger.keep_upload(upload).result()
    target = tmp_path / "copy.db"
    backup(table.url, target)
    assert b"secret" in target.read_bytes()

    forget_addresses(target)

    engine = open_engine(str(target), readonly=True)
    assert [] == violated(engine)
    assert table.story(1) == queries.story(engine, f"{1:032x}", batch="night")
    engine.dispose()
    assert b"secret" not in target.read_bytes()
    assert b"\1\1" == target.read_bytes()[18:20]  # read and written without a write-ahead log
    assert [] == list(tmp_path.glob("copy.db-*"))
    assert 1 == table.sql("SELECT count(*) FROM attempt WHERE result_urls LIKE '%secret%'")[0][0]


def test_addresses_of_no_database_cannot_be_forgotten(tmp_path: Path) -> None:
    """The sentence names the file."""
    path = tmp_path / "notes.db"
    path.write_text("not a database " * 100)

    with pytest.raises(StoreError, match=r"notes\.db"):
        forget_addresses(path)


def test_a_backup_overwrites_nothing(table: Table, tmp_path: Path) -> None:
    """An existing file stays as it is."""
    target = tmp_path / "copy.db"
    target.write_text("precious")

    with pytest.raises(InputError, match="overwrite"):
        backup(table.url, target)

    assert "precious" == target.read_text()


def test_a_backup_of_nothing_is_refused(tmp_path: Path) -> None:
    """A mistyped path creates neither database nor copy."""
    with pytest.raises(StoreError, match="no job database"):
        backup(str(tmp_path / "absent.db"), tmp_path / "copy.db")
    with pytest.raises(StoreError, match="cannot be written"):
        backup(__file__, tmp_path / "nowhere" / "copy.db")

    assert [] == list(tmp_path.iterdir())


def test_a_server_is_backed_up_by_its_own_tools(tmp_path: Path) -> None:
    """PostgreSQL has pg_dump."""
    with pytest.raises(InputError, match="pg_dump"):
        backup("postgresql://db.example/jobs", tmp_path / "copy.db")


def test_a_failed_backup_leaves_no_half_copy(tmp_path: Path) -> None:
    """What is not a database cannot be copied, and nothing is left of the try."""
    source, target = tmp_path / "notes.db", tmp_path / "copy.db"
    source.write_text("not a database " * 100)

    with pytest.raises(StoreError):
        backup(str(source), target)

    assert not target.exists()
