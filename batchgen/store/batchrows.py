"""The rows of one batch wherever they stand: which tables they are in, and how to read them a page of jobs at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, Table, func, select

from batchgen.store import schema as s
from batchgen.store.engine import place_of, reading
from batchgen.store.faults import translated
from batchgen.store.instants import as_stored

PAGE: Final = 500
"""Jobs that are copied, compared or removed at once."""

OF_BATCH: Final = (s.batch_total, s.purse, s.plan, s.run, s.command)
"""Tables whose rows belong to a batch, which comes before them."""
OF_JOB: Final = (s.job, s.attempt, s.artifact, s.event)
"""Jobs and what belongs to them, each after what it refers to."""
NOT_MOVED: Final = (s.meta, s.upload, s.pace, s.edge, s.archive, s.share, s.gate)
"""Tables whose rows belong to a database, a vendor or a run at work, and to no batch."""

Told: TypeAlias = Callable[[str], None]
"""Is told, again and again, where the work is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some successive jobs of a batch, of which ``done`` came before; jobs of other batches may stand among them."""

    batch_id: int
    first: int
    last: int
    done: int

    def rows(self, table: Table) -> ColumnElement[bool]:
        """Say which rows of a table are these jobs, or belong to them."""
        mine = s.job.c.id.between(self.first, self.last) & (s.job.c.batch_id == self.batch_id)
        return mine if table is s.job else table.c.job_id.in_(select(s.job.c.id).where(mine))


def pages(engine: Engine, batch_id: int) -> Iterator[Page]:
    """Give the jobs of a batch in pages, in one pass over all jobs, however many are of others."""
    after, done = -1, 0
    j = s.job.c
    while ids := fetched(engine, select(j.id).where(j.id > after, j.batch_id == batch_id).order_by(j.id).limit(PAGE)):
        yield Page(batch_id=batch_id, first=ids[0].id, last=ids[-1].id, done=done)
        after, done = ids[-1].id, done + len(ids)


def of_batch(table: Table, batch_id: int) -> ColumnElement[bool]:
    """Say which rows of a table are the batch, or belong to it as a whole."""
    return (table.c.id if table is s.batch else table.c.batch_id) == batch_id


def rows(engine: Engine, table: Table, wanted: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Read whole rows as they are stored, in the order of their keys."""
    columns = (as_stored(column).label(column.name) for column in table.c)
    return fetched(engine, select(*columns).where(wanted).order_by(*table.primary_key))


def count(engine: Engine, table: Table) -> int:
    """Count all rows of a table."""
    return int(fetched(engine, select(func.count()).select_from(table))[0][0])


def fetched(engine: Engine, query: Select[Any]) -> Sequence[Row[Any]]:
    """Read in one short transaction that takes no write lock."""
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        return connection.execute(query).all()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a transaction that is durable when the block ends."""
    with translated(place_of(engine.url)), engine.begin() as connection:
        yield connection
