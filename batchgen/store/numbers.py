"""Numbers of rows are given once, even where an archive took the newest rows away.

SQLite gives the number after the highest that is there. After an archive that could be one which is known already: to the journal of
orders, as an attempt's (a job's number is part of it), to reports and logs, and to whoever asks for the events after the last one seen.
A server's sequences never go back. So the mark on an archive holds the highest numbers of then, and the first row that comes after it is
given the next one by hand; all that follow go on by themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Column, Connection, Table, func, insert, select
from sqlalchemy.engine import Dialect

from batchgen.store import schema as s
from batchgen.store.bulk import Bulk, Cells

_FLOORS: Final[Mapping[str, Column[int]]] = {s.job.name: s.archive.c.last_job, s.event.name: s.archive.c.last_event}


def last(connection: Connection, table: Table) -> int:
    """Give the highest number that a job or an event ever had."""
    return max(_highest(connection, table.c.id), _highest(connection, _FLOORS[table.name]))


class Numbered:
    """Insert jobs or events in bulk, as ``Bulk`` does, under numbers that none had before."""

    def __init__(self, table: Table, dialect: Dialect, names: Sequence[str]) -> None:
        self._table: Final = table
        self._insert: Final = Bulk(insert(table), dialect, names)
        self._by_hand: Final = Bulk(insert(table), dialect, ("id", *names))
        self._floor: int | None = None if dialect.name == "sqlite" else 0

    def run(self, connection: Connection, rows: Sequence[Cells]) -> None:
        """Insert the rows, in order."""
        if not rows:
            return
        if self._floor is None:  # while this writer lives, no archive of an SQLite file begins that could move it
            self._floor = _highest(connection, _FLOORS[self._table.name])
        if self._floor and _highest(connection, self._table.c.id) < self._floor:
            self._by_hand.run(connection, [(self._floor + 1, *rows[0])])
            rows = rows[1:]
        self._insert.run(connection, rows)


def _highest(connection: Connection, column: Column[int]) -> int:
    return connection.scalar(select(func.max(column))) or 0
