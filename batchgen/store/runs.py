"""Processes: who runs, since when, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from batchgen.core.reconciling import Use
from batchgen.store import numbers
from batchgen.store import schema as s


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Who runs: ``boot_id`` tells a live pid from one of an earlier boot."""

    host: str
    pid: int
    boot_id: str
    tool_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended; the balance in micros, where the vendor told it."""

    stop_reason: str
    exit_code: int
    balance_after: int | None = None


def start(connection: Connection, *, batch_id: int, process: Process, at: datetime) -> int:
    """Write the run's row and give its id; the caller holds the run lock, so runs that never ended are marked as died."""
    died = update(s.run).where(s.run.c.ended_at.is_(None)).values(ended_at=at, stop_reason="died")
    connection.execute(died)
    row = insert(s.run).values(
        batch_id=batch_id, host=process.host, pid=process.pid, boot_id=process.boot_id, tool_version=process.tool_version,
        started_at=at, heartbeat_at=at,
    )  # fmt: skip
    return int(connection.execute(row.returning(s.run.c.id)).scalar_one())


def beat(connection: Connection, run_id: int, *, at: datetime) -> None:
    """Write a sign of life."""
    connection.execute(update(s.run).where(s.run.c.id == run_id).values(heartbeat_at=at))


def note_account(connection: Connection, run_id: int, *, available: int | None, use: Use | None) -> None:
    """Write what the vendor's account could still spend, and what had been used, when the run began."""
    values: dict[str, Any] = {"balance_before": available}  # update values of several types
    if use is not None:
        values |= {"used_before": use.micros, "used_whose": use.whose}
    connection.execute(update(s.run).where(s.run.c.id == run_id).values(values))


def finish(connection: Connection, run_id: int, ending: Ending, *, at: datetime) -> None:
    """Write how the run ended."""
    values: dict[str, Any] = {"ended_at": at, "heartbeat_at": at}  # insert values of several types
    values |= {name: getattr(ending, name) for name in Ending.__slots__}
    connection.execute(update(s.run).where(s.run.c.id == run_id).values(values))


def latest(connection: Connection, batch_id: int | None = None) -> RowMapping | None:
    """Give the latest run's row, of one batch or of all."""
    query = select(s.run).order_by(s.run.c.id.desc()).limit(1)
    if batch_id is not None:
        query = query.where(s.run.c.batch_id == batch_id)
    return connection.execute(query).mappings().first()


def progress(connection: Connection) -> tuple[str, int, int]:
    """Give the database's own id, and the numbers of its latest run and its latest event."""
    uuid = connection.scalar(select(s.meta.c.value).where(s.meta.c.key == "db_uuid"))
    return str(uuid), connection.scalar(select(func.max(s.run.c.id))) or 0, numbers.last(connection, s.event)
