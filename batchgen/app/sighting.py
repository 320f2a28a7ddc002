"""See from outside how a run goes: by the job database alone, read briefly each time."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from batchgen.app import database
from batchgen.app.clock import SystemClock
from batchgen.app.processes import living
from batchgen.app.reading import reading
from batchgen.app.reports import Sight
from batchgen.app.standing import Standing, standing
from batchgen.app.vendor import unit_of
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.core.steering import Kind, at_local
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import commands, queries
from batchgen.store.engine import Database
from batchgen.store.harvest import lately
from batchgen.store.instants import from_text

_RATE_OVER: Final = timedelta(minutes=5)


def at_work(settings: Settings, batch: str | None) -> Standing | None:
    """Find the batch of that name, or any, that a process works on; None when none does."""
    now = SystemClock().now()
    with reading(settings) as engine:
        run = living(engine, now=now)
        if batch is None and run is None:
            return None
        known = next((each.name for each in queries.batches(engine) if run and each.id == run["batch_id"]), None)
        found = standing(engine, queries.batch_named(engine, batch or known), now=now)
    return None if found.run is None else found


def see(settings: Settings, batch: str) -> Sight | None:
    """Look at a batch on which a process works; None when none does."""
    at = SystemClock().now()
    with reading(settings) as engine:
        now = standing(engine, queries.batch_named(engine, batch), now=at)
        return None if now.run is None else _sight(engine, now, now.run, command=database.command(settings), at=at)


def _sight(engine: Database, now: Standing, run: Mapping[str, Any], *, command: str, at: datetime) -> Sight:
    totals, doubts, recent = queries.totals(engine, now.batch.id), queries.doubts(engine, now.batch.id), lately(engine, run["id"])
    oldest = queries.oldest_task(engine, now.batch.id) if totals.states[State.SUBMITTED] else None
    return Sight(
        states=totals.states,
        unit=unit_of(RunSettings.from_json(queries.latest_plan(engine, now.batch.id).settings).provider),
        spent=None if doubts.unpriced and not totals.spent else Micros(totals.spent),
        cap=now.limits.budget_cost,
        per_minute=_per_minute([saved for saved in recent.saved_at if saved > at - _RATE_OVER], at),
        oldest_task_s=0.0 if oldest is None else max(0.0, (at - from_text(oldest["submitted_at"])).total_seconds()),
        pause=now.pause(command),
        stopping="; ".join(_stops(engine, now, since=run["started_at"])),
        problems=[f"{key[:8]} {state}: {reason}" for key, state, reason in recent.setbacks],
        show=f"{command} jobs {now.batch.name} --state ambiguous",
        at=at,
    )


def _per_minute(saved: list[datetime], at: datetime) -> float:
    """Give the rate since the earliest of some images; two make a rate."""
    return 60 * len(saved) / max(1.0, (at - min(saved)).total_seconds()) if len(saved) > 1 else 0.0


def _stops(engine: Database, now: Standing, *, since: datetime) -> Iterator[str]:
    """Say who has asked the run to end."""
    for _, request in commands.history(engine, [now.batch.id]):
        if request.kind is Kind.STOP and request.asked_at >= since:
            yield f"{request.actor} asked it to end at {at_local(request.asked_at)}"
