"""Read and write the rows that a group of changes concerns: every statement of a commit, compiled once."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, insert, literal_column, select, tuple_, update
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError

from batchgen.core.jobs import Change
from batchgen.core.states import Outcome, State
from batchgen.store import schema as s
from batchgen.store.bulk import Bulk, Cells
from batchgen.store.effects import AttemptRow, JobRow, Purse, PurseName
from batchgen.store.faults import BusyError
from batchgen.store.instants import as_stored
from batchgen.store.numbers import Numbered

_JOB: Final = (
    "id",
    "batch_id",
    "model",
    "state",
    "version",
    "reason",
    "next_at",
    "attempts",
    "unproven",
    "not_sent",
    "regenerated",
    "retired_at",
)
_JOB_SET: Final = (
    "state",
    "version",
    "reason",
    "next_at",
    "attempts",
    "unproven",
    "not_sent",
    "regenerated",
    "attempt_id",
    "run_id",
    "retired_at",
    "updated_at",
)
_ATTEMPT: Final[tuple[str, ...]] = AttemptRow.__slots__
_ATTEMPT_SET: Final = (
    "outcome",
    "task_id",
    "cost_micros",
    "settled_at",
    "rendered_at",
    "expires_at",
    "result_urls",
    "reason",
    "detail",
    "superseded",
)
_EVENT: Final = ("job_id", "seq", "before", "after", "event", "actor", "reason", "detail", "at", "run_id", "attempt_id", "is_decision")
_FILE: Final = (
    "batch_id",
    "job_id",
    "attempt_id",
    "idx",
    "state",
    "path",
    "path_key",
    "temp",
    "sha256",
    "bytes",
    "width",
    "height",
    "media_type",
    "created_at",
)

_IDS: Final[Any] = bindparam("ids", expanding=True)
_JOBS: Final = (
    select(*(as_stored(s.job.c[name]) for name in _JOB), *(as_stored(s.attempt.c[name]).label(f"a_{name}") for name in _ATTEMPT))
    .select_from(s.job.outerjoin(s.attempt, s.attempt.c.id == s.job.c.attempt_id))
    .where(s.job.c.id.in_(_IDS))
    .order_by(s.job.c.id)
    .with_for_update(of=s.job)
)
_PURSES: Final = (
    select(s.batch.c.id, s.batch.c.spent_micros, s.batch.c.reserved_micros, s.batch.c.held_micros, s.batch.c.orders)
    .where(s.batch.c.id.in_(_IDS))
    .order_by(s.batch.c.id)
)
_LOCKED: Final = _PURSES.with_for_update(key_share=True)
"""Stands in the way of other changes of the money, and not of new rows that refer to the batch."""
_SHARES: Final = select(s.purse).where(s.purse.c.batch_id.in_(_IDS))
_TOTALS: Final = select(s.batch_total).where(s.batch_total.c.batch_id.in_(_IDS))
_STORED: Final = select(
    *(as_stored(s.event.c[name]) for name in ("job_id", "seq", "after", "event", "actor", "at", "run_id", "attempt_id"))
)
_TASKS: Final = select(s.attempt.c.task_id).where(s.attempt.c.task_id.in_(_IDS))


class Statements:
    """The statements that write a group, for one engine. Rows are values in the order that each method names."""

    def __init__(self, dialect: Dialect) -> None:
        this_job = (s.job.c.id == bindparam("_id")) & (s.job.c.version == bindparam("_version"))
        staged = (s.artifact.c.job_id == bindparam("_id")) & (s.artifact.c.state == literal_column("'staged'"))
        total = s.batch_total.c
        this_total = (total.batch_id == bindparam("_batch")) & (total.state == bindparam("_state"))
        money = ("spent_micros", "reserved_micros", "held_micros", "orders")
        more_money = {name: s.batch.c[name] + bindparam(f"_{name}") for name in money}
        more_jobs = {"jobs": total.jobs + bindparam("_jobs")}
        self._new_attempts: Final = Bulk(insert(s.attempt), dialect, _ATTEMPT)
        self._attempts: Final = Bulk(update(s.attempt).where(s.attempt.c.id == bindparam("_id")), dialect, (*_ATTEMPT_SET, "_id"))
        correct = {"committed_micros": s.attempt.c.committed_micros + bindparam("_more")}
        this_attempt = s.attempt.c.id == bindparam("_id")
        self._corrections: Final = Bulk(update(s.attempt).where(this_attempt).values(correct), dialect, ("_more", "_id"))
        self._jobs: Final = Bulk(update(s.job).where(this_job), dialect, (*_JOB_SET, "_id", "_version"))
        self._events: Final = Numbered(s.event, dialect, _EVENT)
        self._unstage: Final = Bulk(delete(s.artifact).where(staged), dialect, ("_id",))
        folder = select(s.batch.c.output_dir).where(s.batch.c.id == bindparam("_batch")).scalar_subquery()
        self._files: Final = Bulk(insert(s.artifact).values(output_dir=folder), dialect, (*_FILE, "_batch"))
        self._totals: Final = Bulk(update(s.batch_total).where(this_total).values(more_jobs), dialect, ("_jobs", "_batch", "_state"))
        these_purses = update(s.batch).where(s.batch.c.id == bindparam("_id")).values(more_money)
        self._purses: Final = Bulk(these_purses, dialect, (*(f"_{name}" for name in money), "_id"))
        p = s.purse.c
        this_share = (p.batch_id == bindparam("_id")) & (p.scope == bindparam("_scope")) & (p.name == bindparam("_name"))
        more_share = update(s.purse).where(this_share).values({name: p[name] + bindparam(f"_{name}") for name in money})
        self._shares: Final = Bulk(more_share, dialect, (*(f"_{name}" for name in money), "_id", "_scope", "_name"))
        self._new_shares: Final = Bulk(insert(s.purse), dialect, (*money, "batch_id", "scope", "name"))

    def open_attempts(self, connection: Connection, attempts: Sequence[AttemptRow]) -> None:
        """Insert new attempts."""
        self._new_attempts.run(connection, [_cells(row, _ATTEMPT) for row in attempts])

    def move_attempts(self, connection: Connection, attempts: Sequence[AttemptRow]) -> None:
        """Update attempts that were there before; raise BusyError when another transaction just gave an order the same task id."""
        try:
            self._attempts.run(connection, [(*_cells(row, _ATTEMPT_SET), row.id) for row in attempts])
        except IntegrityError as error:
            raise BusyError("another order was given the same task id at this moment") from error

    def correct_attempts(self, connection: Connection, rows: Sequence[tuple[int, int]]) -> None:
        """Add to what attempts say of the batch's money when they were opened: micros, attempt."""
        self._corrections.run(connection, rows)

    def move_jobs(self, connection: Connection, jobs: Sequence[tuple[JobRow, int]]) -> bool:
        """Update jobs that are still at the given version, and say whether all were."""
        rows = [
            (
                job.state.value, job.version, job.reason, job.next_at, job.attempts, job.unproven, job.not_sent, job.regenerated,
                None if job.attempt is None else job.attempt.id, job.run_id, job.retired_at, job.updated_at, job.id, version,
            )
            for job, version in jobs
        ]  # fmt: skip
        return self._jobs.run(connection, rows) == len(rows)

    def append_events(self, connection: Connection, events: Sequence[Cells]) -> None:
        """Insert events: job, seq, before, after, word, actor, reason, detail, at, run, attempt, decision."""
        self._events.run(connection, events)

    def replace_files(self, connection: Connection, files: dict[int, list[Cells]]) -> None:
        """Put the given files in the place of each job's staged ones."""
        self._unstage.run(connection, [(job_id,) for job_id in files])
        self._files.run(connection, [row for rows in files.values() for row in rows])

    def move_totals(self, connection: Connection, deltas: Sequence[tuple[int, int, str]]) -> None:
        """Add to the running totals: number of jobs, batch, state."""
        self._totals.run(connection, deltas)

    def move_money(
        self, connection: Connection, deltas: Mapping[PurseName, tuple[int, int, int, int]], known: Collection[PurseName]
    ) -> None:
        """Add to the purses, of which those in ``known`` are there already: spent, reserved, held, orders."""
        self._purses.run(connection, [(*delta, purse.batch_id) for purse, delta in deltas.items() if not purse.scope])
        shares = {purse: delta for purse, delta in deltas.items() if purse.scope}
        self._new_shares.run(connection, [(*delta, *purse) for purse, delta in shares.items() if purse not in known])
        self._shares.run(connection, [(*delta, *purse) for purse, delta in shares.items() if purse in known])


def read_jobs(connection: Connection, ids: Sequence[int]) -> dict[int, JobRow]:
    """Give the jobs with their current attempts, locked where the engine locks rows."""
    return {row[0]: _job_of(row) for row in connection.execute(_JOBS, {"ids": ids})}


def read_purses(connection: Connection, batches: Sequence[int], *, locks: bool) -> dict[PurseName, Purse]:
    """Give the batches' money; locking the batches, where the engine locks rows, guards their models' and days' shares as well."""
    query = _LOCKED if locks else _PURSES
    purses = {PurseName(row[0]): _purse_of(row[1:]) for row in connection.execute(query, {"ids": batches})}
    return purses | {PurseName(*row[:3]): _purse_of(row[3:]) for row in connection.execute(_SHARES, {"ids": batches})}


def read_totals(connection: Connection, batches: Sequence[int]) -> Counter[tuple[int, str]]:
    """Give the running totals by batch and state."""
    return Counter({(row[0], row[1]): row[2] for row in connection.execute(_TOTALS, {"ids": batches})})


def read_tasks(connection: Connection, tasks: Sequence[str]) -> set[str]:
    """Give those of the task ids that some attempt already has."""
    return set(connection.scalars(_TASKS, {"ids": tasks})) if tasks else set()


def read_stored(connection: Connection, late: Sequence[Change]) -> dict[tuple[int, int], Row[Any]]:
    """Give the event that stands where each of the changes was to stand, by job and sequence number."""
    if not late:
        return {}
    places = tuple_(s.event.c.job_id, s.event.c.seq).in_([(change.job_id, change.version + 1) for change in late])
    return {(row.job_id, row.seq): row for row in connection.execute(_STORED.where(places))}


def _purse_of(row: Sequence[int]) -> Purse:
    return Purse(spent=row[0], reserved=row[1], held=row[2], orders=row[3])


def _job_of(row: Row[*tuple[Any, ...]]) -> JobRow:
    moving = dict(zip(_JOB, row[: len(_JOB)], strict=True))
    job = JobRow(**moving | {"state": State(moving["state"]), "attempt": None})
    if row[len(_JOB)] is not None:
        facts = dict(zip(_ATTEMPT, row[len(_JOB) :], strict=True))
        job.attempt = AttemptRow(**facts | {"outcome": Outcome(facts["outcome"])})
    return job


def _cells(row: AttemptRow, names: Sequence[str]) -> Cells:
    """Give the row's values as the driver stores them."""
    return tuple(value.value if isinstance(value := getattr(row, name), Outcome) else value for name in names)
