"""Reads for the commands and the report. Long answers are streamed in pages, each in a transaction of its own.

A reader of a rollback journal blocks every commit while its transaction lives; so a page is fetched whole and let go before it is handed
out, however slowly the caller takes it. Instants come as text, money as whole micros or, where said, as decimal text.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, and_, column, func, literal_column, or_, select, table, text

from batchgen.core.columns import Kind
from batchgen.core.errors import InputError
from batchgen.core.jobs import SYNCHRONOUS
from batchgen.core.money import from_micros
from batchgen.core.pricing import PriceKind, kind
from batchgen.core.states import Outcome, State
from batchgen.store import archived
from batchgen.store import schema as s
from batchgen.store.engine import place_of, reading
from batchgen.store.faults import translated
from batchgen.store.instants import as_stored, from_text
from batchgen.store.recorder import ATTEMPTS_PER_JOB, path_key
from batchgen.store.views import VIEWS

T = TypeVar("T")

Dict = dict[str, Any]
"""A JSON object."""

PAGE: Final = 1_000
_IDS: Final = 500
"""Row numbers named in one question."""
LEARN_FROM: Final = 2_000
"""How many of the latest results prices and durations are learned from."""

_BOUGHT: Final = (Outcome.ACCEPTED.value, Outcome.AMBIGUOUS.value, Outcome.UNPROVEN.value)
_KINDS: Final = {view.name: view.kinds for view in VIEWS}
_VIEWS: Final = {view.name: table(view.name, *(column(name) for name in view.columns)) for view in VIEWS}
_JOBS: Final = _VIEWS["v_jobs"]
_PARTS: Final = {"v_attempts": "n", "v_events": "seq", "v_files": "idx"}
"""The views of what belongs to a job, and the column that orders it within the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch by its row."""

    id: int
    name: str
    output_dir: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Jobs by state, and the batch's money in micros; running totals, so this costs the same at any size."""

    states: Mapping[State, int]
    spent: int
    reserved: int
    held: int
    orders: int

    @property
    def jobs(self) -> int:
        """Give the number of all jobs."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """What is not certain about a batch's money: how many orders have neither cost nor estimate, and how many are unproven.

    ``unproven_micros`` is what the unproven ones may have cost, None where no price is known.
    """

    unpriced: int
    unproven: int
    unproven_micros: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """The latest plan of a batch."""

    id: int
    created_at: str
    manifest: bytes
    manifest_path: str
    manifest_sha256: str
    files: str
    settings: str
    total: int
    tool_version: str
    prices: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs: every condition that is given must hold. ``params`` and ``labels`` compare as text; ``keys`` are key beginnings."""

    batch: str | None = None
    states: Sequence[State] = ()
    model: str | None = None
    sweep: str | None = None
    prompt_id: str | None = None
    reason: str | None = None
    keys: Sequence[str] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None


def look(engine: Engine, read: Callable[[Connection], T]) -> T:
    """Read in one short transaction that takes no write lock."""
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        return read(connection)


def batches(engine: Engine) -> list[Batch]:
    """Give every batch, oldest first."""
    columns = (as_stored(s.batch.c[name]).label(name) for name in Batch.__slots__)
    return [Batch(**row) for row in _all(engine, select(*columns).order_by(s.batch.c.id))]


def batch_named(engine: Engine, name: str | None) -> Batch:
    """Give the batch of that name, or without one the only batch there is; raise InputError that lists the names otherwise.

    An archived batch is none of those that are there; whoever names it is told where it went.
    """
    away = archived.listed(engine)
    known = [batch for batch in batches(engine) if batch.id not in away]
    fitting = [batch for batch in known if name in {None, batch.name}]
    if len(fitting) == 1:
        return fitting[0]
    if gone := [archive for archive in away.values() if archive.batch == name]:
        raise InputError(gone[0].way_on)
    names = ", ".join(batch.name for batch in known) or "none"
    complaint = "say which batch" if name is None and known else f"there is no batch {name or ''}".rstrip()
    raise InputError(f"{complaint}; in this database: {names}")


def totals(engine: Engine, batch_id: int) -> Totals:
    """Count jobs and money of a batch."""
    counts = {row["state"]: row["jobs"] for row in _all(engine, select(s.batch_total).where(s.batch_total.c.batch_id == batch_id))}
    money = _all(engine, select(s.batch).where(s.batch.c.id == batch_id))[0]
    return Totals(
        states={state: counts[state] for state in State},
        spent=money["spent_micros"], reserved=money["reserved_micros"], held=money["held_micros"], orders=money["orders"],
    )  # fmt: skip


def doubts_query(batch_id: int) -> Select[Any]:
    """Ask for what is not certain about a batch's money; the partial index holds such orders alone."""
    a = s.attempt.c
    is_unpriced, is_unproven = and_(a.cost_micros.is_(None), a.est_micros.is_(None)), a.outcome == Outcome.UNPROVEN.value
    return (
        select(
            func.count().filter(is_unpriced).label("unpriced"),
            func.count().filter(is_unproven).label("unproven"),
            func.sum(func.coalesce(a.cost_micros, a.est_micros)).filter(is_unproven).label("unproven_micros"),
        )
        .select_from(s.attempt.join(s.job, s.job.c.id == a.job_id))
        .where(s.job.c.batch_id == batch_id, a.outcome.in_(_BOUGHT), text(s.DOUBTFUL))
    )


def doubts(engine: Engine, batch_id: int) -> Doubts:
    """Look for what is not certain about a batch's money."""
    found = _all(engine, doubts_query(batch_id))[0]
    micros = found["unproven_micros"]
    return Doubts(unpriced=found["unpriced"], unproven=found["unproven"], unproven_micros=None if micros is None else int(micros))


def latest_plan(engine: Engine, batch_id: int) -> StoredPlan:
    """Give the latest plan of a batch: all that is needed to work without its manifest."""
    columns = (as_stored(s.plan.c[name]).label(name) for name in StoredPlan.__slots__)
    query = select(*columns).where(s.plan.c.batch_id == batch_id).order_by(s.plan.c.id.desc()).limit(1)
    return StoredPlan(**_all(engine, query)[0])


def jobs(engine: Engine, wanted: JobFilter) -> Iterator[Dict]:
    """Stream the jobs that pass the filter, in the order they were planned (by state first, if states are given)."""
    count = 0
    for state in wanted.states or (None,):
        for row in _job_pages(engine, wanted, state):
            if wanted.limit is not None and count >= wanted.limit:
                return
            job = job_object(row)
            if _has(job["params"], wanted.params) and _has(job["labels"], wanted.labels):
                count += 1
                yield job


def job_object(row: RowMapping) -> Dict:
    """Shape a row of ``v_jobs`` as the public job object: JSON decoded, money as decimal text."""
    job = {name: value for name, value in row.items() if name != "cost_micros"}
    cost = row["cost_micros"]
    decoded = {name: json.loads(row[name]) for name in ("params", "labels", "refs")}
    return job | decoded | {"cost": None if cost is None else str(from_micros(int(cost)))}


def story(engine: Engine, key: str, *, batch: str | None = None) -> Dict:
    """Tell all about one job, found by the beginning of its key: ``job``, ``attempts``, ``events`` (seq 0 first) and ``files``.

    Raises InputError when no job or more than one fits.
    """
    fitting = list(jobs(engine, JobFilter(batch=batch, keys=(key,), limit=3)))
    if not fitting:
        raise InputError(f"no job's key begins with {key}")
    if len(fitting) > 1:
        names = ", ".join(f"{job['key']} ({job['batch']})" for job in fitting)
        raise InputError(f"more than one job's key begins with {key}: {names}, …")
    job = fitting[0]
    return {
        "job": job,
        "attempts": [dict(row) | {"superseded": bool(row["superseded"])} for row in _part(engine, "v_attempts", job)],
        "events": [_event_object(row) for row in _part(engine, "v_events", job)],
        "files": [dict(row) for row in _part(engine, "v_files", job)],
    }


def events(engine: Engine, *, batch: str | None = None, after_id: int = 0) -> Iterator[Dict]:
    """Stream the stored events of a batch or of all, oldest first, those with a higher ``event_id`` than ``after_id`` only."""
    view = _VIEWS["v_events"]
    of_batch = [view.c.batch == batch] if batch is not None else []

    def page(after: int) -> Select[Any]:
        return select(view).where(view.c.event_id > after, *of_batch).order_by(view.c.event_id).limit(PAGE)

    for row in _pages(engine, page, "event_id", after=after_id):
        yield _event_object(row)


def span(engine: Engine, batch_id: int) -> tuple[str, str] | None:
    """Give the instants of a batch's first order and of its latest event, None while nothing was ordered."""
    j = s.job.c
    ordered = select(func.min(as_stored(s.attempt.c.opened_at))).select_from(s.attempt.join(s.job, j.id == s.attempt.c.job_id))
    moved = select(func.max(as_stored(j.updated_at)))
    facts = {"begins": ordered, "ends": moved}
    query = select(*(fact.where(j.batch_id == batch_id).scalar_subquery().label(name) for name, fact in facts.items()))
    found = _all(engine, query)[0]
    return None if found["begins"] is None else (found["begins"], found["ends"])


def known_orders(engine: Engine, attempt_ids: Sequence[int]) -> frozenset[int]:
    """Give those of the attempts that the database knows."""
    pages = (attempt_ids[start : start + _IDS] for start in range(0, len(attempt_ids), _IDS))
    return frozenset(row["id"] for page in pages for row in _all(engine, select(s.attempt.c.id).where(s.attempt.c.id.in_(page))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A job's row number, version and state."""

    job_id: int
    version: int
    state: State


def standing(engine: Engine, key: str, *, attempt_id: int) -> Standing | None:
    """Say where the job with that key stands; of several batches that have it, the one that the attempt's number points to."""
    j = s.job.c
    query = select(j.id, j.version, j.state).where(j.key == key).order_by((j.id == attempt_id // ATTEMPTS_PER_JOB).desc(), j.id)
    rows = _all(engine, query.limit(1))
    return Standing(job_id=rows[0]["id"], version=rows[0]["version"], state=State(rows[0]["state"])) if rows else None


def open_orders(engine: Engine) -> frozenset[int]:
    """Give the attempts of all batches whose outcome is not known: a dead run left them, or one is at work."""
    query = select(s.job.c.attempt_id).where(s.job.c.state == literal_column(f"'{State.SUBMITTING.value}'"))
    return frozenset(row["attempt_id"] for row in _all(engine, query) if row["attempt_id"] is not None)


def known_files(engine: Engine, batch: str) -> Iterator[Dict]:
    """Stream what the database knows of a batch's files."""
    joined = s.artifact.join(s.batch, s.batch.c.id == s.artifact.c.batch_id).join(s.job, s.job.c.id == s.artifact.c.job_id)
    columns = [s.job.c.key, *(as_stored(item) for item in s.artifact.c)]

    def page(after: int) -> Select[Any]:
        mine = and_(s.artifact.c.id > after, s.batch.c.name == batch)
        return select(*columns).select_from(joined).where(mine).order_by(s.artifact.c.id).limit(PAGE)

    for row in _pages(engine, page, "id"):
        yield dict(row)


def saved_files(engine: Engine, batch: str) -> tuple[int, int]:
    """Count a batch's verified files and their bytes."""
    a = s.artifact.c
    query = select(func.count().label("files"), func.coalesce(func.sum(a.bytes), 0).label("bytes"))
    mine = and_(s.batch.c.name == batch, a.state == "verified")
    found = _all(engine, query.select_from(s.artifact.join(s.batch, s.batch.c.id == a.batch_id)).where(mine))[0]
    return int(found["files"]), int(found["bytes"])


def saved_folders(engine: Engine, batch_id: int | None = None) -> list[str]:
    """Give the folders in which verified files of a batch stand, or of all, in their order by name."""
    a = s.artifact.c
    mine = () if batch_id is None else (a.batch_id == batch_id,)
    query = select(a.output_dir).distinct().where(a.state == "verified", *mine).order_by(a.output_dir)
    return [row["output_dir"] for row in _all(engine, query)]


def known_paths(engine: Engine, output_dir: str, paths: Sequence[str]) -> set[str]:
    """Give those of the paths below an output folder at which a file of ours is recorded, of whatever batch; case and form are ignored."""
    keys = {path: path_key(path) for path in paths}
    a = s.artifact.c
    query = select(a.path_key).where(a.output_dir == output_dir, a.path_key.in_(sorted(set(keys.values()))))
    recorded = {row["path_key"] for row in _all(engine, query)}
    return {path for path, key in keys.items() if key in recorded}


def rows_of(engine: Engine, view: str, *, batch: str | None = None) -> list[Dict]:
    """Give all rows of one of the short views (failures, cost, latency, throughput, ambiguous)."""
    source = _VIEWS[view]
    query = select(source) if batch is None else select(source).where(source.c.batch == batch)
    return [dict(row) for row in _all(engine, query)]


def kinds_of(view: str) -> Mapping[str, Kind]:
    """Name the columns of a public view in their order, with what each holds; raise InputError for any other name."""
    if view not in _KINDS:
        raise InputError(f"there is no view {view}; there are: {', '.join(_KINDS)}")
    return _KINDS[view]


def view_rows(engine: Engine, view: str, *, batch: str | None = None) -> Iterator[Dict]:
    """Stream a public view, batch by batch, with exactly its columns and the same values on every engine.

    Rows of jobs come in the order in which the jobs were planned, what belongs to one job together and in its own order. Raises InputError
    for a batch that does not exist, before the first row is asked for.
    """
    wanted = batches(engine) if batch is None else [batch_named(engine, batch)]
    claims = [name for name, holds in _KINDS[view].items() if holds is Kind.CLAIM]
    rows = (row for found in wanted for row in _view_rows(engine, view, found))
    return ({**row, **{name: bool(row[name]) for name in claims}} for row in rows)


def _view_rows(engine: Engine, view: str, batch: Batch) -> Iterable[RowMapping | Dict]:
    if view == _JOBS.name:
        return _job_pages(engine, JobFilter(batch=batch.name), None)
    return _parts(engine, view, batch) if view in _PARTS else rows_of(engine, view, batch=batch.name)


def oldest_task(engine: Engine, batch_id: int) -> Dict | None:
    """Give ``key`` and ``submitted_at`` of the task that has been with the vendor longest."""
    joined = s.job.join(s.attempt, s.attempt.c.id == s.job.c.attempt_id)
    since = as_stored(s.attempt.c.settled_at).label("submitted_at")
    submitted = (s.job.c.batch_id == batch_id) & (s.job.c.state == literal_column("'submitted'"))
    rows = _all(engine, select(s.job.c.key, since).select_from(joined).where(submitted).order_by(s.attempt.c.settled_at).limit(1))
    return dict(rows[0]) if rows else None


def learned_costs(engine: Engine) -> dict[PriceKind, int]:
    """Give the last known cost in micros by kind of order."""
    return {ordered: seen[0] for ordered, seen in costs_seen(engine).items()}


def costs_seen(engine: Engine) -> dict[PriceKind, list[int]]:
    """Give recent costs in micros by kind of order, the latest first; no list is empty."""
    costs: dict[PriceKind, list[int]] = {}
    for row in _all(engine, _latest_results(("submit_accepted", "render_finished"), s.attempt.c.cost_micros)):
        if row["cost_micros"]:
            ordered = kind(row["operation"], json.loads(row["params"]), references=len(json.loads(row["refs"])))
            costs.setdefault(ordered, []).append(row["cost_micros"])
    return costs


def estimated(engine: Engine, batch_id: int) -> tuple[int, int]:
    """Give what the orders of a batch that told their cost had been estimated at, and what they cost, in micros."""
    a = s.attempt.c
    told = (s.job.c.batch_id == batch_id, a.outcome == Outcome.ACCEPTED.value, a.cost_micros.is_not(None), a.est_micros.is_not(None))
    sums = select(func.sum(a.est_micros).label("estimate"), func.sum(a.cost_micros).label("cost"))
    row = _all(engine, sums.select_from(s.attempt.join(s.job, s.job.c.id == a.job_id)).where(*told))[0]
    return int(row["estimate"] or 0), int(row["cost"] or 0)


def learned_latency(engine: Engine) -> dict[tuple[str, str], list[float]]:
    """Give recent durations in seconds from accepted to rendered, by (model, resolution), the latest first."""
    durations: dict[tuple[str, str], list[float]] = {}
    instants = (as_stored(s.attempt.c.settled_at), as_stored(s.attempt.c.rendered_at))
    tasks = s.attempt.c.task_id.not_like(f"{SYNCHRONOUS}%")
    for row in _all(engine, _latest_results(("render_finished",), *instants).where(tasks)):
        shape = (row["model"], json.loads(row["params"]).get("resolution", ""))
        took = from_text(row["rendered_at"]) - from_text(row["settled_at"])
        durations.setdefault(shape, []).append(took.total_seconds())
    return durations


def _latest_results(words: Sequence[str], *facts: ColumnElement[Any]) -> Select[Any]:
    recent = select(s.event.c.id, s.event.c.attempt_id).order_by(s.event.c.id.desc()).where(s.event.c.event.in_(words)).limit(LEARN_FROM)
    latest = recent.subquery()
    joined = latest.join(s.attempt, s.attempt.c.id == latest.c.attempt_id).join(s.job, s.job.c.id == s.attempt.c.job_id)
    order = (s.job.c.operation, s.job.c.model, s.job.c.params, s.job.c.refs)
    return select(*order, *facts).select_from(joined).order_by(latest.c.id.desc())


def _job_pages(engine: Engine, wanted: JobFilter, state: State | None) -> Iterator[RowMapping]:
    conditions: list[ColumnElement[bool]] = [
        _JOBS.c[name] == value
        for name in ("batch", "model", "sweep", "prompt_id", "reason")
        if (value := getattr(wanted, name)) is not None
    ]
    if state is not None:
        conditions.append(_JOBS.c.state == literal_column(f"'{state.value}'"))
    if wanted.keys:
        conditions.append(_begins_with(wanted.keys))

    def page(after: int) -> Select[Any]:
        return select(_JOBS).where(_JOBS.c.job_id > after, *conditions).order_by(_JOBS.c.job_id).limit(PAGE)

    return _pages(engine, page, "job_id")


def _begins_with(keys: Sequence[str]) -> ColumnElement[bool]:
    """Write a range per beginning, so that the index on the key is used; ``g`` follows the last hexadecimal digit."""
    ranges = [and_(_JOBS.c.key >= key, _JOBS.c.key < key + "g") for key in keys]
    return or_(*ranges)


def _part(engine: Engine, view: str, job: Dict) -> Sequence[RowMapping]:
    source = _VIEWS[view]
    mine = and_(source.c.key == job["key"], source.c.batch == job["batch"])
    return _all(engine, select(source).where(mine).order_by(source.c[_PARTS[view]]))


def _parts(engine: Engine, view: str, batch: Batch) -> Iterator[RowMapping]:
    """Stream a view of what belongs to jobs, some hundreds of jobs at a time: its own columns have no order that an index could follow."""
    source, j = _VIEWS[view], s.job.c

    def page(after: int) -> Select[Any]:
        return select(j.id, j.key).where(j.id > after, j.batch_id == batch.id).order_by(j.id).limit(_IDS)

    for some in _paged(engine, page, "id"):
        place = {row["key"]: number for number, row in enumerate(some)}
        rows = _all(engine, select(source).where(source.c.batch == batch.name, source.c.key.in_(place)))
        yield from sorted(rows, key=lambda row: (place[row["key"]], row[_PARTS[view]]))


def _event_object(row: RowMapping) -> Dict:
    return dict(row) | {"detail": json.loads(row["detail"]), "is_decision": bool(row["is_decision"])}


def _has(found: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(str(found.get(name)) == value for name, value in wanted.items())


def _pages(engine: Engine, page: Callable[[int], Select[Any]], place: str, *, after: int = 0) -> Iterator[RowMapping]:
    for rows in _paged(engine, page, place, after=after):
        yield from rows


def _paged(engine: Engine, page: Callable[[int], Select[Any]], place: str, *, after: int = 0) -> Iterator[Sequence[RowMapping]]:
    while rows := _all(engine, page(after)):
        yield rows
        after = rows[-1][place]


def _all(engine: Engine, query: Select[Any]) -> Sequence[RowMapping]:
    return look(engine, lambda connection: connection.execute(query).mappings().all())
