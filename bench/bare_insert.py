"""Insert the rows of a job table once more with plain sqlite3, into a new file of the same schema: the floor of a plan.

    python bench/bare_insert.py SOURCE.db TARGET.db --indexes after

Reading the rows is not timed; executemany, the one commit at the end and the building of the indexes are, under the
durable pragmas that the source was written with (WAL or a truncated rollback journal, synchronous FULL) and a large
cache. Indexes are built `before` the rows or `after` them; those of UNIQUE and PRIMARY KEY clauses belong to the table
and always come before. Prints one JSON object: rows and seconds.
"""

import argparse
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

CHUNK_ROWS = 10_000
CACHE_KIB = 256 * 1024


class Watch:
    """Add up the time spent in the calls it is given."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def time(self, call: Callable[..., object], *arguments: object) -> None:
        """Make the call and count its time."""
        started = time.perf_counter()
        call(*arguments)
        self.seconds += time.perf_counter() - started


def statements(source: sqlite3.Connection, kind: str) -> list[str]:
    """Return the CREATE statements of the job table, or of its indexes."""
    query = "SELECT sql FROM sqlite_master WHERE tbl_name = 'job' AND type = ? AND sql IS NOT NULL"
    return [sql for (sql,) in source.execute(query, (kind,))]


def copy_rows(source: sqlite3.Connection, target: sqlite3.Connection, *, indexes_first: bool) -> tuple[int, float]:
    """Copy the job table and return the number of rows and the seconds that writing took."""
    watch, rows = Watch(), 0
    indexes = statements(source, "index")
    for sql in [*statements(source, "table"), *(indexes if indexes_first else [])]:
        target.execute(sql)
    cursor = source.execute("SELECT * FROM job ORDER BY rowid")
    insert = f"INSERT INTO job VALUES ({', '.join('?' * len(cursor.description))})"  # noqa: S608  # question marks only
    target.execute("BEGIN IMMEDIATE")
    while chunk := cursor.fetchmany(CHUNK_ROWS):
        watch.time(target.executemany, insert, chunk)
        rows += len(chunk)
    for sql in [] if indexes_first else indexes:
        watch.time(target.execute, sql)
    watch.time(target.execute, "COMMIT")
    return rows, watch.seconds


def open_like(source: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Open a new database with the journal and page size of the source, in explicit transactions."""
    target = sqlite3.connect(path, isolation_level=None)
    mode = source.execute("PRAGMA journal_mode").fetchone()[0]
    target.execute(f"PRAGMA page_size = {source.execute('PRAGMA page_size').fetchone()[0]}")
    target.execute(f"PRAGMA journal_mode = {'wal' if mode == 'wal' else 'truncate'}")
    target.execute("PRAGMA synchronous = full")
    target.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return target


def main() -> None:
    """Read the options, copy, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, help="a file that does not exist yet")
    parser.add_argument("--indexes", choices=["before", "after"], required=True)
    options = parser.parse_args()
    with closing(sqlite3.connect(options.source)) as source, closing(open_like(source, options.target)) as target:
        rows, seconds = copy_rows(source, target, indexes_first=options.indexes == "before")
    print(json.dumps({"rows": rows, "seconds": seconds}))


if __name__ == "__main__":
    main()
