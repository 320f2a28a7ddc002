"""What a worker works on, and when it ends. Batches are those of an SQLite file; that it takes servers only is tested elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchgen.app import working
from batchgen.app.reports import Report
from batchgen.app.working import Worker
from batchgen.core.errors import InputError, StoreAwayError
from batchgen.settings import Settings
from tests.support.databases import OpenTable, opened, sqlite_url


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Give a fresh job database."""
    return sqlite_url(tmp_path)


@pytest.fixture
def open_table(url: str) -> Iterator[OpenTable]:
    """Open tables of that database."""
    with opened(url) as open_one:
        yield open_one


def _worker(url: str, tmp_path: Path, **wishes: object) -> Worker:
    return Worker(settings=Settings.from_environment({}, db=url, log_file=tmp_path / "log"), wishes=working.Wishes(), **wishes)


def _report(*, reason: str = "finished", code: int = 0) -> Report:
    return Report(
        batch="night", exit_code=code, reason=reason, message="", totals={}, needs_decision=0, saved=0,
        unrecorded=(), missing=0, money="", command="batchgen",
    )  # fmt: skip


def test_the_oldest_batch_comes_first(open_table: OpenTable, url: str, tmp_path: Path) -> None:
    """Or the one that is named, and no other."""
    open_table(name="night")
    open_table(name="day")

    named = [_worker(url, tmp_path, batch=batch)._next_batch() for batch in (None, "day", "dusk")]

    assert ["night", "day", None] == named


@pytest.mark.parametrize(
    ("report", "drains", "rests_s"),
    [
        (_report(), False, 2.0),
        (_report(reason="budget", code=5), False, 60.0),
        (_report(reason="finished", code=3), True, float("inf")),
    ],
    ids=["finished", "limit", "drained"],
)
def test_a_batch_rests_after_its_run(open_table: OpenTable, url: str, tmp_path: Path, report: Report, drains: bool, rests_s: float) -> None:
    """Briefly where it was finished, a minute where something is left to do, for good where the pool is only to be drained."""
    open_table(name="night")
    open_table(name="day")
    worker = _worker(url, tmp_path, drains=drains)

    worker._rest("night", report)

    assert "day" == worker._next_batch()
    left_s = worker._rests_until["night"] - working.time.monotonic()
    assert rests_s - 1.0 < left_s <= rests_s or rests_s == left_s


@pytest.mark.parametrize("drains", [True, False])
def test_what_others_have_in_hand_is_waited_for_only_to_drain(open_table: OpenTable, url: str, tmp_path: Path, drains: bool) -> None:
    """A worker that is to end when nothing is left joins what others work on; one that waits for work does not."""
    table = open_table(name="night")
    table.claim()

    assert ("night" if drains else None) == _worker(url, tmp_path, drains=drains)._next_batch()


def test_a_file_is_refused(url: str, tmp_path: Path) -> None:
    """With the two ways on."""
    with pytest.raises(InputError, match=r"is a file, which one process works on at a time: batchgen resume .*--db postgresql://USER@HOST"):
        _worker(url, tmp_path).work()


def test_a_database_that_is_away_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    """For a minute; a worker that is to drain it does not wait."""
    nowhere = f"postgresql://nobody@/jobs?host={tmp_path}"
    waiting, draining = _worker(nowhere, tmp_path), _worker(nowhere, tmp_path, drains=True)

    assert waiting._next_batch() is None
    with pytest.raises(StoreAwayError):
        draining._next_batch()
    assert waiting._away_since is not None
    waiting._away_since -= working.PATIENCE_S + 1.0
    with pytest.raises(StoreAwayError):
        waiting._next_batch()
