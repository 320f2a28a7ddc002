"""What the driver raises comes out as our errors, and nothing is left half written."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event as hooks
from sqlalchemy.exc import DBAPIError

from batchgen.core import events as e
from batchgen.core.errors import SchemaError, StoreAwayError, StoreError
from batchgen.store.engine import open_engine, parse
from batchgen.store.faults import BusyError, RefusedError, translated
from batchgen.store.writer import DatabaseThread
from tests.support.databases import Table


class ServerError(Exception):
    """Stands for what psycopg raises."""

    def __init__(self, sqlstate: str, message: str = "it happened") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "kind", "words"),
    [
        ("40001", BusyError, "crossed"),
        ("40P01", BusyError, "waited"),
        ("25006", StoreError, "read-only"),
        ("53100", StoreError, "room"),
        ("42P01", SchemaError, "no batchgen tables"),
        ("57P01", StoreError, "lost"),
        ("08006", StoreError, "lost"),
        ("22000", StoreError, "it happened"),
    ],
)
def test_server_errors_are_sorted_by_their_code(sqlstate: str, kind: type[StoreError], words: str) -> None:
    """Each class of trouble on a server becomes the error that says what to do, with its place."""
    with pytest.raises(kind, match=words) as caught, translated("db.example/jobs"):
        raise DBAPIError("SELECT 1", None, ServerError(sqlstate))

    assert "db.example/jobs" in str(caught.value)


def test_a_full_disk_is_named_and_writes_nothing(table: Table) -> None:
    """No room left: the change fails with the place, and the job stays where it was."""

    def leave_no_room(driver: sqlite3.Connection, _entry: object, _proxy: object) -> None:
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count = {pages}")

    hooks.listen(table.engine, "checkout", leave_no_room)

    future = table.ledger.record(table.change(1, e.SubmitStarted(body_sha256="x" * 200_000, reserved=None)))

    with pytest.raises(StoreError, match="no room left"):
        future.result()
    assert 3 == len(table.claim())


def test_a_busy_database_is_waited_for_and_then_named(url: str, table: Table) -> None:
    """While another process holds the database the change waits; when patience ends it fails and nothing is written."""

    def lose_patience(driver: sqlite3.Connection, _entry: object, _proxy: object) -> None:
        driver.execute("PRAGMA busy_timeout = 1")

    engine = open_engine(url)
    hooks.listen(engine, "checkout", lose_patience)
    thread = DatabaseThread(engine, patience_s=0.05)
    other = sqlite3.connect(parse(url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(BusyError, match="too long"):
        thread.call(lambda connection: connection.exec_driver_sql("DELETE FROM command")).result()

    other.close()
    thread.close()
    engine.dispose()
    assert 3 == len(table.claim())


def test_a_group_is_tried_again_when_the_database_was_busy(url: str, table: Table) -> None:
    """A lock that goes away within the patience costs nothing but time."""
    engine = open_engine(url)
    tries: list[int] = []
    other = sqlite3.connect(parse(url).database or "", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def let_go_on_the_second_try(driver: sqlite3.Connection, _entry: object, _proxy: object) -> None:
        driver.execute("PRAGMA busy_timeout = 1")
        tries.append(1)
        if len(tries) == 2:
            other.close()

    hooks.listen(engine, "checkout", let_go_on_the_second_try)
    thread = DatabaseThread(engine)

    assert thread.call(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM job").scalar()).result() == 3

    thread.close()
    engine.dispose()
    assert 2 == len(tries)
    assert table.engine is not engine


def test_a_damaged_file_is_a_schema_error(url: str, table: Table) -> None:
    """A page that does not make sense stops everything, with what to do."""
    path = Path(parse(url).database or "")
    table.thread.close()
    table.engine.dispose()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with pytest.raises(SchemaError, match="damaged"):
        open_engine(url)


def test_a_constraint_is_a_refusal(table: Table) -> None:
    """What the schema forbids is told apart from a database that is unwell."""
    future = table.thread.call(lambda connection: connection.exec_driver_sql("INSERT INTO batch_total VALUES (99, 'planned', 1)"))

    with pytest.raises(RefusedError):
        future.result()


def test_a_server_that_does_not_answer_is_away() -> None:
    """It may come back: whoever can wait tries again."""
    with pytest.raises(StoreAwayError, match="the database cannot be reached: connection failed"):
        open_engine("postgresql://nobody@127.0.0.1:9/nowhere").connect()
