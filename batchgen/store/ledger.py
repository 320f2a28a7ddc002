"""The job table of one batch as a run sees it: the ``Ledger`` port over the database thread."""

import json
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, and_, func, literal_column, or_, select, update

from batchgen.core import events as e
from batchgen.core.events import Image
from batchgen.core.jobs import Change, Job, JobId, JobKey, Recorded
from batchgen.core.ports import Upload
from batchgen.core.reconciling import Evidence
from batchgen.core.states import LIVE, State
from batchgen.store import doubts, runs, uploads
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
    """Ask for the next planned jobs that are due and in nobody's hands, in running order; the partial index answers without sorting.

    Where the engine locks rows they are locked, and those that another run is just claiming are passed over.
    """
    due = or_(s.job.c.next_at.is_(None), s.job.c.next_at <= now)
    query = select(s.job).where(s.job.c.batch_id == batch_id, in_state(State.PLANNED), due, s.job.c.run_id.is_(None))
    if only is not None:
        query = query.where(s.job.c.id.in_(sorted(only)))
    if skip:
        query = query.where(s.job.c.id.not_in(skip))
    if full_models:
        query = query.where(s.job.c.model.not_in(full_models))
    return query.order_by(s.job.c.position).limit(limit).with_for_update(skip_locked=True)


class SqlLedger:
    """The ``Ledger`` of one batch. Every future is done only when its commit is durable. With ``only`` no other rows are claimed.

    With a ``run_id`` what is claimed or found alive is in that run's hands until it ends, or is taken for dead; then every call fails with
    LeaseLostError. Without one nothing is taken in hand. With a ``key_name``, where a batch has several API keys, orders are made with that
    key, and tasks that were ordered with another are left to the runs that have it.
    """

    def __init__(self, thread: DatabaseThread, *, batch_id: int, run_id: int | None = None, only: Rows = None, key_name: str = "") -> None:
        self._only: Final = only
        self._thread: Final = thread
        self._batch_id: Final = batch_id
        self._run_id: Final = run_id
        self._key_name: Final = key_name
        self._recorder: Final = Recorder(thread.engine.dialect, run_id=run_id, key_name=key_name)

    def record(self, change: Change) -> Future[Recorded]:
        """Record the event, or fail with StaleJobError, BudgetReachedError, IllegalTransitionError, InputError or StoreError.

        A task id that another order already has is recorded as an unknown answer: the state then is ambiguous.
        """
        return self._thread.group(self._recorder, change)

    def claim(self, *, limit: int, now: datetime, skip: frozenset[int], full_models: frozenset[str]) -> Future[list[Job]]:
        """Take up to ``limit`` planned jobs in hand that are due and in no other run's hands, in running order.

        Those that this run claimed before and has not begun, which ``skip`` names, go back.
        """
        query = claim_query(self._batch_id, now=now, skip=sorted(skip), full_models=sorted(full_models), limit=limit, only=self._only)
        return self._thread.call(lambda connection: _claimed(connection, query, self._run_id, skip), repeatable=True)

    def next_due(self, *, without: frozenset[str] = frozenset()) -> Future[datetime | None]:
        """Say when the earliest planned job is due: long ago for one that never waited; None when none is planned.

        What other runs have in hand may come back, so that it counts as well.
        """
        return self._thread.call(partial(_next_due, self._batch_id, self._only, sorted(without), self._run_id), repeatable=True)

    def live(self) -> Future[list[Job]]:
        """Give every job that is submitting, submitted or rendered, but for those in another run's hands, the first ordered at the head.

        They are in this run's hands then.
        """
        return self._thread.call(partial(_own, batch_id=self._batch_id, run_id=self._run_id, key_name=self._key_name), repeatable=True)

    def orphans(self) -> Future[list[Job]]:
        """Take in hand the live jobs that no run has in its hands, such as those of one that died, and give them."""
        return self._thread.call(partial(_orphans, batch_id=self._batch_id, run_id=self._run_id, key_name=self._key_name), repeatable=True)

    def doubtful(self) -> Future[list[Job]]:
        """Give every ambiguous job, the one that was ordered first at the head."""
        return self._thread.call(partial(live_jobs, batch_id=self._batch_id, states=[State.AMBIGUOUS]), repeatable=True)

    def evidence(self) -> Future[Evidence | None]:
        """Say what the table tells of money since the run that sent the oldest order in doubt; None when no order is in doubt."""
        return self._thread.call(partial(doubts.evidence, batch_id=self._batch_id, run_id=self._run_id), repeatable=True)

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


def live_jobs(connection: Connection, *, batch_id: int, states: Iterable[State] = LIVE, only: Collection[int] | None = None) -> list[Job]:
    """Give the batch's jobs in the given states with their current attempts and staged files, oldest order first."""
    found = (row for state in sorted(states) for row in connection.execute(_ordered(batch_id, state)).mappings())
    rows = [row for row in found if only is None or row["id"] in only]
    staged = _staged(connection, [row["id"] for row in rows if row["state"] == State.RENDERED])
    rows.sort(key=lambda row: (row["opened_at"] or row["updated_at"], row["id"]))
    return [_job(row, staged=staged.get(row["id"], ())) for row in rows]


def _ordered(batch_id: int, state: State) -> Select[Any]:
    a = s.attempt.c
    facts = (a.task_id, a.settled_at.label("submitted_at"), a.opened_at, a.expires_at, a.result_urls)
    joined = s.job.outerjoin(s.attempt, a.id == s.job.c.attempt_id)
    return select(*s.job.c, *facts).select_from(joined).where(s.job.c.batch_id == batch_id, in_state(state)).order_by(s.job.c.id)


def _claimed(connection: Connection, query: Select[Any], run_id: int | None, skip: Collection[int]) -> list[Job]:
    """Let go of what was claimed before and is not wanted any more, and take in hand what the query finds."""
    if run_id is not None:
        runs.require_alive(connection, run_id)
        unbegun = and_(s.job.c.run_id == run_id, in_state(State.PLANNED), s.job.c.id.not_in(sorted(skip)))
        connection.execute(update(s.job).where(unbegun).values(run_id=None))
    rows = connection.execute(query).mappings().all()
    _take_in_hand(connection, [row["id"] for row in rows], run_id)
    return [_job(row) for row in rows]


def _own(connection: Connection, *, batch_id: int, run_id: int | None, key_name: str) -> list[Job]:
    """Give the live jobs that a run has in hand after it took the orphans; without a run all of them."""
    if run_id is None:
        return live_jobs(connection, batch_id=batch_id)
    _orphans(connection, batch_id=batch_id, run_id=run_id, key_name=key_name)
    return live_jobs(connection, batch_id=batch_id, only=set(connection.scalars(select(s.job.c.id).where(s.job.c.run_id == run_id))))


def _orphans(connection: Connection, *, batch_id: int, run_id: int | None, key_name: str) -> list[Job]:
    """Take in hand the live jobs that are in nobody's hands, and of which this run has the key."""
    if run_id is None:
        return []
    runs.require_alive(connection, run_id)
    orphans: set[int] = set()
    for state in sorted(LIVE):
        query = select(s.job.c.id).where(s.job.c.batch_id == batch_id, in_state(state), s.job.c.run_id.is_(None))
        if key_name:
            others = select(s.attempt.c.id).where(s.attempt.c.id == s.job.c.attempt_id, s.attempt.c.key_name.not_in(["", key_name]))
            query = query.where(~others.exists())
        orphans.update(connection.scalars(query.with_for_update(skip_locked=True)))
    _take_in_hand(connection, sorted(orphans), run_id)
    return live_jobs(connection, batch_id=batch_id, only=orphans) if orphans else []


def _take_in_hand(connection: Connection, job_ids: Sequence[int], run_id: int | None) -> None:
    if job_ids and run_id is not None:
        connection.execute(update(s.job).where(s.job.c.id.in_(job_ids)).values(run_id=run_id))


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


def _next_due(batch_id: int, only: Rows, without: Sequence[str], run_id: int | None, connection: Connection) -> datetime | None:
    planned = [s.job.c.batch_id == batch_id, in_state(State.PLANNED)]
    if only is not None:
        planned.append(s.job.c.id.in_(sorted(only)))
    if without:
        planned.append(s.job.c.model.not_in(without))
    never_waited = select(s.job.c.planned_at).where(*planned, s.job.c.next_at.is_(None)).order_by(s.job.c.position).limit(1)
    waiting = select(func.min(s.job.c.next_at)).where(*planned, s.job.c.next_at.is_not(None))
    due: datetime | None = connection.scalar(never_waited) or connection.scalar(waiting)
    if due is None and not without and run_id is not None:
        due = connection.scalar(_in_other_hands(batch_id, run_id, only))
    return due


def _is_held() -> ColumnElement[bool]:
    """Say that the job's latest event puts it off without a time."""
    v = s.event.c
    latest = (v.job_id == s.job.c.id, v.seq == s.job.c.version)
    puts_off = or_(v.event == e.TaskStalled.word(), and_(v.event == e.DownloadDeferred.word(), s.job.c.next_at.is_(None)))
    return select(v.id).where(*latest, puts_off).exists()


def _in_other_hands(batch_id: int, run_id: int, only: Rows) -> Select[Any]:
    """Ask since when another run at work has a job in hand: it may come back to planned, or be left to whoever goes on.

    What it only holds, to ask again in an hour, keeps nobody: two runs that hold something would wait for each other.
    """
    others = select(s.run.c.id).where(s.run.c.batch_id == batch_id, s.run.c.ended_at.is_(None), s.run.c.id != run_id)
    query = select(s.job.c.updated_at).where(s.job.c.run_id.in_(others), ~_is_held()).limit(1)
    return query if only is None else query.where(s.job.c.id.in_(sorted(only)))
