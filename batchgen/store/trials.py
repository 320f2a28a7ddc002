"""Rows to try before the rest: what there is to choose from, which they are, and what became of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, select

from batchgen.core.canary import Stratum, Tried
from batchgen.core.jobs import SYNCHRONOUS
from batchgen.core.money import Micros
from batchgen.core.states import Outcome, State
from batchgen.store import schema as s
from batchgen.store.ledger import in_state

_J: Final = s.job.c
_ALIKE: Final = (_J.sweep, _J.operation, _J.params)
_BOUGHT: Final = (Outcome.ACCEPTED.value, Outcome.AMBIGUOUS.value, Outcome.UNPROVEN.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Planned rows that differ in prompt and sample alone; ``alike`` tells them from the others."""

    stratum: Stratum
    alike: tuple[str, str, str]


def choices(connection: Connection, batch_id: int) -> list[Choice]:
    """Give what may be tried, in running order; every parameter is an axis, and so are sweep and operation."""
    planned = (_J.batch_id == batch_id, in_state(State.PLANNED))
    query = select(*_ALIKE, func.count().label("rows")).where(*planned).group_by(*_ALIKE).order_by(func.min(_J.position))
    found = [(tuple(row[:3]), row[3]) for row in connection.execute(query)]
    names = sorted({name for alike, _ in found for name in json.loads(alike[2])})
    return [Choice(stratum=Stratum(values=_axes(alike, names), rows=rows), alike=alike) for alike, rows in found]


def rows_alike(connection: Connection, batch_id: int, choice: Choice, limit: int) -> list[int]:
    """Give the first planned rows of a choice, of different prompts as far as there are any."""
    alike = and_(*(column == value for column, value in zip(_ALIKE, choice.alike, strict=True)))
    query = select(_J.id).where(_J.batch_id == batch_id, in_state(State.PLANNED), alike).order_by(_J.sample, _J.position).limit(limit)
    return list(connection.scalars(query))


def results(connection: Connection, ids: Sequence[int]) -> list[Tried]:
    """Say what became of these rows, in running order."""
    query = select(_J.id, _J.sweep, _J.cell, _J.state).where(_J.id.in_(ids)).order_by(_J.position)
    return [_tried(connection, *row) for row in connection.execute(query).all()]


def _axes(alike: tuple[Any, ...], names: Sequence[str]) -> list[tuple[str, str]]:
    sweep, operation, params = alike
    values = json.loads(params)
    return [("sweep", sweep), ("operation", operation), *((name, str(values.get(name, ""))) for name in names)]


def _tried(connection: Connection, job_id: int, sweep: str, cell: str, state: str) -> Tried:
    a = s.attempt.c
    begun: ColumnElement[Any] = func.coalesce(a.settled_at, a.opened_at)
    facts = (a.outcome, a.task_id, a.est_micros, a.cost_micros, a.opened_at, begun.label("begun_at"), a.rendered_at)
    orders = connection.execute(select(*facts).where(a.job_id == job_id, a.outcome.in_(_BOUGHT)).order_by(a.n)).all()
    latencies = [
        (row.rendered_at - (row.opened_at if (row.task_id or "").startswith(SYNCHRONOUS) else row.begun_at)).total_seconds()
        for row in orders
        if row.rendered_at is not None
    ]
    return Tried(
        cell=f"{sweep}/{cell}",
        is_saved=state == State.SAVED.value,
        cost=_sum([row.cost_micros for row in orders]),
        estimate=_sum([row.est_micros for row in orders]),
        latency_s=latencies[-1] if latencies else None,
    )


def _sum(amounts: Sequence[int | None]) -> Micros | None:
    """Add up; None as soon as one is unknown, and where there is none."""
    known = [amount for amount in amounts if amount is not None]
    return Micros(sum(known)) if known and len(known) == len(amounts) else None
