"""Recorded transitions a second: the real ledger against bare sqlite3, in the same run, under the same durable settings.

    python bench/ledger.py [--jobs 4000] [--group 256]

A transition is a compare-and-set of the job, an event row, and for an order its attempt and the batch's money. The bare side writes the
compare-and-set and the event row only, 256 a commit. Target (DESIGN 7): at least 10,000 a second through the real ledger.
"""

import argparse
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import perf_counter

from common import filesystem_of, print_table

from batchgen.core import events as e
from batchgen.core.jobs import Change, Job, JobSpec, follow
from batchgen.core.money import Micros
from batchgen.settings import resource_dir
from batchgen.store import migrate, plans
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from batchgen.store.writer import DatabaseThread

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENT_TABLE = """CREATE TABLE event (
    id INTEGER PRIMARY KEY, job_id INTEGER, seq INTEGER, before TEXT, after TEXT, at TEXT, UNIQUE(job_id, seq))"""
ADVANCE = "UPDATE job SET version = version + 1 WHERE id = ? AND version = ?"
NOTE = "INSERT INTO event (job_id, seq, before, after, at) VALUES (?, ?, ?, ?, ?)"


def specs(count: int) -> Iterator[JobSpec]:
    """Give rows to plan."""
    for index in range(count):
        yield JobSpec(f"{index:032x}", "s", f"p{index}", "A red apple", "image", "gpt-image-2", "{}", "{}", "[]", "c", 1, 0, index)


def story(job: Job) -> Iterator[e.Event]:
    """Give the events of an order up to its result."""
    yield e.SubmitStarted(body_sha256="0" * 64, reserved=Micros(60_000))
    yield e.SubmitAccepted(task_id=f"img_{job.id}", cost=Micros(60_000))
    yield e.RenderFinished(urls=("https://cdn.example.net/a.png",), expires_at=NOW, cost=Micros(60_000))


def ours(folder: Path, jobs: int, group: int) -> float:
    """Record three transitions a job in groups and give the transitions a second."""
    url = f"sqlite:///{folder / 'ours.db'}"
    migrate.upgrade(url, resource_dir("migrations"))
    engine = open_engine(url)
    settings = {"output_dir": "/out", "source": b"", "source_path": "m", "files": "[]", "settings": "{}", "tool_version": "0"}
    plans.save(engine, plans.NewPlan(name="bench", total=jobs, **settings), specs(jobs), at=NOW)
    thread = DatabaseThread(engine)
    ledger = SqlLedger(thread, batch_id=1)
    waiting = iter(ledger.claim(limit=jobs, now=NOW, skip=frozenset(), full_models=frozenset()).result())
    started = perf_counter()
    while page := list(islice(waiting, group)):
        for events in zip(*(story(job) for job in page), strict=True):
            changes = [Change(job_id=job.id, version=job.version, event=event, at=NOW) for job, event in zip(page, events, strict=True)]
            futures = [ledger.record(change) for change in changes]
            page = [follow(job, event, done.result(), at=NOW) for job, event, done in zip(page, events, futures, strict=True)]
    took = perf_counter() - started
    thread.close()
    engine.dispose()
    return 3 * jobs / took


def bare(folder: Path, transitions: int, group: int) -> float:
    """Do the same number of compare-and-sets with their event rows in bare sqlite3 and give the transitions a second."""
    path = folder / "ours.db"
    settings = sqlite3.connect(path)
    journal = settings.execute("PRAGMA journal_mode").fetchone()[0]
    settings.close()
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {'wal' if journal == 'wal' else 'truncate'}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, state TEXT, version INTEGER)")
    connection.execute(
        "CREATE TABLE event (id INTEGER PRIMARY KEY, job_id INTEGER, seq INTEGER, before TEXT, after TEXT, at TEXT, UNIQUE(job_id, seq))"
    )
    connection.executemany("INSERT INTO job VALUES (?, 'planned', 0)", [(index,) for index in range(group)])
    started = perf_counter()
    for version in range(transitions // group):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "UPDATE job SET version = version + 1 WHERE id = ? AND version = ?", [(index, version) for index in range(group)]
        )
        rows = [(index, version + 1, "planned", "submitting", "2026-01-01T00:00:00.000000Z") for index in range(group)]
        connection.executemany(NOTE, rows)
        connection.execute("COMMIT")
    took = perf_counter() - started
    connection.close()
    return transitions // group * group / took


def main() -> None:
    """Measure both sides and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=4096)
    parser.add_argument("--group", type=int, default=256)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        real, raw = ours(folder, chosen.jobs, chosen.group), bare(folder, 3 * chosen.jobs, chosen.group)
        rows = [
            ["real ledger", f"{real:,.0f}", f"{real / raw:.2f}", ">= 10,000"],
            ["bare sqlite3", f"{raw:,.0f}", "1.00", ""],
        ]
        title = f"recorded transitions a second, groups of {chosen.group}, SQLite {sqlite3.sqlite_version} on {filesystem_of(folder)}"
        print_table(title, ["side", "transitions/s", "ratio", "target"], rows)


if __name__ == "__main__":
    main()
