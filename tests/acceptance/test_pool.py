"""Workers that share a PostgreSQL job table: they divide its batch and its limits, are steered, and take over from each other."""

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Finished, Vendor, study, wait_until
from tests.support.databases import postgres_url

pytestmark = pytest.mark.postgres

SOON = timedelta(seconds=2)


class Pool:
    """A job database on the server, with workers in the command line's folder."""

    def __init__(self, cli: CommandLine, url: str, stack: ExitStack) -> None:
        self.db = ("--db", url)
        self._cli, self._stack = cli, stack
        self._engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        stack.callback(self._engine.dispose)

    def __call__(self, *words: object) -> Finished:
        """Run one command on the database."""
        return self._cli(*self.db, *words)

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a worker, or another command, that is killed if it still lives at the end of the test."""
        return self._stack.enter_context(self._cli.background(*self.db, *(words or ("work", "--drain", "--lease", 4))))

    def store(self, vendor: Vendor, rows: int, **limits: object) -> None:
        """Store a batch of so many rows."""
        self._cli.write(study(vendor.url, [f"picture {number}" for number in range(rows)], limits=limits))
        stored = self("plan", "study.yaml", "--save")
        assert 0 == stored.code, stored.err

    def ended(self, process: subprocess.Popen[str]) -> int:
        """Wait for the end of a process and give its exit code."""
        return self._cli.finish(process).code

    def rows(self, statement: str, **values: object) -> list[Any]:
        """Run a statement past the command line; give its rows, if it has any."""
        with self._engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def states(self) -> dict[str, int]:
        """Count the jobs in each state."""
        return dict(self.rows("SELECT state, count(*) FROM v_jobs GROUP BY state"))

    def run_of(self, process: subprocess.Popen[str]) -> int:
        """Wait until a worker has a run, and give its number."""
        found: list[int] = []
        wait_until(
            lambda: found.extend(run_id for run_id, pid in self.rows("SELECT id, pid FROM run") if pid == process.pid) or found,
            timeout_s=100.0,
        )
        return found[0]

    def saved_by(self) -> dict[int, int]:
        """Count the pictures that each run has saved."""
        return dict(self.rows("SELECT run_id, count(*) FROM event WHERE event = 'images_saved' GROUP BY run_id"))


@pytest.fixture
def pool(cli: CommandLine, postgres: str) -> Iterator[Pool]:
    """Give a fresh job database, in which workers can be started."""
    with ExitStack() as stack:
        yield Pool(cli, postgres_url(postgres), stack)


def _is_bought_once(vendor: Vendor, orders: int) -> bool:
    """Say whether so many different orders were billed, each once."""
    return {1: orders} == Counter(Counter(charge["body_sha256"] for charge in vendor.charges()).values())


def test_workers_share_a_batch_and_its_limits(pool: Pool, start_vendor: StartVendor) -> None:
    """Each saves some, `status` shows all, and together they have no more alive than the limit.

    A vendor that bears just so many refuses none.
    """
    vendor = start_vendor(latency_s=0.4, max_in_flight=4)
    pool.store(vendor, 24, in_flight=4)

    workers = [pool.start() for _ in range(2)]
    runs = [pool.run_of(worker) for worker in workers]
    shown = pool("status", "--json").document["batches"][0]["steering"]["runs"]
    codes = [pool.ended(worker) for worker in workers]

    assert [0, 0] == codes
    assert sorted(runs) == [run["id"] for run in shown]
    assert sorted(runs) == sorted(pool.saved_by())
    assert {"saved": 24} == pool.states()
    assert 0 == vendor.stats()["throttled"]
    assert _is_bought_once(vendor, 24)
    assert 0 == pool("verify").code


def test_a_budget_holds_over_all_workers(pool: Pool, start_vendor: StartVendor) -> None:
    """Three end with 5 once the sum is spent: not one order goes beyond it, and what it allows is bought."""
    vendor = start_vendor()
    pool.store(vendor, 40, in_flight=9, budget={"cost": 0.3})

    codes = [pool.ended(worker) for worker in [pool.start() for _ in range(3)]]

    assert [5, 5, 5] == codes
    assert {"saved": 10, "planned": 30} == pool.states()
    assert _is_bought_once(vendor, 10)


def test_workers_are_steered_one_by_one_and_all_together(pool: Pool, start_vendor: StartVendor) -> None:
    """Within two seconds each; a program of another schema leaves them in peace, and says why."""
    vendor = start_vendor(latency_s=0.3)
    pool.store(vendor, 400, in_flight=4)
    workers = [pool.start() for _ in range(2)]
    one, other = (pool.run_of(worker) for worker in workers)

    answers = [pool("pause", "--worker", one)]
    before = dict(pool.saved_by())
    wait_until(lambda: pool.saved_by().get(other, 0) > before.get(other, 0) + 3)
    shares = dict(pool.rows("SELECT run_id, count(*) FROM job WHERE run_id IS NOT NULL AND state = 'planned' GROUP BY run_id"))
    answers.append(pool("pause"))
    answers.append(pool("unpause", "--worker", one))
    wait_until(lambda: set(pool.states()) == {"planned", "saved"})
    posts = vendor.posts
    strangers = [_as_of_schema(pool, revision) for revision in ("0005", "9999")]
    answers.append(pool("limit", "--worker", other, "--in-flight", 1))
    posts_later = vendor.posts
    answers.append(pool("unpause"))
    wait_until(lambda: vendor.posts > posts_later)
    answers.append(pool("stop", "--worker", one))
    codes = [pool.ended(workers[0])]
    wait_until(lambda: vendor.posts > posts_later + 3)
    answers.append(pool("stop"))
    codes.append(pool.ended(workers[1]))

    assert [0] * 7 == [answer.code for answer in answers]
    assert 0 == shares.get(one, 0)
    assert posts == posts_later
    assert [7, 7] == [stranger.code for stranger in strangers]
    assert f"is in use (run {one} on " in strangers[0].err or f"is in use (run {other} on " in strangers[0].err
    assert "newer than" in strangers[1].err
    assert [5, 5] == codes
    assert all(delay <= SOON for delay in _delays(pool))


def _as_of_schema(pool: Pool, revision: str) -> Finished:
    """Let a worker come that knows another schema than the database has."""
    (head,) = pool.rows("SELECT version_num FROM alembic_version")[0]
    _name_schema(pool, revision)
    try:
        return pool("work", "--drain")
    finally:
        _name_schema(pool, head)


def _name_schema(pool: Pool, revision: str) -> None:
    pool.rows("UPDATE alembic_version SET version_num = :revision", revision=revision)


def _delays(pool: Pool) -> list[timedelta]:
    asked = [row for row in pool("events", "--jsonl").lines if row["event"].endswith("_asked")]
    return [datetime.fromisoformat(row["detail"]["taken_at"]) - datetime.fromisoformat(row["at"]) for row in asked]


def test_the_work_of_dead_and_silent_workers_goes_on(pool: Pool, start_vendor: StartVendor) -> None:
    """One is killed, one frozen for longer than its lease, both with tasks at the vendor: the third fetches all, and buys nothing twice.

    The frozen one finds out as it wakes, and ends with 8.
    """
    vendor = start_vendor(latency_s=3.0)
    pool.store(vendor, 9, in_flight=6)
    frozen, killed, last = (pool.start() for _ in range(3))
    for worker in (frozen, killed, last):
        pool.run_of(worker)
    wait_until(lambda: {"planned": 3, "submitted": 6} == pool.states() or "rendered" in pool.states() or "saved" in pool.states())

    frozen.send_signal(signal.SIGSTOP)
    killed.send_signal(signal.SIGKILL)
    code = pool.ended(last)
    frozen.send_signal(signal.SIGCONT)

    assert (0, 8) == (code, pool.ended(frozen))
    assert {"saved": 9} == pool.states()
    assert _is_bought_once(vendor, 9)
    assert Counter(died=2, finished=1) == Counter(reason for (reason,) in pool.rows("SELECT stop_reason FROM run"))
    assert 0 == pool("verify").code


def test_a_worker_that_waits_joins_a_run_and_waits_again(pool: Pool, start_vendor: StartVendor) -> None:
    """`run` on a server takes its place in the pool, and ends when all is there; the worker waits for more until SIGTERM: 143."""
    vendor = start_vendor(latency_s=1.0)
    pool.store(vendor, 32, in_flight=4)
    pool("pause")
    worker, run = pool.start("work", "--lease", 4), pool.start("run", "study.yaml", "-y")
    pool.run_of(run)

    pool("unpause")
    pool.run_of(worker)
    code = pool.ended(run)
    wait_until(lambda: not pool.rows("SELECT id FROM run WHERE ended_at IS NULL"))
    worker.send_signal(signal.SIGTERM)

    assert (0, 143) == (code, pool.ended(worker))
    assert 2 == len(pool.saved_by())
    assert _is_bought_once(vendor, 32)


def test_a_file_has_no_pool(cli: CommandLine) -> None:
    """SQLite is refused with 2, whether or not the file is there; the sentence says how one process works on it, and what many need."""
    refused = [cli("work")]
    cli.write(study("http://127.0.0.1:9", ["a fox"]))
    cli("plan", "study.yaml", "--save", "--offline")
    refused.append(cli("work", "--drain"))

    assert [2, 2] == [done.code for done in refused]
    assert all("resume" in done.err and "--db postgresql://USER@HOST/NAME" in done.err for done in refused)


@pytest.mark.slow
def test_the_demo_of_many_machines_loses_nothing(cli: CommandLine) -> None:
    """A worker and the server are killed in it; it ends with 0, and the vendor's bill says that none was bought twice."""
    shown = cli("demo", "--machines", 2, "--jobs", 12)

    assert 0 == shown.code, shown.out + shown.err
    assert "12 images saved: none bought twice, none lost." in shown.out
