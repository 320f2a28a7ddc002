"""Decisions of a person, each recorded with who and why. They are single changes checked against the job's version, so a run may go on."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from batchgen.app import database
from batchgen.app.clock import SystemClock
from batchgen.app.processes import living
from batchgen.app.reading import reading
from batchgen.app.vendor import dialect_of
from batchgen.core import events as e
from batchgen.core.errors import InputError, StaleJobError
from batchgen.core.jobs import SYNCHRONOUS, Change, JobId, Recorded
from batchgen.core.states import State
from batchgen.core.steering import Kind, Request
from batchgen.files.inspector import Inspector
from batchgen.files.shelf import ImageShelf
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import commands, queries
from batchgen.store.ledger import SqlLedger, jobs_in
from batchgen.store.queries import JobFilter

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The jobs that a decision is about."""

    batch: str
    batch_id: int
    jobs: Sequence[Row]


def select(
    settings: Settings, batch: str | None, *, keys: Sequence[str], states: Sequence[State], reason_word: str | None = None
) -> Selection:
    """Find the jobs of a batch in these states, by the beginnings of their keys if any are given; retired rows stay out of it."""
    with reading(settings) as engine:
        found = queries.batch_named(engine, batch)
        wanted = JobFilter(batch=found.name, states=states, keys=tuple(key.lower() for key in keys), reason=reason_word)
        rows = [row for row in queries.jobs(engine, wanted) if row["retired_at"] is None]
    return Selection(batch=found.name, batch_id=found.id, jobs=rows)


def retry(settings: Settings, found: Selection, *, reason: str) -> int:
    """Allow one more order for each job; give how many took it."""
    return _decide(settings, found, e.RetryAllowed(reason=_word(reason), detail=reason))


def way_on(settings: Settings, found: Selection) -> str:
    """Say who orders what was allowed: the process that works on the batch, or what to type where none does."""
    with reading(settings) as engine:
        run = living(engine, found.batch_id, now=SystemClock().now())
    return f"next: {database.command(settings)} resume {found.batch}" if run is None else f"process {run['pid']} orders them"


def cancel(settings: Settings, found: Selection, *, reason: str) -> int:
    """Drop each row for which nothing was sent; give how many were dropped."""
    return _decide(settings, found, e.JobCancelled(reason=_word(reason), detail=reason))


def resolve(settings: Settings, key: str, *, reason: str, task_id: str | None, answer: str) -> str:
    """Decide about one ambiguous order, and say what follows. Raises InputError when the job is not ambiguous or the id is taken."""
    with reading(settings) as engine:
        job = queries.story(engine, key)["job"]
        batch = queries.batch_named(engine, job["batch"])
    if job["state"] != State.AMBIGUOUS:
        raise InputError(f"{job['key'][:8]} is {job['state']}, not ambiguous; nothing was changed")
    event: e.Event
    if task_id is not None:
        _check_task(settings, job, task_id)
        event, follows = e.TaskAttached(reason=_word(reason), detail=reason, task_id=task_id), "its task will be fetched"
    else:
        event, follows = {
            "resubmit": (e.ResubmitAllowed(reason=_word(reason), detail=reason), "it will be ordered again; the first order stays counted"),
            "not_billed": (
                e.BillingDisproved(reason=_word(reason), detail=reason),
                "it will be ordered again; the first counts as nothing",
            ),
            "abandon": (e.JobAbandoned(reason=_word(reason), detail=reason), "it is given up and stays counted as spent"),
        }[answer]
    if not _decide(settings, Selection(batch=batch.name, batch_id=batch.id, jobs=[job]), event):
        raise InputError(f"{job['key'][:8]} was changed by somebody else meanwhile; nothing was changed")
    next_command = "" if answer == "abandon" and task_id is None else f"; next: {database.command(settings)} resume {batch.name}"
    return f"{job['key'][:8]}: {follows}{next_command}"


def _check_task(settings: Settings, job: Row, task_id: str) -> None:
    """Refuse an id that an order cannot have: one that was to be answered by its result has no task, only the answer it kept."""
    with reading(settings) as engine:
        batch = queries.batch_named(engine, job["batch"])
        run = RunSettings.from_json(queries.latest_plan(engine, batch.id).settings)
        held = next((held for held in jobs_in(engine, State.AMBIGUOUS, batch_id=batch.id) if held.key == job["key"]), None)
    if held is None:
        return
    own = f"{SYNCHRONOUS}{held.attempt_id}"
    if held.operation not in dialect_of(run.provider).synchronous:
        if task_id == own:
            raise InputError(f"{own} is the name of a kept answer, and this order has a task; nothing was changed")
        return
    if ImageShelf(settings.local_folder(run.output.dir), lambda _: "", sidecar=False, inspector=Inspector()).kept_answer(held) is None:
        raise InputError("this order has no task, and no answer to it was kept: say --resubmit, --not-billed or --abandon")
    if task_id != own:
        raise InputError(f"this order has no task, only the answer that it kept: say --task-id {own}")


def _decide(settings: Settings, found: Selection, event: e.Event) -> int:
    at = SystemClock().now()
    with database.writing(settings) as thread:
        ledger = SqlLedger(thread, batch_id=found.batch_id)
        records = [
            ledger.record(
                Change(job_id=JobId(job["job_id"]), version=job["version"], event=event, at=at, actor=f"operator:{settings.login}")
            )
            for job in found.jobs
        ]
        changed = sum(_took(record) for record in records)
        if changed and living(thread.engine, found.batch_id, now=at) is not None:
            look = Request(kind=Kind.LOOK, actor=f"operator:{settings.login}", asked_at=at)
            thread.call(lambda c: commands.ask(c, found.batch_id, look)).result()
        return changed


def _took(record: "Future[Recorded]") -> bool:
    try:
        record.result()
    except StaleJobError:
        return False
    return True


def _word(reason: str) -> str:
    """Refuse an empty reason; decisions are stored under one word, the operator's sentence beside it."""
    if not reason.strip():
        raise InputError("--reason must say why; it is kept with the decision")
    return "decided"
