"""How long the questions take that a pool and `status` ask again and again, in a PostgreSQL of many rows.

    python bench/plans10m.py                      # 10,000,000 jobs, a tenth of them planned; 6 GB while it runs
    python bench/plans10m.py --jobs 100000        # for comparison: the figures are to be about the same

Of the jobs that have ended only some (`--told`) have their attempts, events and files, which the questions reach by indexes or not at
all. Each figure is the median of some tries in milliseconds, and beside it is how the server finds what is asked. A claim is one that
takes 100 rows in hand; what changes is rolled back. "only once" are questions that grow with the rows and are asked once a run, or by
`verify`, `export` and the like.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping
from time import perf_counter

from common import ROOT, print_table
from server import setting, sizes

sys.path.insert(0, str(ROOT))
from sqlalchemy import Connection, Engine

from batchgen.store import doubts, prospects, queries, runs
from batchgen.store.engine import open_engine
from tests.support.crowds import crowd
from tests.support.databases import START, postgres_server, postgres_url
from tests.support.questions import LARGE, QUESTIONS, Ask, steps

TRIES = 7
ONCE: Mapping[str, Ask] = {
    "start of a run: what is planned": lambda c: prospects.outlook(c.engine, "night"),
    "start of a run: durations learned": lambda c: queries.learned_latency(c.engine),
    "reconcile: evidence": lambda c: doubts.evidence(c, batch_id=1),
    "reconcile: repeated": lambda c: doubts.repeated(c, batch_id=1),
    "saved files": lambda c: queries.saved_files(c.engine, "night"),
    "first and last instant": lambda c: queries.span(c.engine, 1),
}


def median_ms(engine: Engine, ask: Callable[[Connection], object], tries: int) -> float:
    """Ask several times and give the median time, after one that is not counted."""
    took = []
    for _ in range(tries + 1):
        with engine.connect() as connection:
            connection.begin()
            started = perf_counter()
            ask(connection)
            took.append(perf_counter() - started)
            connection.rollback()
    return 1_000 * statistics.median(took[1:])


def report(engine: Engine, url: str, jobs: int, seconds: float) -> None:
    """Ask everything and print it."""
    rows = []
    for questions, tries in ((QUESTIONS, TRIES), (ONCE, 1)):
        for name, ask in questions.items():
            found = [step for step in steps(engine, ask) if step.table in {"", *LARGE}]
            way = ", ".join(f"all of {step.table}" if step.kind == "Seq Scan" else step.index for step in found)
            rows.append([f"{name} (only once)" if tries == 1 else name, f"{median_ms(engine, ask, tries):.1f}", way])
    title = f"{jobs:,} jobs in one batch, made in {seconds:.0f} s; {setting()}"
    print_table(title, ("question", "ms", "rows that grow are found by"), rows)
    told = [
        [name, f"{table / 1e6:,.1f}", f"{indexes / 1e6:,.1f}"] for name, (table, indexes) in sizes(url).items() if table + indexes > 1e5
    ]
    print_table("On disk", ("table", "MB", "indexes MB"), told)


def main() -> None:
    """Read the options, make the rows, and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000_000)
    parser.add_argument("--told", type=int, default=300_000, help="ended jobs that have their attempts, events and files")
    chosen = parser.parse_args()
    planned = chosen.jobs // 10
    with postgres_server() as server:
        url = postgres_url(server)
        engine = open_engine(url)
        started = perf_counter()
        untold = max(0, chosen.jobs - planned - chosen.told)
        crowd(engine, jobs=chosen.jobs, planned=planned, untold=untold, told=lambda done: print(f"  {done:,}", file=sys.stderr, flush=True))
        process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
        with engine.begin() as connection:
            runs.start(connection, batch_id=1, process=process, at=START, lease_s=86_400.0)
        report(engine, url, chosen.jobs, perf_counter() - started)
        engine.dispose()


if __name__ == "__main__":
    main()
