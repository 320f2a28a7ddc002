"""The job table of one batch as a run sees it: the ``Ledger`` port over the database thread."""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, func, literal_column, or_, select

from batchgen.core.events import Image
from batchgen.core.jobs import Change, Job, JobId, JobKey, Recorded
from batchgen.core.ports import Upload
from batchgen.core.reconciling import Evidence
from batchgen.core.states import LIVE, State
from batchgen.store import doubts, uploads
from batchgen.store import schema as s
from batchgen.store.engine import place_of, reading
from batchgen.store.faults import translated
from batchgen.store.recorder import Recorder
from batchgen.store.writer import DatabaseThread

Rows = frozenset[int] | None
"""The job rows that are meant; None for all of the batch."""


def in_state(state: State) -> ColumnElement[bool]:
    """Write the condition with the state as a literal: a bound one would not let the engine see that the partial index fits."""
    return s.job.c.state == literal_column(f"'{state.value}'")


def claim_query(
    batch_id: int, *, now: datetime, skip: Sequence[int] = (), full_models: Sequence[str] = (), limit: int = 100, only: Rows = None
) -> Select[Any]:
    """Ask for the next planned jobs that are due, in running order; the partial index answers without sorting."""
    due = or_(s.job.c.next_at.is_(None), s.job.c.next_at <= now)
    query = select(s.job).where(s.job.c.batch_id == batch_id, in_state(State.PLANNED), due)
    if only is not None:
        query = query.where(s.job.c.id.in_(sorted(only)))
    if skip:
        query = query.where(s.job.c.id.not_in(skip))
    if full_models:
        query = query.where(s.job.c.model.not_in(full_models))
    return query.order_by(s.job.c.position).limit(limit)


class SqlLedger:
    """The ``Ledger`` of one batch. Every future is done only when its commit is durable. With ``only`` no other rows are claimed."""

    def __init__(self, thread: DatabaseThread, *, batch_id: int, run_id: int | None = None, only: Rows = None) -> None:
        self._only: Final = only
        self._thread: Final = thread
        self._batch_id: Final = batch_id
        self._recorder: Final = Recorder(thread.engine.dialect, run_id=run_id)

    def record(self, change: Change) -> Future[Recorded]:
        """Record the event, or fail with StaleJobError, BudgetReachedError, IllegalTransitionError, InputError or StoreError.

        A task id that another order already has is recorded as an unknown answer: the state then is ambiguous.
        """
        return self._thread.group(self._recorder, change)

    def claim(self, *, limit: int, now: datetime, skip: frozenset[int], full_models: frozenset[str]) -> Future[list[Job]]:
        """Give up to ``limit`` planned jobs that are due, in running order."""
        query = claim_query(self._batch_id, now=now, skip=sorted(skip), full_models=sorted(full_models), limit=limit, only=self._only)
        return self._thread.call(lambda connection: [_job(row) for row in connection.execute(query).mappings()], repeatable=True)

    def next_due(self, *, without: frozenset[str] = frozenset()) -> Future[datetime | None]:
        """Say when the earliest planned job is due: long ago for one that never waited; None when none is planned."""
        return self._thread.call(partial(_next_due, self._batch_id, self._only, sorted(without)), repeatable=True)

    def live(self) -> Future[list[Job]]:
        """Give every job that is submitting, submitted or rendered, the one that was ordered first at the head."""
        return self._thread.call(partial(live_jobs, batch_id=self._batch_id), repeatable=True)

    def doubtful(self) -> Future[list[Job]]:
        """Give every ambiguous job, the one that was ordered first at the head."""
        return self._thread.call(partial(live_jobs, batch_id=self._batch_id, states=[State.AMBIGUOUS]), repeatable=True)

    def evidence(self) -> Future[Evidence | None]:
        """Say what the table tells of money since the run that sent the oldest order in doubt; None when no order is in doubt."""
        return self._thread.call(partial(doubts.evidence, batch_id=self._batch_id), repeatable=True)

    def repeated(self) -> Future[int]:
        """Give the micros of the orders in doubt that policy has had ordered again, in all runs of the batch."""
        return self._thread.call(partial(doubts.repeated, batch_id=self._batch_id), repeatable=True)

    def upload_of(self, sha256: str, *, vendor: str) -> Future[Upload | None]:
        """Give the latest upload of that content to that vendor, however old."""
        return self._thread.call(partial(uploads.find, sha256=sha256, vendor=vendor), repeatable=True)

    def keep_upload(self, upload: Upload) -> Future[None]:
        """Keep an upload in the place of an earlier one of the same content to the same vendor."""
        return self._thread.call(partial(uploads.keep, upload=upload), repeatable=True)


def jobs_in(engine: Engine, state: State, *, batch_id: int) -> list[Job]:
    """Give the batch's jobs in one state as a run would see them, oldest order first; reads only."""
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        return live_jobs(connection, batch_id=batch_id, states=[state])


def live_jobs(connection: Connection, *, batch_id: int, states: Iterable[State] = LIVE) -> list[Job]:
    """Give the batch's jobs in the given states with their current attempts and staged files, oldest order first."""
    rows = [row for state in sorted(states) for row in connection.execute(_in_hand(batch_id, state)).mappings()]
    staged = _staged(connection, [row["id"] for row in rows if row["state"] == State.RENDERED])
    rows.sort(key=lambda row: (row["opened_at"] or row["updated_at"], row["id"]))
    return [_job(row, staged=staged.get(row["id"], ())) for row in rows]


def _in_hand(batch_id: int, state: State) -> Select[Any]:
    a = s.attempt.c
    facts = (a.task_id, a.settled_at.label("submitted_at"), a.opened_at, a.expires_at, a.result_urls)
    joined = s.job.outerjoin(s.attempt, a.id == s.job.c.attempt_id)
    return select(*s.job.c, *facts).select_from(joined).where(s.job.c.batch_id == batch_id, in_state(state)).order_by(s.job.c.id)


def _staged(connection: Connection, job_ids: Sequence[int]) -> dict[int, tuple[Image, ...]]:
    """Give the staged files of each job, in their order."""
    files: dict[int, tuple[Image, ...]] = {}
    if not job_ids:
        return files
    query = select(s.artifact).where(s.artifact.c.job_id.in_(job_ids), s.artifact.c.state == "staged").order_by(s.artifact.c.idx)
    for row in connection.execute(query).mappings():
        files[row["job_id"]] = (*files.get(row["job_id"], ()), image_of(row))
    return files


def image_of(row: RowMapping) -> Image:
    """Read an image from an artifact row."""
    return Image(
        path=row["path"], temp=row["temp"], sha256=row["sha256"], bytes=row["bytes"],
        width=row["width"], height=row["height"], media_type=row["media_type"],
    )  # fmt: skip


def _job(row: RowMapping, *, staged: tuple[Image, ...] = ()) -> Job:
    return Job(
        id=JobId(row["id"]), key=JobKey(row["key"]), batch_id=row["batch_id"], sweep=row["sweep"], prompt_id=row["prompt_id"],
        prompt=row["prompt"], operation=row["operation"], model=row["model"], params=json.loads(row["params"]),
        labels=json.loads(row["labels"]), references=tuple(json.loads(row["refs"])), cell=row["cell"], sample=row["sample"],
        position=row["position"], state=State(row["state"]), version=row["version"], next_at=row["next_at"], attempts=row["attempts"],
        unproven=row["unproven"], not_sent=row["not_sent"], regenerated=row["regenerated"], attempt_id=row["attempt_id"],
        task_id=row.get("task_id"), submitted_at=row.get("submitted_at"), reason=row["reason"],
        urls=tuple(json.loads(row.get("result_urls") or "[]")), expires_at=row.get("expires_at"), staged=staged,
    )  # fmt: skip


def _next_due(batch_id: int, only: Rows, without: Sequence[str], connection: Connection) -> datetime | None:
    planned = [s.job.c.batch_id == batch_id, in_state(State.PLANNED)]
    if only is not None:
        planned.append(s.job.c.id.in_(sorted(only)))
    if without:
        planned.append(s.job.c.model.not_in(without))
    never_waited = select(s.job.c.planned_at).where(*planned, s.job.c.next_at.is_(None)).order_by(s.job.c.position).limit(1)
    waiting = select(func.min(s.job.c.next_at)).where(*planned, s.job.c.next_at.is_not(None))
    due: datetime | None = connection.scalar(never_waited) or connection.scalar(waiting)
    return due
