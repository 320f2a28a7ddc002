"""Whether a run's process is at work."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from batchgen.app.processes import living, this_process
from batchgen.store import runs
from tests.support.databases import START, OpenTable, Table, opened, sqlite_url

NEVER = 2**22 + 1
"""No process of this machine has such a number."""


@pytest.fixture
def open_table(tmp_path: Path) -> Iterator[OpenTable]:
    """Open tables of a fresh database, each with the run of a process on another machine, begun at ``START``."""
    with opened(sqlite_url(tmp_path)) as open_one:
        yield open_one


def _start_here(table: Table, *, pid: int) -> None:
    here = this_process()
    process = runs.Process(host=here.host, pid=pid, boot_id=here.boot_id, tool_version="0.1.0")
    table.thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START)).result()


def test_a_process_elsewhere_lives_while_it_leaves_signs(open_table: OpenTable) -> None:
    """A minute after the last one it counts as dead, where no lease says otherwise."""
    table = open_table()
    process = runs.Process(host="night-1", pid=4711, boot_id="b00t", tool_version="0.1.0")
    table.thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START)).result()

    found = living(table.engine, table.batch_id, now=START + timedelta(seconds=59))

    assert found is not None
    assert (4711, "night-1") == (found["pid"], found["host"])
    assert living(table.engine, table.batch_id, now=START + timedelta(seconds=61)) is None


def test_a_run_that_ended_is_not_at_work(open_table: OpenTable) -> None:
    """However fresh its last sign of life."""
    table = open_table()
    table.thread.call(lambda c: runs.finish(c, table.run_id, runs.Ending(stop_reason="finished", exit_code=0), at=START)).result()

    assert living(table.engine, table.batch_id, now=START) is None


@pytest.mark.parametrize(("pid", "lives"), [(os.getpid(), True), (NEVER, False)], ids=["there", "gone"])
def test_the_system_tells_of_a_process_on_this_machine(open_table: OpenTable, pid: int, lives: bool) -> None:
    """One that is there counts though it was silent for hours, as after a sleep; one that is gone does not though it was there just now."""
    table = open_table()
    _start_here(table, pid=pid)

    assert lives == (living(table.engine, now=START + timedelta(hours=3 if lives else 0)) is not None)


def test_a_batch_that_nobody_works_on_has_none(open_table: OpenTable) -> None:
    """The run of another batch is not its run."""
    night, day = open_table(), open_table(name="day")
    night.thread.call(lambda c: runs.finish(c, night.run_id, runs.Ending(stop_reason="finished", exit_code=0), at=START)).result()

    assert living(night.engine, night.batch_id, now=START) is None
    assert living(night.engine, day.batch_id, now=START) is not None
    assert living(night.engine, now=START) is not None
