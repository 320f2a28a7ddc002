"""Every planted fault is caught by its invariant, and a sound database shows none."""

import sqlite3
from collections.abc import Sequence

import pytest

from batchgen.core import events as e
from batchgen.store import invariants
from batchgen.store.engine import parse
from batchgen.store.invariants import INVARIANTS, SHOWN, examine
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
    "I18": (
        [
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = replace(sql, '''failed''', '''saved''') WHERE name = 'ix_job_failed'",
        ],
        {"I18"},
    ),
    "I19": (["UPDATE event SET event = 'submit_refused' WHERE job_id = 1 AND seq = 2"], {"I19"}),
    "I21": (["UPDATE event SET run_id = 99 WHERE job_id = 1"], {"I21"}),
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


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM batch_total WHERE state = 'saved'", {"I14"}),
        ("UPDATE attempt SET cap_micros = 9000000, est_micros = NULL WHERE job_id = 1", {"I12"}),
        ("UPDATE plan SET batch_id = 7", {"I21"}),
        ("UPDATE attempt SET job_id = 99 WHERE job_id = 3", {"I8", "I15", "I16", "I21"}),
    ],
)
def test_what_is_not_there_is_missed(busy_table: Table, url: str, statement: str, expected: set[str]) -> None:
    """A total, a reservation under a cost limit, a batch and a job that should be there are asked for, and not only compared."""
    plant(url, [statement])

    assert expected == set(busy_table.violations())


def test_every_case_is_looked_at_once(busy_table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases of all pages add up to the rows of the tables, whatever the size of a page."""
    whole = {finding.name: finding.cases for finding in examine(busy_table.engine)}
    monkeypatch.setattr(invariants, "PAGE", 2)

    paged = {finding.name: finding.cases for finding in examine(busy_table.engine)}

    ((jobs, orders, events),) = busy_table.sql(
        "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM attempt), (SELECT count(*) FROM event)"
    )
    assert whole == paged
    assert (orders, jobs, events, jobs) == tuple(whole[name] for name in ("I2", "I5", "I6", "I19"))


def test_many_violations_are_counted_and_the_first_are_told(open_table: OpenTable, url: str) -> None:
    """A database where all is wrong does not fill the memory."""
    table = open_table(SHOWN + 20)
    plant(url, ["UPDATE job SET version = 1"])

    (found,) = (finding for finding in examine(table.engine) if finding.name == "I5")

    assert (SHOWN + 20, SHOWN) == (found.violations, len(found.details))


def test_no_question_about_a_page_reads_a_whole_table(open_table: OpenTable) -> None:
    """Every query finds its rows by an index and makes none of its own, so its time grows as the rows do."""
    table = open_table()

    for invariant in (invariant for invariant in INVARIANTS if invariant.is_paged):
        plan = [str(row[3]) for row in table.sql("EXPLAIN QUERY PLAN " + invariant.sql.replace(":first", "1").replace(":last", "9"))]
        assert [] == [step for step in plan if "AUTOMATIC" in step or _reads_all(step)], invariant.name


def _reads_all(step: str) -> bool:
    """Say whether a step of a plan runs through a whole table; large tables go by these letters, subqueries by others."""
    words = step.split()
    return words[0] == "SCAN" and words[1] in {"j", "a", "f", "e", "i", "o", "x"}


def test_an_unknown_event_is_no_history(busy_table: Table, url: str) -> None:
    """A word that no event has cannot be replayed."""
    plant(url, ["UPDATE event SET event = 'image_wished' WHERE job_id = 2"])

    assert ["I19"] == busy_table.violations()
