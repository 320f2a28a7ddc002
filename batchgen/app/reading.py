"""Read the job database for people and for machines; nothing is changed."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from operator import itemgetter
from typing import Any

from batchgen.app import archiving, database
from batchgen.app.clock import SystemClock
from batchgen.app.figures import Figures, figures_of
from batchgen.app.standing import Standing, standing
from batchgen.app.vendor import dialect_of, unit_of
from batchgen.app.wording import counted
from batchgen.core.errors import InputError
from batchgen.core.money import from_micros, shown
from batchgen.core.states import Outcome, State
from batchgen.core.steering import Request, at_local
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import commands, queries
from batchgen.store.archived import Archived
from batchgen.store.engine import Database, open_engine
from batchgen.store.instants import from_text
from batchgen.store.queries import JobFilter

__all__ = [
    "JobFilter",
    "Row",
    "Status",
    "Story",
    "archived",
    "batch_named",
    "counts",
    "events",
    "jobs",
    "public",
    "reading",
    "status",
    "story",
]

Row = dict[str, Any]
"""A JSON object."""


@contextmanager
def reading(settings: Settings) -> Iterator[Database]:
    """Open the database for reading; raise StoreError when there is none, SchemaError when its schema is not this program's."""
    engine = open_engine(database.require(settings), readonly=True)
    try:
        yield engine
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One batch as it stands."""

    name: str
    output_dir: str
    figures: Figures
    oldest_task: Mapping[str, Any] | None
    result_ttl: timedelta | None
    steering: Standing
    at: datetime

    def as_object(self) -> Row:
        """Give the status as JSON."""
        figures, totals = self.figures, self.figures.totals
        money = {name: str(from_micros(getattr(totals, name))) for name in ("spent", "reserved", "held")}
        return {
            "batch": self.name,
            "output_dir": self.output_dir,
            "jobs": totals.jobs,
            "states": {state.value: count for state, count in totals.states.items()},
            "money": {**money, "unit": figures.unit, "orders": totals.orders, "unpriced": figures.doubts.unpriced},
            "ambiguous": [dict(row) for row in figures.ambiguous],
            "failures": [dict(row) for row in figures.failures],
            "oldest_task": dict(self.oldest_task) if self.oldest_task else None,
            "steering": self.steering.as_object(),
            "figures": figures.as_object(),
            "at": _text(self.at),
        }

    def lines(self) -> Iterator[str]:
        """Give the status for people, what needs a decision first."""
        totals, doubts, unit = self.figures.totals, self.figures.doubts, self.figures.unit
        yield f"{self.name}  ({counted(totals.jobs, 'job')}, images in {self.output_dir})"
        yield from self.figures.decision(is_loud=True)
        yield from self.steering.lines(self.figures.command)
        for state in State:
            if count := totals.states[state]:
                yield f"  {count:>9} {state.value:<10} {state.meaning}"
        yield f"  {counted(totals.orders, 'order')}; {self.figures.money}"
        if doubts.unproven:
            amount = shown(doubts.unproven_micros or None, unit)
            yield f"    in doubt, no decision needed: {amount} for {counted(doubts.unproven, 'order')} answered with"
            yield "    a server error, then sent again or given up by policy"
        if self.oldest_task:
            since = self.oldest_task["submitted_at"]
            yield f"  oldest task since {since}"
            if self.result_ttl is not None:
                yield f"    its result is kept at least until {from_text(since) + self.result_ttl:%Y-%m-%d %H:%M} UTC"
        yield from self.figures.lines()
        if self.steering.run is not None:
            yield f"  {self.steering.at_work} since {at_local(self.steering.run['started_at'])}"
        if self.figures.next is not None:
            yield f"  next: {self.figures.next}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known of one job; ``unit`` is that of its money."""

    told: Row
    unit: str

    def as_object(self) -> Row:
        """Give the story as JSON."""
        return {**self.told, "job": public(self.told["job"])}

    def lines(self) -> Iterator[str]:
        """Tell the story, oldest first."""
        job = self.told["job"]
        yield f"{job['key']}  {job['state']}" + (f" ({job['reason']})" if job["reason"] else "")
        yield f"  prompt     {job['prompt']}"
        yield f"  operation  {job['operation']}"
        yield f"  params     {', '.join(f'{name}={value}' for name, value in job['params'].items())}"
        for reference in job["refs"]:
            yield f"  reference  {_reference(reference)}"
        yield f"  row        {job['batch']} / {job['sweep']} / {job['prompt_id']} / {job['cell']} / sample {job['sample']}"
        if job["path"]:
            yield f"  file       {job['output_dir']}/{job['path']}"
            yield f"             {job['width']}x{job['height']}, {job['bytes']} bytes, sha256 {job['sha256']}"
        for attempt in self.told["attempts"]:
            priced = f", {self._price(attempt)}" if Outcome(attempt["outcome"]).is_chargeable else ""
            why = f" ({attempt['reason']}: {attempt['detail']})" if attempt["reason"] else ""
            yield f"  order {attempt['n']}  {attempt['outcome']}{priced}, task {attempt['task_id'] or '-'}, {attempt['opened_at']}{why}"
        for event in self.told["events"]:
            reason = f": {event['reason']}" if event["reason"] else ""
            yield f"  {event['at']}  {event['event']} -> {event['after']} by {event['actor']}{reason}"

    def _price(self, attempt: Row) -> str:
        cost = attempt["cost_micros"] if attempt["cost_micros"] is not None else attempt["est_micros"]
        return "price unknown" if cost is None else shown(cost, self.unit)


def batch_named(settings: Settings, name: str | None) -> str:
    """Give the batch of that name, or the only one; raise InputError that lists the names otherwise."""
    with reading(settings) as engine:
        return queries.batch_named(engine, name).name


def status(settings: Settings, name: str | None) -> list[Status]:
    """Give the status of one batch, or of all, without those that are archived."""
    with reading(settings) as engine:
        away = {archive.batch for archive in archiving.listed(engine, name)}
        wanted = queries.batches(engine) if name is None or away else [queries.batch_named(engine, name)]
        here = [batch for batch in wanted if name in {None, batch.name} and batch.name not in away]
        return [_status(engine, batch, database.command(settings)) for batch in here]


def archived(settings: Settings, name: str | None) -> list[Archived]:
    """Give the archived batches, or the one of that name if it is archived."""
    with reading(settings) as engine:
        return archiving.listed(engine, name)


def counts(settings: Settings, name: str) -> Mapping[State, int]:
    """Count the jobs of a batch by state; empty while the batch or its database is still being made."""
    if database.revisions(settings)[0] is None:
        return {}
    with reading(settings) as engine:
        found = [batch for batch in queries.batches(engine) if batch.name == name]
        return queries.totals(engine, found[0].id).states if found else {}


def jobs(settings: Settings, wanted: JobFilter) -> Iterator[Row]:
    """Stream job objects, in the order of their planning; raise InputError for a batch that does not exist."""
    with reading(settings) as engine:
        if wanted.batch is not None:
            queries.batch_named(engine, wanted.batch)
        for row in queries.jobs(engine, wanted):
            yield public(row)


def story(settings: Settings, key: str) -> Story:
    """Tell one job's story; raise InputError when the key's beginning fits none or several."""
    with reading(settings) as engine:
        told = queries.story(engine, key)
        plan = queries.latest_plan(engine, queries.batch_named(engine, told["job"]["batch"]).id)
        return Story(told=told, unit=unit_of(RunSettings.from_json(plan.settings).provider))


def events(settings: Settings, batch: str | None, *, key: str | None, limit: int | None) -> Iterator[Row]:
    """Stream transitions and, among them, what operators asked of runs, oldest first; with ``limit`` the newest only."""
    with reading(settings) as engine:
        name = queries.batch_named(engine, batch).name if batch is not None else None
        if key is not None:
            told = queries.story(engine, key, batch=name)["events"]
            yield from told[-limit:] if limit else told
            return
        found = _with_requests(engine, name)
        yield from found if limit is None else deque(found, maxlen=limit)


def _with_requests(engine: Database, batch: str | None) -> Iterator[Row]:
    """Put the requests of one batch, or of all, among the transitions by the time at which they were asked."""
    names = {found.id: found.name for found in queries.batches(engine) if batch in {None, found.name}}
    asked = [_request_event(names[number], request) for number, request in commands.history(engine, names)]
    return merge(queries.events(engine, batch=batch), asked, key=itemgetter("at"))


def _request_event(batch: str, request: Request) -> Row:
    """Shape a request as an event that is no job's."""
    nobody = dict.fromkeys(("event_id", "key", "seq", "before", "after", "run_id", "attempt_id"))
    taken_at = None if request.taken_at is None else _text(request.taken_at)
    detail = {"argument": request.argument, "taken_at": taken_at}
    what = {"batch": batch, "event": f"{request.kind}_asked", "actor": request.actor, "reason": "", "detail": detail}
    return {**nobody, **what, "at": _text(request.asked_at), "is_decision": False}


def public(row: Row) -> Row:
    """Shape a job row as the public job object: money as decimal text, no internal numbers."""
    return {name: value for name, value in row.items() if name not in {"job_id", "refs", "position"}}


def _status(engine: Database, batch: queries.Batch, command: str) -> Status:
    at = SystemClock().now()
    run = RunSettings.from_json(queries.latest_plan(engine, batch.id).settings)
    steering = standing(engine, batch, now=at)
    is_at_work = steering.run is not None
    until = at if is_at_work else None
    figures = figures_of(engine, batch, command=command, is_at_work=is_at_work, until=until)
    return Status(
        name=batch.name,
        output_dir=batch.output_dir,
        figures=figures,
        result_ttl=_result_ttl(run),
        oldest_task=queries.oldest_task(engine, batch.id) if figures.totals.states[State.SUBMITTED] else None,
        steering=steering,
        at=at,
    )


def _reference(reference: Row) -> str:
    """Name a reference image by its role, its name, and where it is or what it holds."""
    return f"{reference.get('role', 'images')} {reference['name']} {reference.get('url') or reference['sha256'][:8]}"


def _result_ttl(run: RunSettings) -> timedelta | None:
    """Say how long a vendor keeps a result; None for a vendor whose language is not here any more."""
    try:
        return timedelta(seconds=dialect_of(run.provider).result_ttl_s)
    except InputError:
        return None


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
