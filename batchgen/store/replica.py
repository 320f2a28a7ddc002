"""Copy a batch into a job database that has no rows yet, each row under the number that it has, and compare the two row by row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Engine, Table, insert

from batchgen.core.errors import StoreError
from batchgen.store import invariants
from batchgen.store import schema as s
from batchgen.store.batchrows import OF_BATCH, OF_JOB, Page, Told, count, of_batch, pages, rows, writing
from batchgen.store.bulk import Bulk, Cells


def copy(source: Engine, replica: Engine, batch_id: int, told: Told) -> None:
    """Write a batch with all that belongs to it into a database that has the tables and no rows; raise StoreError."""
    copier = _Copier(source, replica, batch_id)
    copier.rows_of_batch()
    for page in pages(source, batch_id):
        told(f"copying: {page.done} jobs so far")
        copier.rows_of_jobs(page)


def require_same(source: Engine, replica: Engine, batch_id: int, told: Told) -> None:
    """Raise StoreError unless the replica has every row of the batch as it is, no other rows, and keeps every invariant."""
    counts: Counter[str] = Counter()
    for table in (s.batch, *OF_BATCH):
        _compare(source, replica, table, of_batch(table, batch_id))
    for page in pages(source, batch_id):
        told(f"comparing: {page.done} jobs so far")
        for table in OF_JOB:
            counts[table.name] += _compare(source, replica, table, page.rows(table))
    for table, wanted in ((s.batch, 1), *((table, counts[table.name]) for table in OF_JOB)):
        if (found := count(replica, table)) != wanted:
            raise StoreError(f"the copy has {found} rows of the table {table.name}, the batch {wanted}")
    _require_sound(replica, told)


def _compare(source: Engine, replica: Engine, table: Table, wanted: ColumnElement[bool]) -> int:
    """Compare some rows of a table in both places, and give their number."""
    here, there = (rows(engine, table, wanted) for engine in (source, replica))
    if here != there:
        unequal = (tuple(row)[:2] for row, other in zip(here, there, strict=False) if row != other)
        place = next((f"row {row}" for row in unequal), f"{len(there)} rows for {len(here)}")
        raise StoreError(f"the copy differs from the batch in the table {table.name}: {place}")
    return len(here)


def _require_sound(replica: Engine, told: Told) -> None:
    findings = invariants.examine(replica, lambda finding, done: told(f"{finding.name} {finding.title}: {done} jobs so far"))
    if broken := [f"{found.name} ({found.title}): {found.details[0]}" for found in findings if found.violations]:
        raise StoreError(f"the batch breaks what must always hold, and stays where it is: {'; '.join(broken)}")


class _Copier:
    """Writes the rows of a batch into another database."""

    def __init__(self, source: Engine, target: Engine, batch_id: int) -> None:
        self._source: Final = source
        self._target: Final = target
        self._batch_id: Final = batch_id
        tables = (s.batch, *OF_BATCH, *OF_JOB)
        self._inserts: Final = {table.name: Bulk(insert(table), target.dialect, table.c.keys()) for table in tables}
        self._runs: Final[set[int]] = set()

    def rows_of_batch(self) -> None:
        """Copy the batch with what belongs to it and to no job."""
        found = {table.name: rows(self._source, table, of_batch(table, self._batch_id)) for table in (s.batch, *OF_BATCH)}
        self._write(found)
        self._runs.update(row.id for row in found[s.run.name])

    def rows_of_jobs(self, page: Page) -> None:
        """Copy a page of jobs with all that belongs to them."""
        found = {table.name: rows(self._source, table, page.rows(table)) for table in OF_JOB}
        others = {row.run_id for name in (s.attempt.name, s.event.name) for row in found[name]} - self._runs - {None}
        self._write({s.run.name: self._strangers(others), **found})
        self._runs.update(others)

    def _strangers(self, numbers: set[int]) -> list[Cells]:
        """Give the runs of other batches that had a hand in this one; in its copy they are of no batch."""
        if not numbers:
            return []
        place = s.run.c.keys().index("batch_id")
        return [(*row[:place], None, *row[place + 1 :]) for row in rows(self._source, s.run, s.run.c.id.in_(sorted(numbers)))]

    def _write(self, found: Mapping[str, Sequence[Cells]]) -> None:
        with writing(self._target) as connection:
            for name, some in found.items():
                self._inserts[name].run(connection, [tuple(row) for row in some])
