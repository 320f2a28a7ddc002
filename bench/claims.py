"""How many transitions a second several processes record in one batch on one PostgreSQL, without any vendor.

    python bench/claims.py [--seconds 8] [--pages 10,100] [--workers 1,2,4,8]

Each process has a database thread, a run and a ledger of its own, as a worker has. It claims a page of rows and records the whole story of
each, all rows of the page at once: submit_started, submit_accepted, render_finished, images_staged, images_saved. "capped" has a limit of
cost. The floor is a process with bare psycopg that does one transaction for a page and an event: a compare-and-set a job and an event row,
in a pipeline; "raw, one row" then also updates one row that all processes share, as the batch's money is. In each case all processes work
at once for the same seconds. "ratio" is to as many raw processes. "groups" is the number of transitions for each commit of the server,
claims among them.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from time import perf_counter

from common import ENVIRONMENT, ROOT, print_table
from server import look, setting, watched

sys.path.insert(0, str(ROOT))
import psycopg

from batchgen.core import events as e
from batchgen.core.jobs import Change, Job, follow
from batchgen.core.money import Micros
from batchgen.store import runs
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from batchgen.store.writer import DatabaseThread
from tests.support.crowds import crowd
from tests.support.databases import postgres_server, postgres_url

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PRICE = Micros(60_000)
SHA256 = "0" * 64
EVENTS_A_JOB = 5
ROWS_A_SECOND = 4_000
KINDS = ("ledger", "ledger, capped", "raw", "raw, one row")
RAW_TABLES = """
    CREATE TABLE raw_job (id bigint PRIMARY KEY, worker int, state text, version int);
    CREATE TABLE raw_event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job_id bigint, seq int, before text, after text,
                            event text, at text, UNIQUE (job_id, seq));
    CREATE TABLE raw_batch (id int PRIMARY KEY, spent bigint);
    INSERT INTO raw_batch VALUES (1, 0);
    INSERT INTO raw_job SELECT n, n % 8, 'planned', 0 FROM generate_series(1, 80000) AS n;
    ANALYZE raw_job
"""
Step = Callable[[], int]
"""Does some work and gives the transitions recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a process is to do. ``number`` is its own among ``workers``."""

    kind: str
    url: str
    number: int
    page: int
    seconds: float


def story(job: Job, cap: Micros | None) -> Iterator[e.Event]:
    """Give the events of an order up to its picture."""
    path = f"main/{job.id}.png"
    image = e.Image(path=path, temp=f"{path}.part", sha256=SHA256, bytes=65_536, width=147, height=147, media_type="image/png")
    yield e.SubmitStarted(body_sha256=SHA256, reserved=PRICE, cap_cost=cap)
    yield e.SubmitAccepted(task_id=f"img_{job.id}", cost=PRICE)
    yield e.RenderFinished(urls=(f"https://cdn.example.net/{job.id}.png",), expires_at=NOW + timedelta(days=1), cost=PRICE)
    yield e.ImagesStaged(images=(image,))
    yield e.ImagesSaved(images=(image,))


def through_the_ledger(task: Task) -> Iterator[Step]:
    """Give a step that claims a page and records all that happens to it, as one worker among others."""
    engine = open_engine(task.url)
    thread = DatabaseThread(engine)
    process = runs.Process(host="bench", pid=os.getpid(), boot_id="b00t", tool_version="0")
    run_id = thread.call(lambda c: runs.start(c, batch_id=1, process=process, at=NOW, lease_s=3600.0)).result()
    ledger = SqlLedger(thread, batch_id=1, run_id=run_id)
    cap = Micros(10**12) if "capped" in task.kind else None

    def step() -> int:
        page = ledger.claim(limit=task.page, now=NOW, skip=frozenset(), full_models=frozenset()).result()
        if not page:
            raise SystemExit("too few rows for these seconds")
        recorded = 0
        for events in zip(*(story(job, cap) for job in page), strict=True):
            changes = [Change(job_id=job.id, version=job.version, event=event, at=NOW) for job, event in zip(page, events, strict=True)]
            futures = [ledger.record(change) for change in changes]
            page = [follow(job, event, done.result(), at=NOW) for job, event, done in zip(page, events, futures, strict=True)]
            recorded += len(page)
        return recorded

    yield step
    thread.close()
    engine.dispose()


def raw(task: Task) -> Iterator[Step]:
    """Give a step that advances a page of rows of its own and notes the event, in one transaction."""
    shares_row = "one row" in task.kind
    versions = count()
    with psycopg.connect(task.url) as connection:
        mine = [row[0] for row in connection.execute("SELECT id FROM raw_job WHERE worker = %s ORDER BY id", [task.number])][: task.page]
        first = connection.execute("SELECT version FROM raw_job WHERE id = %s", [mine[0]]).fetchone()
        assert first is not None  # noqa: S101 # the row is there
        connection.commit()
        versions = count(int(first[0]))

        def step() -> int:
            version = next(versions)
            with connection.pipeline(), connection.cursor() as cursor:
                cursor.executemany("UPDATE raw_job SET version = version + 1 WHERE id = %s AND version = %s", [(i, version) for i in mine])
                rows = [(i, version + 1, "planned", "submitting", "submit_started", "2026-11-22T01:02:03.000000Z") for i in mine]
                note = "INSERT INTO raw_event (job_id, seq, before, after, event, at) VALUES (%s, %s, %s, %s, %s, %s)"
                cursor.executemany(note, rows)
                if shares_row:
                    cursor.execute("UPDATE raw_batch SET spent = spent + %s WHERE id = 1", [len(mine)])
                connection.commit()
            return len(mine)

        yield step


def work(task: Task) -> None:
    """Say that all is ready, wait for the word, work for the seconds, and print what was recorded."""
    for step in raw(task) if task.kind.startswith("raw") else through_the_ledger(task):
        step()
        print("ready", flush=True)
        sys.stdin.readline()
        recorded, started, cpu = 0, perf_counter(), os.times()
        while perf_counter() - started < task.seconds:
            recorded += step()
        took, after = perf_counter() - started, os.times()
        used = after.user + after.system - cpu.user - cpu.system
        print(json.dumps({"rate": recorded / took, "recorded": recorded, "cpu_s": used}), flush=True)


def measure_case(kind: str, url: str, *, workers: int, page: int, seconds: float) -> list[str]:
    """Let processes of a kind work at once, and give the row of the table."""
    options = ["--seconds", str(seconds), "--as", kind, "--url", url, "--pages", str(page)]
    crew = [
        subprocess.Popen(
            [sys.executable, __file__, *options, "--number", str(number)],
            env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(workers)
    ]  # fmt: skip
    for each in crew:
        assert each.stdout is not None  # noqa: S101 # it is a pipe
        if each.stdout.readline() != "ready\n":
            raise SystemExit(f"{kind} did not start")
    before = look(url)
    with watched(url) as waits:
        for each in crew:
            assert each.stdin is not None  # noqa: S101 # as above
            each.stdin.write("go\n")
            each.stdin.flush()
        told = [json.loads(each.communicate()[0]) for each in crew]
    done, recorded = look(url).since(before), sum(each["recorded"] for each in told)
    own = sum(each["cpu_s"] for each in told)
    return [
        kind, str(workers), str(page), f"{sum(each['rate'] for each in told):,.0f}", f"{done.commits / seconds:,.0f}",
        f"{recorded / max(1, done.commits):.1f}", f"{1e6 * own / recorded:.0f}", f"{1e6 * done.cpu_s / recorded:.0f}", waits.told(),
    ]  # fmt: skip


def ready(server: str, kind: str, rows: int) -> str:
    """Make a database with a batch of planned rows, or with the tables of the raw loops, and give its URL."""
    url = postgres_url(server)
    if kind.startswith("raw"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(RAW_TABLES)
    else:
        engine = open_engine(url)
        crowd(engine, jobs=rows, planned=rows)
        engine.dispose()
    return url


HEAD = ("process", "workers", "page", "transitions/s", "ratio", "commits/s", "groups", "µs own CPU", "µs server CPU")


def report(kinds: Sequence[str], workers: Sequence[int], pages: Sequence[int], seconds: float) -> None:
    """Measure every case on one server, and print a table for each size of page."""
    with postgres_server() as server:
        for page in pages:
            rows = []
            for kind in kinds:
                for crew in workers:
                    url = ready(server, kind, int(ROWS_A_SECOND * seconds))
                    rows.append(measure_case(kind, url, workers=crew, page=page, seconds=seconds))
                    print(f"  {' '.join(rows[-1])}", file=sys.stderr, flush=True)
            floors = {row[1]: float(row[3].replace(",", "")) for row in rows if row[0] == "raw"}
            for row in rows:
                row.insert(4, f"{float(row[3].replace(',', '')) / floors[row[1]]:.2f}" if floors else "")
            print_table(f"One batch on one PostgreSQL, pages of {page}, {setting()}", HEAD, [row[:-1] for row in rows])
            for row in rows:
                print(f"{row[0]}, {row[1]} workers, connections on average: {row[-1]}", flush=True)


def main() -> None:
    """Read the options; measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--pages", default="10,100")
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--only", choices=KINDS, help="one kind of process alone")
    parser.add_argument("--as", dest="kind", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    pages = [int(page) for page in chosen.pages.split(",")]
    if chosen.kind:
        work(Task(kind=chosen.kind, url=chosen.url, number=chosen.number, page=pages[0], seconds=chosen.seconds))
    else:
        kinds = [chosen.only] if chosen.only else KINDS
        report(kinds, [int(workers) for workers in chosen.workers.split(",")], pages, chosen.seconds)


if __name__ == "__main__":
    main()
