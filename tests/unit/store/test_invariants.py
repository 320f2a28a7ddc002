"""Every planted fault is caught by its invariant, and a sound database shows none."""

import sqlite3
from collections.abc import Sequence

import pytest

from batchgen.core import events as e
from batchgen.store.engine import parse
from batchgen.store.invariants import INVARIANTS
from tests.support.databases import OpenTable, Table

SUBMITTED = (e.SubmitStarted, e.SubmitAccepted)
SAVED = (*SUBMITTED, e.RenderFinished, e.ImagesStaged, e.ImagesSaved)

FAULTS: dict[str, tuple[Sequence[str], set[str]]] = {
    "I1": (["DELETE FROM event WHERE is_decision"], {"I1", "I5", "I6", "I19"}),
    "I2": (["UPDATE attempt SET task_id = NULL WHERE job_id = 1"], {"I2"}),
    "I3": (
        ["UPDATE attempt SET superseded = 0 WHERE job_id = 5 AND n = 1", "UPDATE job SET attempt_id = 500001, attempts = 1 WHERE id = 5"],
        {"I3"},
    ),
    "I4": (["UPDATE run SET ended_at = started_at"], {"I4"}),
    "I5": (["UPDATE job SET version = version + 1 WHERE id = 1"], {"I5"}),
    "I6": (["UPDATE event SET seq = 9 WHERE job_id = 1 AND seq = 5", "UPDATE job SET version = 9 WHERE id = 1"], {"I6"}),
    "I7": (
        [
            "UPDATE event SET before = 'saved', after = 'planned' WHERE job_id = 2 AND seq = 1",
            "UPDATE job SET state = 'planned' WHERE id = 2",
            "UPDATE batch_total SET jobs = jobs + (CASE state WHEN 'planned' THEN 1 ELSE -1 END) WHERE state IN ('planned', 'submitting')",
        ],
        {"I6", "I7", "I8", "I19"},
    ),
    "I8": (["UPDATE event SET attempt_id = NULL WHERE job_id = 1 AND seq = 1"], {"I8"}),
    "I9": (["UPDATE artifact SET bytes = 0 WHERE job_id = 1"], {"I9"}),
    "I10": (["UPDATE artifact SET attempt_id = 200001 WHERE job_id = 1"], {"I10"}),
    "I11": (["DROP INDEX ux_artifact_path", "UPDATE artifact SET path_key = 'same'"], {"I11"}),
    "I12": (["UPDATE attempt SET cap_micros = committed_micros - 1 WHERE job_id = 1"], {"I12"}),
    "I13": (["UPDATE job SET reason = '' WHERE id = 3"], {"I13"}),
    "I14": (["UPDATE batch_total SET jobs = jobs + 1 WHERE state = 'saved'"], {"I14"}),
    "I15": (["UPDATE batch SET spent_micros = spent_micros + 1"], {"I15"}),
    "I16": (["UPDATE attempt SET superseded = 1 WHERE job_id = 1"], {"I16"}),
    "I17": (["UPDATE artifact SET state = 'lost' WHERE job_id = 1"], {"I9", "I17"}),
    "I18": (["PRAGMA foreign_keys = OFF", "UPDATE event SET run_id = 99 WHERE job_id = 1"], {"I18"}),
    "I19": (["UPDATE event SET event = 'submit_refused' WHERE job_id = 1 AND seq = 2"], {"I19"}),
}
"""For each invariant statements that break it, and all that is then found broken."""


@pytest.fixture
def busy_table(open_table: OpenTable) -> Table:
    """Open a table with a job for every fault."""
    table = open_table(6)
    table.walk(1, *SAVED)
    table.walk(2, e.SubmitStarted)
    table.walk(3, *SUBMITTED, e.RenderFailed)
    table.walk(4, *SAVED)
    table.walk(5, *SUBMITTED, e.RenderFailed, e.RetryAllowed)
    table.walk(6, *SUBMITTED, e.RenderFailed, e.RetryAllowed, *SUBMITTED)
    return table


def plant(url: str, statements: Sequence[str]) -> None:
    """Break the database past its triggers."""
    driver = sqlite3.connect(parse(url).database or "", isolation_level=None)
    for trigger in ("event_is_never_changed", "event_is_never_deleted"):
        driver.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        driver.execute(statement)
    driver.close()


def test_a_sound_database_shows_nothing(busy_table: Table) -> None:
    """Nothing is found where nothing is wrong."""
    assert [] == busy_table.violations()


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(busy_table: Table, url: str, name: str) -> None:
    """Each fault is found by its invariant, and by no more than follow from it."""
    statements, expected = FAULTS[name]

    plant(url, statements)

    assert expected == set(busy_table.violations())


def test_every_invariant_has_its_fault() -> None:
    """No invariant is left untried."""
    assert {invariant.name for invariant in INVARIANTS} | {"I18", "I19"} == set(FAULTS)


def test_an_unknown_event_is_no_history(busy_table: Table, url: str) -> None:
    """A word that no event has cannot be replayed."""
    plant(url, ["UPDATE event SET event = 'image_wished' WHERE job_id = 2"])

    assert ["I19"] == busy_table.violations()
