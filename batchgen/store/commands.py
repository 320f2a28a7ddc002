"""Requests of operators to the run of a batch: asked by one process, followed by another. Each access is one short transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, RowMapping, Select, and_, func, insert, or_, select, update

from batchgen.core.exits import Exit
from batchgen.core.steering import Kind, Request
from batchgen.store import schema as s
from batchgen.store.engine import place_of, reading
from batchgen.store.faults import translated

CANARY: Final = "canary"
"""How a run ends that only tried some rows before the rest: the process goes on with the next run."""
_OWN_ENDS: Final = (Exit.DONE.value, Exit.UNDECIDED.value, Exit.LIMIT.value)
_C: Final = s.command.c


def ask(connection: Connection, batch_id: int, request: Request) -> int:
    """Write a request down and give its number."""
    row = insert(s.command).values(
        batch_id=batch_id, kind=request.kind.value, argument=request.argument, actor=request.actor,
        created_at=request.asked_at, taken_at=request.taken_at, run_id=request.run_id,
    )  # fmt: skip
    return int(connection.execute(row.returning(_C.id)).scalar_one())


def take(connection: Connection, ids: Sequence[int], *, at: datetime, again: bool = False) -> None:
    """Note that a run has followed these requests, the first of several that do; a limit that a run takes over is taken ``again``."""
    wanted = _C.id.in_(ids) if again else and_(_C.id.in_(ids), _C.taken_at.is_(None))
    connection.execute(update(s.command).where(wanted).values(taken_at=at))


def asked(connection: Connection, batch_id: int, run_id: int) -> list[Request]:
    """Give what was ever asked of all runs of a batch, or of this one, whether or not one has followed it, oldest first."""
    mine = or_(_C.run_id.is_(None), _C.run_id == run_id)
    return _requests(connection, _of(batch_id).where(mine, _C.kind != Kind.START.value))


def waiting(connection: Connection, batch_id: int) -> list[Request]:
    """Give the requests that no run has followed, oldest first."""
    return _requests(connection, _of(batch_id).where(_C.taken_at.is_(None)))


def pause(connection: Connection, batch_id: int) -> Request | None:
    """Give the request by which the batch is paused, whichever run has followed it; None when it is not."""
    query = _of(batch_id).where(_C.kind.in_((Kind.PAUSE.value, Kind.UNPAUSE.value)), _C.run_id.is_(None))
    last = _requests(connection, query.order_by(None).order_by(_C.id.desc()).limit(1))
    return last[0] if last and last[0].kind is Kind.PAUSE else None


def lasting(connection: Connection, batch_id: int) -> list[Request]:
    """Give the limits that hold beyond the run that took them: since the runs at work last came to an end of their own, none has."""
    r = s.run.c
    at_work = connection.scalar(select(func.min(r.started_at)).where(r.batch_id == batch_id, r.ended_at.is_(None)))
    came_to_an_end = and_(r.batch_id == batch_id, r.exit_code.in_(_OWN_ENDS), r.stop_reason != CANARY)
    if at_work is not None:
        came_to_an_end = and_(came_to_an_end, r.ended_at <= at_work)
    end = connection.scalar(select(func.max(r.ended_at)).where(came_to_an_end))
    since = _C.taken_at.is_not(None) if end is None else _C.taken_at > end
    return _requests(connection, _of(batch_id).where(_C.kind == Kind.LIMIT.value, _C.run_id.is_(None), since))


def followed(connection: Connection, batch_id: int, *, since: datetime) -> list[Request]:
    """Give what was said of limits that a run has followed since, in the order in which it did."""
    query = _of(batch_id).where(_C.kind.in_((Kind.LIMIT.value, Kind.START.value)), _C.run_id.is_(None), _C.taken_at >= since)
    return _requests(connection, query.order_by(None).order_by(_C.taken_at, _C.id))


def history(engine: Engine, batch_ids: Iterable[int]) -> list[tuple[int, Request]]:
    """Give what was asked from outside of the runs of these batches, with the batch's number, oldest first."""
    typed = [kind.value for kind in Kind if kind.is_typed]
    query = select(s.command).where(_C.batch_id.in_(list(batch_ids)), _C.kind.in_(typed)).order_by(_C.id)
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        return [(row["batch_id"], _request(row)) for row in connection.execute(query).mappings()]


def _of(batch_id: int) -> Select[tuple[object, ...]]:
    return select(s.command).where(_C.batch_id == batch_id).order_by(_C.id)


def _requests(connection: Connection, query: Select[tuple[object, ...]]) -> list[Request]:
    return [_request(row) for row in connection.execute(query).mappings()]


def _request(row: RowMapping) -> Request:
    return Request(
        id=row["id"], kind=Kind(row["kind"]), argument=row["argument"], actor=row["actor"], asked_at=row["created_at"],
        taken_at=row["taken_at"], run_id=row["run_id"],
    )  # fmt: skip
