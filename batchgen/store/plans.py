"""Save plans and compare them with what the database already has.

Rows are matched by key. A row that stays keeps its state, its files and its money; only its names and its place in the order follow the new
plan. Everything happens in one transaction and in chunks, so memory stays flat and a crash leaves the old plan whole.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, bindparam, exists, func, insert, select, update

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError
from batchgen.core.jobs import Change, JobId, JobSpec
from batchgen.core.pricing import RowKind
from batchgen.core.states import State
from batchgen.store import archived
from batchgen.store import schema as s
from batchgen.store.bulk import Bulk, Cells
from batchgen.store.engine import place_of, reading
from batchgen.store.faults import translated
from batchgen.store.instants import to_text
from batchgen.store.numbers import Numbered
from batchgen.store.recorder import Recorder

CHUNK: Final = 1_000
PLANNER: Final = "planner"

_SPEC: Final = (*JobSpec._fields[:8], "refs", *JobSpec._fields[9:])
_NAMES: Final = ("sweep", "prompt_id", "cell", "labels")
_FOLLOW: Final = ("position", *_NAMES, "plan_id", "updated_at")
_BOUGHT: Final = frozenset({State.SUBMITTED, State.RENDERED, State.SAVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlan:
    """What a plan is, beside its rows: ``files``, ``settings`` and ``prices`` are JSON, ``output_dir`` is absolute."""

    name: str
    output_dir: str
    source: bytes
    source_path: str
    files: str
    settings: str
    total: int
    tool_version: str
    prices: str = ""


@dataclass(slots=True, kw_only=True)
class PlanChange:
    """What saving a plan does to the rows of its batch.

    ``new`` + ``kept`` + ``restored`` are the rows asked for; of the kept ones ``changed`` only get other names or labels and ``done`` have
    their image. ``retired`` rows are no longer asked for: those not yet sent are cancelled, the others keep their files. ``elsewhere``
    counts new rows that another batch has already bought. ``reasons`` tells the same by word: ``never_planned``, the state of a kept row,
    ``renamed``, ``restored``, ``retired_unsent``, ``retired_kept``.
    """

    new: int = 0
    kept: int = 0
    changed: int = 0
    done: int = 0
    restored: int = 0
    retired: int = 0
    elsewhere: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    new_by_order: Counter[RowKind] = field(default_factory=Counter)

    @property
    def new_by_model(self) -> Counter[str]:
        """Count the new rows by model."""
        models: Counter[str] = Counter()
        for asked, rows in self.new_by_order.items():
            models[asked.model] += rows
        return models


Progress = Callable[[int], None]
"""Told, now and then, how many rows have been gone through."""


def save(
    engine: Engine, plan: NewPlan, jobs: Iterable[JobSpec], *, at: datetime, on_progress: Progress | None = None, retire: bool = True
) -> PlanChange:
    """Store the plan and its rows in one transaction, and say what changed.

    Rows of the batch that the plan does not name are retired, unless ``retire`` is false (a partial plan). Raises StoreError, and
    InputError for an archived batch; the database is then as it was.
    """
    with translated(place_of(engine.url)), engine.begin() as connection:
        saving = _Saving(connection, plan, at)
        for count, chunk in _chunks(jobs):
            saving.take(chunk)
            if on_progress is not None:
                on_progress(count)
        saving.finish(retire=retire)
        return saving.change


def note_prices(connection: Connection, plan_id: int, prices: str) -> None:
    """Keep a price list with a plan that was saved without one."""
    connection.execute(update(s.plan).where(s.plan.c.id == plan_id, s.plan.c.prices == "").values(prices=prices))


def compare(engine: Engine, name: str, jobs: Iterable[JobSpec], *, retire: bool = True) -> PlanChange:
    """Say what ``save`` would do, reading only; raise InputError for an archived batch."""
    change = PlanChange()
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        archived.require_plannable(connection, name)
        batch_id = connection.scalar(select(s.batch.c.id).where(s.batch.c.name == name))
        left = _unretired(connection, batch_id)
        for _, chunk in _chunks(jobs):
            found = _sort_out(connection, batch_id, chunk, change)
            left.subtract(old.state for _, old in found.kept if old.retired_at is None)
            connection.rollback()
        if retire:
            _count_retired(change, left)
        return change


@dataclass(slots=True, kw_only=True)
class _Found:
    """A chunk's rows, sorted out: new ones, and pairs of the asked and the stored."""

    new: list[JobSpec] = field(default_factory=list)
    kept: list[tuple[JobSpec, Row[Any]]] = field(default_factory=list)


class _Saving:
    """One transaction that brings a batch to a plan."""

    def __init__(self, connection: Connection, plan: NewPlan, at: datetime) -> None:
        self.change: Final = PlanChange()
        self._connection: Final = connection
        self._at: Final = at
        self._batch_id: Final = _open_batch(connection, plan, at)
        self._plan_id: Final = _insert_plan(connection, self._batch_id, plan, at)
        self._is_fresh: Final = not connection.scalar(select(exists().where(s.job.c.batch_id == self._batch_id)))
        self._may_be_elsewhere: Final = bool(connection.scalar(select(exists().where(s.job.c.batch_id != self._batch_id))))
        stamp = to_text(at)
        self._suffix: Final = (self._batch_id, self._plan_id, stamp, stamp)
        names = (*_SPEC, "batch_id", "plan_id", "planned_at", "updated_at")
        self._insert: Final = Numbered(s.job, connection.dialect, names)
        follow = update(s.job).where(s.job.c.id == bindparam("_id"))
        self._follow: Final = Bulk(follow, connection.dialect, (*_FOLLOW, "_id"))
        self._recorder: Final = Recorder(connection.dialect)
        self._rebuilds_index: Final = self._is_fresh and not self._may_be_elsewhere and connection.dialect.name == "sqlite"
        if self._rebuilds_index:
            s.JOB_KEY_INDEX.drop(connection)

    def take(self, chunk: Sequence[JobSpec]) -> None:
        """Write the next rows of the plan."""
        if self._is_fresh and not self._may_be_elsewhere:
            _count_new(self.change, chunk)
            self._insert_rows(chunk)
            return
        found = _sort_out(self._connection, self._batch_id, chunk, self.change)
        self._insert_rows(found.new)
        self._keep_rows(found.kept)

    def finish(self, *, retire: bool) -> None:
        """Build what was left out while loading, retire what the plan no longer names, and bring the totals up to date.

        The totals come last: whoever records takes the batch first and then them.
        """
        if self._rebuilds_index:
            s.JOB_KEY_INDEX.create(self._connection)
        if retire and not self._is_fresh:
            self._retire()
        if self.change.new:
            total = s.batch_total.c
            planned = (total.batch_id == self._batch_id) & (total.state == State.PLANNED.value)
            self._connection.execute(update(s.batch_total).where(planned).values(jobs=total.jobs + self.change.new))

    def _insert_rows(self, specs: Sequence[JobSpec]) -> None:
        suffix = self._suffix
        self._insert.run(self._connection, [spec + suffix for spec in specs])

    def _keep_rows(self, kept: Sequence[tuple[JobSpec, Row[Any]]]) -> None:
        stamp = to_text(self._at)
        rows: list[Cells] = [
            (spec.position, spec.sweep, spec.prompt_id, spec.cell, spec.labels, self._plan_id, stamp, old.id) for spec, old in kept
        ]
        self._follow.run(self._connection, rows)
        back = [old for _, old in kept if old.retired_at is not None]
        self._record([(old.id, old.version, e.JobRestored(reason="asked_again")) for old in back if old.state == State.CANCELLED])
        paid = [old.id for old in back if old.state != State.CANCELLED]
        if paid:
            self._connection.execute(update(s.job).where(s.job.c.id.in_(paid)).values(retired_at=None))

    def _retire(self) -> None:
        """Cancel the rows that were not sent, mark the others; they are those that no chunk gave the new plan's id."""
        gone = (s.job.c.batch_id == self._batch_id) & (s.job.c.plan_id != self._plan_id) & s.job.c.retired_at.is_(None)
        left = self._connection.execute(select(s.job.c.state, func.count()).where(gone).group_by(s.job.c.state))
        _count_retired(self.change, Counter({row[0]: row[1] for row in left}))
        unsent = select(s.job.c.id, s.job.c.version).where(gone, s.job.c.state == State.PLANNED.value).limit(CHUNK).with_for_update()
        while rows := self._connection.execute(unsent).all():
            self._record([(row.id, row.version, e.JobRetired(reason="retired")) for row in rows])
        self._connection.execute(update(s.job).where(gone).values(retired_at=self._at))

    def _record(self, events: Sequence[tuple[int, int, e.Event]]) -> None:
        changes = [
            Change(job_id=JobId(job_id), version=version, event=event, at=self._at, actor=PLANNER) for job_id, version, event in events
        ]
        for result in self._recorder(self._connection, changes):
            if isinstance(result, BatchgenError):
                raise result


def _chunks(jobs: Iterable[JobSpec]) -> Iterator[tuple[int, list[JobSpec]]]:
    """Give the rows in chunks, each with the number gone through with it."""
    source, count = iter(jobs), 0
    while chunk := list(islice(source, CHUNK)):
        count += len(chunk)
        yield count, chunk


def _open_batch(connection: Connection, plan: NewPlan, at: datetime) -> int:
    """Give the batch's id, creating it with its totals; its output folder follows the plan.

    The lock on its row keeps it from being archived before the plan is stored; new jobs would take the same.
    """
    named = select(s.batch.c.id, s.batch.c.output_dir).where(s.batch.c.name == plan.name)
    found = connection.execute(named.with_for_update(read=True, key_share=True)).first()
    archived.require_plannable(connection, plan.name)
    if found is not None:
        if found.output_dir != plan.output_dir:
            connection.execute(update(s.batch).where(s.batch.c.id == found.id).values(output_dir=plan.output_dir))
        return int(found.id)
    row = insert(s.batch).values(name=plan.name, output_dir=plan.output_dir, created_at=at).returning(s.batch.c.id)
    batch_id = int(connection.execute(row).scalar_one())
    connection.execute(insert(s.batch_total), [{"batch_id": batch_id, "state": state.value} for state in State])
    return batch_id


def _insert_plan(connection: Connection, batch_id: int, plan: NewPlan, at: datetime) -> int:
    row = insert(s.plan).values(
        batch_id=batch_id, created_at=at, manifest=plan.source, manifest_path=plan.source_path,
        manifest_sha256=sha256(plan.source).hexdigest(), files=plan.files, settings=plan.settings, total=plan.total,
        tool_version=plan.tool_version, prices=plan.prices,
    )  # fmt: skip
    return int(connection.execute(row.returning(s.plan.c.id)).scalar_one())


_KNOWN: Final = select(
    s.job.c.key, s.job.c.batch_id, s.job.c.id, s.job.c.state, s.job.c.version, s.job.c.retired_at, *(s.job.c[name] for name in _NAMES)
).where(s.job.c.key.in_(bindparam("keys", expanding=True)))


def _sort_out(connection: Connection, batch_id: int | None, chunk: Sequence[JobSpec], change: PlanChange) -> _Found:
    """Match a chunk with the stored rows, and count."""
    ours: dict[str, Row[Any]] = {}
    bought_elsewhere: set[str] = set()
    for row in connection.execute(_KNOWN, {"keys": [spec.key for spec in chunk]}):
        if row.batch_id == batch_id:
            ours[row.key] = row
        elif row.state in _BOUGHT:
            bought_elsewhere.add(row.key)
    found = _Found()
    for spec in chunk:
        old = ours.get(spec.key)
        if old is None:
            found.new.append(spec)
        else:
            found.kept.append((spec, old))
            _count_kept(change, spec, old)
    _count_new(change, found.new)
    change.elsewhere += sum(spec.key in bought_elsewhere for spec in found.new)
    return found


_ORDERED: Final = attrgetter("operation", "model", "params", "references")


def _count_new(change: PlanChange, specs: Sequence[JobSpec]) -> None:
    if specs:
        change.new += len(specs)
        change.reasons["never_planned"] += len(specs)
        for (operation, model, params, refs), rows in Counter(map(_ORDERED, specs)).items():
            change.new_by_order[RowKind(operation, model, params, len(json.loads(refs)))] += rows


def _count_kept(change: PlanChange, spec: JobSpec, old: Row[Any]) -> None:
    if old.retired_at is not None and old.state == State.CANCELLED:
        change.restored += 1
        change.reasons["restored"] += 1
        return
    change.kept += 1
    change.reasons[old.state] += 1
    change.done += old.state == State.SAVED
    if any(getattr(spec, name) != getattr(old, name) for name in _NAMES):
        change.changed += 1
        change.reasons["renamed"] += 1


def _unretired(connection: Connection, batch_id: int | None) -> Counter[str]:
    """Count the rows by state that a plan may retire."""
    mine = (s.job.c.batch_id == batch_id) & s.job.c.retired_at.is_(None)
    rows = connection.execute(select(s.job.c.state, func.count()).where(mine).group_by(s.job.c.state))
    return Counter({row[0]: row[1] for row in rows})


def _count_retired(change: PlanChange, left: Mapping[str, int]) -> None:
    unsent = left.get(State.PLANNED, 0)
    kept = sum(left.values()) - unsent
    change.retired += unsent + kept
    change.reasons += Counter(retired_unsent=unsent, retired_kept=kept)
