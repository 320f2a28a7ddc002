"""What the runs of a batch tell each other: how they divide its limits, and when a vendor wants to be left alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select

from batchgen.core.sharing import Part, Share, larger
from batchgen.core.states import LIVE, State
from batchgen.store import commands, runs
from batchgen.store import schema as s
from batchgen.store.engine import keep_row, one_at_a_time, time_of
from batchgen.store.ledger import in_state
from batchgen.store.rows import read_totals

_J = s.job.c

Shares = Mapping[str, Share]
"""A run's shares by model; "" stands for the limits of all models together."""

Divide = Callable[[Part, Mapping[str, list[Share]]], Shares]
"""Say what a run may take, by its part and by what the others hold of each model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Until when a vendor is left alone, by the database's clock."""

    shut_until: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """What a run learns of the others.

    How many they are with itself, how many of them order with the same key, its own shares among those, the vendor's gate, and all of the
    batch's jobs by state.
    """

    at: datetime
    runs: int
    members: int
    shares: Shares
    gate: Gate | None
    states: Mapping[State, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A run that meets the others.

    ``held`` is what it still has or may take until it hears of the meeting: others count on no more than what is left beside it. ``gate``
    is what the vendor has wished of it.
    """

    run_id: int
    batch_id: int
    vendor: str
    held: Shares
    gate: Gate | None = None


def meet(connection: Connection, visitor: Visitor, divide: Divide) -> Meeting:
    """Take what ``divide`` gives, one run of the batch after the other, and bring the vendor's gate up to date.

    Raises LeaseLostError when the run was taken for dead.
    """
    run_id, batch_id = visitor.run_id, visitor.batch_id
    one_at_a_time(connection, batch_id)
    runs.require_alive(connection, run_id)
    at_work = {row["id"]: row["key_name"] for row in runs.unended(connection, batch_id)}
    members = [member for member, key_name in at_work.items() if key_name == at_work[run_id]]
    others: dict[str, list[Share]] = {}
    for row in connection.execute(select(s.share).where(s.share.c.run_id.in_(members), s.share.c.run_id != run_id)):
        others.setdefault(row.model, []).append(Share(in_flight=row.in_flight, submits_per_s=row.submits_per_s))
    shares = divide(Part(rank=members.index(run_id), members=len(members)), others)
    _keep(connection, run_id, {model: larger(share, visitor.held.get(model, Share())) for model, share in shares.items()})
    totals = read_totals(connection, [batch_id])
    return Meeting(
        at=time_of(connection),
        runs=len(at_work),
        members=len(members),
        shares=shares,
        gate=_gate(connection, visitor.vendor, visitor.gate),
        states={State(state): jobs for (_, state), jobs in totals.items()},
    )


def wanting(connection: Connection, *, at: datetime) -> list[str]:
    """Name the batches that have something to do which no run has in hand, oldest first; a paused one wants nothing."""
    due = or_(_J.next_at.is_(None), _J.next_at <= at)
    found = _batches_with(connection, *(_job(state, _J.run_id.is_(None)) for state in LIVE))
    planned = _batches_with(connection, _job(State.PLANNED, _J.run_id.is_(None), due))
    found |= {batch_id: name for batch_id, name in planned.items() if commands.pause(connection, batch_id) is None}
    return [name for _, name in sorted(found.items())]


def unfinished(connection: Connection) -> list[str]:
    """Name the batches that have something to do, whoever has it in hand, oldest first."""
    found = _batches_with(connection, *(_job(state) for state in (State.PLANNED, *LIVE)))
    return [name for _, name in sorted(found.items())]


def _job(state: State, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say that the batch has such a job.

    The first in the order of the state's own index is asked for: an EXISTS would let PostgreSQL read the whole table once for all batches.
    """
    order = _J.position if state is State.PLANNED else _J.id
    first = select(_J.id).where(_J.batch_id == s.batch.c.id, in_state(state), *conditions).order_by(order).limit(1)
    return first.correlate(s.batch).scalar_subquery().is_not(None)


def _batches_with(connection: Connection, *jobs: ColumnElement[bool]) -> dict[int, str]:
    """Give number and name of the batches of which one of the conditions holds."""
    rows = select(s.batch.c.id, s.batch.c.name).where(or_(*jobs))
    return {row.id: row.name for row in connection.execute(rows)}


def _keep(connection: Connection, run_id: int, shares: Shares) -> None:
    connection.execute(delete(s.share).where(s.share.c.run_id == run_id))
    rows = [
        {"run_id": run_id, "model": model, "in_flight": share.in_flight, "submits_per_s": share.submits_per_s}
        for model, share in shares.items()
    ]
    if rows:
        connection.execute(insert(s.share), rows)


def _gate(connection: Connection, vendor: str, own: Gate | None) -> Gate | None:
    """Let the later of two wishes of a vendor stand, and give it."""
    row = connection.execute(select(s.gate.c.shut_until, s.gate.c.why).where(s.gate.c.vendor == vendor)).first()
    known = None if row is None else Gate(shut_until=row.shut_until, why=row.why)
    if own is None or (known is not None and known.shut_until >= own.shut_until):
        return known
    keep_row(connection, s.gate, {"vendor": vendor, "shut_until": own.shut_until, "why": own.why})
    return own
