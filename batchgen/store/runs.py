"""Processes at work: who runs, since when, until when it counts as alive, what it has in hand, and how it ended.

Theory of operation. A run's row is its fence. Every transaction in which a run records or claims something holds that row shared, and needs
it to be without an end; whoever takes a silent run for dead writes the end into it, and so waits for that transaction and stops every
later one. What a run has in hand it names by ``job.run_id``; with its end all of it is free for whoever comes next. How long a run may be
silent is its lease, which the database's clock measures. On SQLite one run holds the whole database by a lock on a file, and needs none.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from batchgen.core.errors import LeaseLostError
from batchgen.core.reconciling import Use
from batchgen.store import numbers
from batchgen.store import schema as s
from batchgen.store.engine import one_at_a_time, time_of

DIED = "died"
_R = s.run.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Who runs: ``boot_id`` tells a live pid from one of an earlier boot, ``key_name`` is the variable of the API key it orders with."""

    host: str
    pid: int
    boot_id: str
    tool_version: str
    key_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended; the balance in micros, where the vendor told it."""

    stop_reason: str
    exit_code: int
    balance_after: int | None = None


def start(connection: Connection, *, batch_id: int, process: Process, at: datetime, lease_s: float | None = None) -> int:
    """Write the run's row and give its id.

    Without a lease the caller holds the run lock, so runs that never ended are marked as died.
    """
    if lease_s is None:
        bury(connection, list(connection.scalars(select(_R.id).where(_R.ended_at.is_(None)))), at=at)
    row = insert(s.run).values(
        batch_id=batch_id, host=process.host, pid=process.pid, boot_id=process.boot_id, tool_version=process.tool_version,
        started_at=at, heartbeat_at=at, key_name=process.key_name, lease_until=_lease_end(connection, lease_s),
    )  # fmt: skip
    return int(connection.execute(row.returning(_R.id)).scalar_one())


def start_one_of(
    connection: Connection, wanted: Sequence[Process], *, batch_id: int, avoids: Sequence[str], within: timedelta, lease_s: float | None
) -> tuple[int, int]:
    """Start that run of several whose API key the fewest runs of the batch have now; give its place among them, and its id.

    Keys that a run has left for one of the reasons in ``avoids``, not longer ago than ``within``, come last. Of several processes that
    start at once each sees what the one before has taken.
    """
    one_at_a_time(connection, batch_id)
    at = time_of(connection)
    left = select(_R.key_name).where(_R.batch_id == batch_id, _R.ended_at >= at - within, _R.stop_reason.in_(avoids))
    avoided, at_work = set(connection.scalars(left)), Counter(row["key_name"] for row in unended(connection, batch_id))
    keys = [process.key_name for process in wanted]
    number = min(range(len(keys)), key=lambda place: (keys[place] in avoided, at_work[keys[place]]))
    return number, start(connection, batch_id=batch_id, process=wanted[number], at=at, lease_s=lease_s)


def beat(connection: Connection, run_id: int, *, at: datetime, lease_s: float | None = None) -> None:
    """Write a sign of life, which renews the lease; raise LeaseLostError when the run was taken for dead meanwhile."""
    values: dict[str, Any] = {"heartbeat_at": at}  # update values of several types
    if lease_s is not None:
        values["lease_until"] = _lease_end(connection, lease_s)
    touched = connection.execute(update(s.run).where(_R.id == run_id, _R.ended_at.is_(None)).values(values))
    if not touched.rowcount:
        raise _lost(run_id)


def require_alive(connection: Connection, run_id: int) -> None:
    """Raise LeaseLostError when the run was taken for dead; until the transaction ends nobody can do so."""
    alive = select(_R.id).where(_R.id == run_id, _R.ended_at.is_(None)).with_for_update(read=True)
    if connection.scalar(alive) is None:
        raise _lost(run_id)


def unended(connection: Connection, batch_id: int | None = None) -> list[RowMapping]:
    """Give the runs that have not ended, of a batch or of all, oldest first."""
    query = select(s.run).where(_R.ended_at.is_(None)).order_by(_R.id)
    if batch_id is not None:
        query = query.where(_R.batch_id == batch_id)
    return list(connection.execute(query).mappings())


def bury_dead(connection: Connection, *, is_gone: Callable[[RowMapping], bool], judges_silent: bool, at: datetime) -> list[int]:
    """Take for dead whose process is gone, and with ``judges_silent`` whose lease has run out by the database's clock; give those runs."""
    gone = [row["id"] for row in unended(connection) if row["lease_until"] is not None and is_gone(row)]
    dead = bury(connection, gone, at=at)
    if judges_silent:
        dead += _buried(connection, _R.lease_until < time_of(connection), at=at)
    return dead


def bury(connection: Connection, run_ids: Sequence[int], *, at: datetime) -> list[int]:
    """Mark runs as died, free what they had in hand, and give those that were not ended yet."""
    return _buried(connection, _R.id.in_(run_ids), at=at) if run_ids else []


def note_account(connection: Connection, run_id: int, *, available: int | None, use: Use | None) -> None:
    """Write what the vendor's account could still spend, and what had been used, when the run began."""
    values: dict[str, Any] = {"balance_before": available}  # update values of several types
    if use is not None:
        values |= {"used_before": use.micros, "used_whose": use.whose}
    connection.execute(update(s.run).where(_R.id == run_id).values(values))


def finish(connection: Connection, run_id: int, ending: Ending, *, at: datetime) -> None:
    """Write how the run ended, and free what it had in hand; one that was taken for dead stays so."""
    values: dict[str, Any] = {"ended_at": at, "heartbeat_at": at}  # insert values of several types
    values |= {name: getattr(ending, name) for name in Ending.__slots__}
    connection.execute(update(s.run).where(_R.id == run_id, _R.stop_reason != DIED).values(values))
    _let_go(connection, [run_id])


def latest(connection: Connection, batch_id: int | None = None) -> RowMapping | None:
    """Give the latest run's row, of one batch or of all."""
    query = select(s.run).order_by(_R.id.desc()).limit(1)
    if batch_id is not None:
        query = query.where(_R.batch_id == batch_id)
    return connection.execute(query).mappings().first()


def progress(connection: Connection) -> tuple[str, int, int]:
    """Give the database's own id, and the numbers of its latest run and its latest event."""
    uuid = connection.scalar(select(s.meta.c.value).where(s.meta.c.key == "db_uuid"))
    return str(uuid), connection.scalar(select(func.max(_R.id))) or 0, numbers.last(connection, s.event)


def _buried(connection: Connection, which: ColumnElement[bool], *, at: datetime) -> list[int]:
    dead = update(s.run).where(which, _R.ended_at.is_(None)).values(ended_at=at, stop_reason=DIED).returning(_R.id)
    buried = list(connection.scalars(dead))
    _let_go(connection, buried)
    return buried


def _let_go(connection: Connection, run_ids: Sequence[int]) -> None:
    if run_ids:
        connection.execute(update(s.job).where(s.job.c.run_id.in_(run_ids)).values(run_id=None))
        connection.execute(delete(s.share).where(s.share.c.run_id.in_(run_ids)))


def _lease_end(connection: Connection, lease_s: float | None) -> datetime | None:
    return None if lease_s is None else time_of(connection) + timedelta(seconds=lease_s)


def _lost(run_id: int) -> LeaseLostError:
    return LeaseLostError(f"run {run_id} was silent for longer than its lease, and others have taken over its work")
