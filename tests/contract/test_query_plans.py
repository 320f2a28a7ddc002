"""How PostgreSQL goes about what is asked again and again, in a batch of which most has ended."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from batchgen.store import runs
from batchgen.store.engine import open_engine
from tests.support.crowds import LIVE, crowd
from tests.support.databases import START, postgres_url
from tests.support.questions import LARGE, QUESTIONS, RUN, steps

JOBS = 60_000
PLANNED = 20_000

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def full(postgres: str) -> Iterator[Engine]:
    """Fill a database, and let a second run join."""
    engine = open_engine(postgres_url(postgres))
    crowd(engine, jobs=JOBS, planned=PLANNED)
    process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
    with engine.begin() as connection:
        assert RUN == runs.start(connection, batch_id=1, process=process, at=START, lease_s=86_400.0)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_large_table_is_read_from_end_to_end(full: Engine, question: str) -> None:
    """Each is found by an index, which holds what is alive and not what has ended."""
    found = steps(full, QUESTIONS[question])

    assert [] == [str(step) for step in found if step.kind == "Seq Scan" and step.table in LARGE]


def test_claim_reads_its_index_in_running_order(full: Engine) -> None:
    """Sorting, or a bitmap of all planned rows, would cost as much as there are rows left."""
    found = [str(step) for step in steps(full, QUESTIONS["claim 100"])]

    assert "Index Scan ix_job_planned" in found
    assert not [step for step in found if step.startswith("Bitmap") and step.endswith("ix_job_planned")]


def test_questions_find_what_is_there(full: Engine) -> None:
    """The crowd has jobs for each of them, so that no plan is cheap because there is nothing to find."""
    with full.connect() as connection:
        answers = {name: QUESTIONS[name](connection) for name in ("claim 100", "orphans", "jobs in doubt", "unfinished batches")}
        connection.rollback()

    found = {name: answer if name == "unfinished batches" else len(answer) for name, answer in answers.items()}
    assert {"claim 100": 100, "orphans": 3 * LIVE // 2, "jobs in doubt": LIVE, "unfinished batches": ["night"]} == found
