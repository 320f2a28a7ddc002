"""Look at a PostgreSQL server from beside: what it committed, read and wrote, the CPU it took, and what its clients waited for."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

import psycopg

LOOKS_EVERY_S = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")
_DONE = """
    SELECT xact_commit, tup_returned + tup_fetched, tup_inserted + tup_updated + tup_deleted,
           pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint
    FROM pg_stat_database WHERE datname = %s
"""
_WAITS = """
    SELECT coalesce(wait_event_type || ' ' || wait_event, 'none'), state, count(*) FROM pg_stat_activity
    WHERE datname = %s AND backend_type = 'client backend' GROUP BY 1, 2
"""
_SIZES = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY pg_total_relation_size(oid) DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the server has done in one database; the CPU is that of the whole server."""

    commits: int
    read: int
    written: int
    wal_bytes: int
    cpu_s: float

    def since(self, before: Self) -> "Done":
        """Subtract an earlier look."""
        return Done(**{each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)})


@dataclass(slots=True, kw_only=True)
class Waits:
    """What the connections of a database were seen at, over many looks: how often each thing was seen, by its name."""

    looks: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def told(self, most: int = 5) -> str:
        """Give the most frequent, each as the number of connections that were at it on average."""
        return ", ".join(f"{name} {count / max(1, self.looks):.2f}" for name, count in self.seen.most_common(most))


def place_of(url: str) -> tuple[str, str]:
    """Split the URL of a database on a socket into that of the maintenance database and its own name."""
    head, _, tail = url.partition("?")
    start, _, name = head.rpartition("/")
    return f"{start}/postgres?{tail}", name


def setting() -> str:
    """Say what figures of time depend on: the cores, and how busy they were."""
    return f"{os.cpu_count()} cores, load {', '.join(f'{load:.1f}' for load in os.getloadavg())}"


def look(url: str) -> Done:
    """Look at what the server has done so far in the database."""
    beside, name = place_of(url)
    with psycopg.connect(beside, autocommit=True) as connection:
        row = connection.execute(_DONE, [name]).fetchone()
        assert row is not None  # noqa: S101 # the database is there
        commits, read, written, wal_bytes = map(int, row)
        return Done(commits=commits, read=read, written=written, wal_bytes=wal_bytes, cpu_s=_cpu_s(connection))


def sizes(url: str) -> dict[str, tuple[int, int]]:
    """Give the bytes of each table and of its indexes, the largest first."""
    with psycopg.connect(url, autocommit=True) as connection:
        return {name: (table, indexes) for name, table, indexes in connection.execute(_SIZES)}


@contextmanager
def watched(url: str) -> Iterator[Waits]:
    """Look again and again at what the connections of the database wait for, while the block lasts."""
    waits, over = Waits(), threading.Event()
    thread = threading.Thread(target=_watch, args=(url, waits, over))
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def _watch(url: str, waits: Waits, over: threading.Event) -> None:
    beside, name = place_of(url)
    with psycopg.connect(beside, autocommit=True) as connection:
        while not over.wait(LOOKS_EVERY_S):
            waits.looks += 1
            for event, state, count in connection.execute(_WAITS, [name]):
                waits.seen[_named(event, state)] += count


def _named(event: str, state: str | None) -> str:
    """Name what a connection is at: its wait, or whose turn it is."""
    if state == "active":
        return "at work" if event == "none" else event
    return "worker thinks in a transaction" if (state or "").startswith("idle in transaction") else "idle"


def _cpu_s(connection: psycopg.Connection) -> float:
    """Give the CPU seconds of the server's processes, those that have ended included."""
    row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None  # noqa: S101 # as above
    postmaster = int((Path(row[0]) / "postmaster.pid").read_text().splitlines()[0])
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (stat := _stat(folder)):
            if int(folder.name) == postmaster:
                ticks += sum(map(int, stat[11:15]))  # its own, and those of its children that ended
            elif int(stat[1]) == postmaster:
                ticks += sum(map(int, stat[11:13]))
    return ticks / _TICKS


def _stat(folder: Path) -> list[str]:
    """Give the fields of a process after its name; none when it has just ended."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
