"""Batches that stand in a job database of their own: here only their names are known, with the mark that says where they went.

A name is never planned again here. Its jobs would all look new, and every image of it would be bought once more.
"""

import shlex
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, RowMapping, select

from batchgen.core.errors import InputError
from batchgen.store import schema as s
from batchgen.store.engine import place_of, reading
from batchgen.store.faults import translated
from batchgen.store.instants import as_stored

_COLUMNS: Final = [s.batch.c.name.label("batch"), *(as_stored(column) for column in s.archive.c)]
_QUERY: Final = select(*_COLUMNS).join(s.batch, s.batch.c.id == s.archive.c.batch_id).order_by(s.archive.c.batch_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """The mark on an archived batch; ``is_gone`` says that none of its rows is here any more."""

    batch: str
    batch_id: int
    path: str
    db_uuid: str
    jobs: int
    orders: int
    spent: int
    held: int
    unit: str
    archived_at: str
    is_gone: bool

    @property
    def way_on(self) -> str:
        """Say where the batch is, and what to type to reach it."""
        return f"{self.batch} was archived to {self.path} on {self.archived_at[:10]}: batchgen --db {shlex.quote(self.path)} reaches it"


def listed(engine: Engine) -> dict[int, Archived]:
    """Give every archived batch by its number, oldest first."""
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        return {row["batch_id"]: _archived(row) for row in connection.execute(_QUERY).mappings()}


def found(connection: Connection, name: str) -> Archived | None:
    """Give the mark on the batch of that name; None for one that stands here, or nowhere."""
    row = connection.execute(_QUERY.where(s.batch.c.name == name)).mappings().first()
    return None if row is None else _archived(row)


def require_plannable(connection: Connection, name: str) -> None:
    """Raise InputError for the name of an archived batch: whatever it ordered would be new here, and bought again."""
    if (archive := found(connection, name)) is not None:
        raise InputError(
            f"{archive.way_on}; its images are known there alone and would all be bought again here: "
            "plan and run it there, or give the manifest another name"
        )


def _archived(row: RowMapping) -> Archived:
    facts = {name: row[name] for name in ("batch", "batch_id", "path", "db_uuid", "jobs", "orders", "unit", "archived_at")}
    return Archived(**facts, spent=row["spent_micros"], held=row["held_micros"], is_gone=row["removed_at"] is not None)
