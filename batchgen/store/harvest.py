"""What a run has brought home so far, by its events.

No index leads from a run to its events; but events are only ever added. So they are read backwards from the newest, page by page, each in a
transaction of its own, until they are older than the run.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Row, Select, func, select

from batchgen.core.jobs import SYNCHRONOUS
from batchgen.core.states import State
from batchgen.store import schema as s
from batchgen.store.queries import LEARN_FROM, look

_PAGE: Final = 20_000
_PAGES: Final = 50
"""A million events: more are not looked through for a figure."""
_LATE: Final = timedelta(minutes=2)
"""An event may wait so long for its commit: among runs that work at the same time, numbers and instants differ in order."""
_LATELY: Final = 5_000
"""How many of the newest events tell how it goes."""
_PROBLEMS: Final = 5
_E: Final = s.event.c
_SAVED: Final = "images_saved"
_RENDERED: Final = "render_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """The jobs that a run has saved, and by model how many seconds its latest tasks took, in no order.

    A task is measured from its acceptance to its result; from the sending of the order where the answer was the result.
    """

    saved: int
    durations: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """When a run saved its latest jobs, the latest first, and its latest setbacks: the job's key, its state since, the reason."""

    saved_at: Sequence[datetime]
    setbacks: Sequence[tuple[str, State, str]]


def harvest(engine: Engine, run_id: int) -> Harvest | None:
    """Count what a run has saved; None where its events are too many, or lie too far back, to be counted quickly."""
    saved, first = 0, sys.maxsize
    begun_at: datetime = look(engine, lambda c: c.execute(select(s.run.c.started_at).where(s.run.c.id == run_id)).scalar_one())
    for _ in range(_PAGES):
        page = _page(engine, run_id, before=first)
        saved += page.saved
        if page.first is None or (page.oldest_run is not None and page.oldest_run < run_id and page.oldest_at < begun_at - _LATE):
            return Harvest(saved=saved, durations=_durations(engine, run_id, since=page.first or first))
        first = page.first
    return None


def lately(engine: Engine, run_id: int) -> Lately:
    """Look at the newest events of a run."""
    newest = select(_E.id, _E.job_id, _E.run_id, _E.event, _E.before, _E.after, _E.reason, _E.at).order_by(_E.id.desc()).limit(_LATELY)
    e = newest.subquery().c
    saved = select(e.at).where(e.run_id == run_id, e.event == _SAVED).order_by(e.id.desc())
    fell = (e.run_id == run_id, e.after.in_((State.FAILED.value, State.AMBIGUOUS.value)), e.before != e.after)
    setbacks = (
        select(s.job.c.key, e.after, e.reason).join(s.job, s.job.c.id == e.job_id).where(*fell).order_by(e.id.desc()).limit(_PROBLEMS)
    )
    return Lately(
        saved_at=look(engine, lambda c: list(c.scalars(saved))),
        setbacks=[(key, State(after), reason) for key, after, reason in look(engine, lambda c: c.execute(setbacks).all())],
    )


def _page(engine: Engine, run_id: int, *, before: int) -> Row[Any]:
    """Look through the page of events before one: the run's jobs that were saved, the first event, the earliest run."""
    page = select(_E.id, _E.run_id, _E.event, _E.at).where(_E.id < before).order_by(_E.id.desc()).limit(_PAGE).subquery().c
    is_saved = (page.run_id == run_id) & (page.event == _SAVED)
    facts = select(
        func.count().filter(is_saved).label("saved"),
        func.min(page.id).label("first"),
        func.min(page.run_id).label("oldest_run"),
        func.min(page.at).label("oldest_at"),
    )
    return look(engine, lambda c: c.execute(facts).one())


def _durations(engine: Engine, run_id: int, *, since: int) -> Mapping[str, Sequence[float]]:
    found: dict[str, list[float]] = {}
    for row in look(engine, lambda c: c.execute(_results(run_id, since)).all()):
        begun_at = row.opened_at if row.task_id.startswith(SYNCHRONOUS) else row.settled_at
        found.setdefault(row.model, []).append((row.rendered_at - begun_at).total_seconds())
    return found


def _results(run_id: int, since: int) -> Select[Any]:
    """Ask for the orders of a run's latest results; one whose address was asked for anew is one order all the same."""
    mine = (_E.id >= since, _E.run_id == run_id, _E.event == _RENDERED)
    latest = select(_E.attempt_id).where(*mine).order_by(_E.id.desc()).limit(LEARN_FROM)
    a = s.attempt.c
    facts = select(s.job.c.model, a.task_id, a.opened_at, a.settled_at, a.rendered_at)
    return facts.select_from(s.attempt.join(s.job, s.job.c.id == a.job_id)).where(a.id.in_(latest), a.rendered_at.is_not(None))
