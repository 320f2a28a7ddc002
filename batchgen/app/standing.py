"""How a batch is steered: who runs it, who has paused it, what was asked and not yet followed, and the limits it works under."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from batchgen.app.limiting import limits_in
from batchgen.app.processes import all_living
from batchgen.core.limits import Limits
from batchgen.core.steering import Kind, Request, at_local, upon
from batchgen.planning.settings import RunSettings
from batchgen.store import commands, queries
from batchgen.store.engine import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One batch's steering; ``runs`` are the rows of the processes that work on it, in the order in which they began.

    ``limits`` are those of these processes, or of the next start without options of its own; ``changes`` are the requests that made them.
    """

    batch: queries.Batch
    runs: Sequence[Mapping[str, Any]]
    paused: Request | None
    waiting: Sequence[Request]
    changes: Sequence[Request]
    limits: Limits

    @property
    def run(self) -> Mapping[str, Any] | None:
        """Give the row of the process that began last, None when none works."""
        return self.runs[-1] if self.runs else None

    def as_object(self) -> dict[str, Any]:
        """Give the steering as JSON."""
        return {
            "run": None
            if self.run is None
            else {"pid": self.run["pid"], "host": self.run["host"], "started_at": _text(self.run["started_at"])},
            "runs": [_run_object(run) for run in self.runs],
            "paused": None if self.paused is None else _object(self.paused),
            "waiting": [_object(request) for request in self.waiting],
            "limits": [_object(request) for request in self.changes],
        }

    def lines(self, command: str) -> Iterator[str]:
        """Say what is out of the ordinary: a pause, and who asked for what."""
        if len(self.runs) > 1:
            yield f"  {len(self.runs)} workers: " + ", ".join(f"run {run['id']} on {run['host']}" for run in self.runs)
        if self.paused is not None:
            yield f"  {self.pause(command)}"
        yield from (f"  {request}" for request in self.changes if request.kind is Kind.LIMIT)
        whose = "the next run" if self.run is None else self.process
        yield from (f"  waits for {whose}: {request}" for request in self.waiting if request != self.paused)

    def pause(self, command: str) -> str:
        """Say who has paused the batch, and how to end that; empty where it is not paused."""
        if self.paused is None:
            return ""
        return f"paused by {self.paused.actor} since {at_local(self.paused.asked_at)}; go on with: {command} unpause {self.batch.name}"

    @property
    def process(self) -> str:
        """Name the process that works on the batch, or say how many do."""
        if len(self.runs) > 1:
            return f"{len(self.runs)} workers"
        return "no process" if self.run is None else f"process {self.run['pid']} on {self.run['host']}"

    @property
    def at_work(self) -> str:
        """Say who works on the batch."""
        return f"{self.process} {'work' if len(self.runs) > 1 else 'works'} on it"


def standing(engine: Database, batch: queries.Batch, *, now: datetime) -> Standing:
    """Read how a batch is steered."""
    at_work = all_living(engine, batch.id, now=now)
    run = at_work[-1] if at_work else None
    there = {None, *(found["id"] for found in at_work)}
    waiting = [request for request in queries.look(engine, lambda c: commands.waiting(c, batch.id)) if request.run_id in there]
    begun = now if run is None else run["started_at"]
    changes = queries.look(engine, lambda c: commands.lasting(c, batch.id) if run is None else commands.followed(c, batch.id, since=begun))
    settings = RunSettings.from_json(queries.latest_plan(engine, batch.id).settings)
    limits = limits_under(
        settings, [*changes, *(request for request in waiting if request.kind is Kind.LIMIT and request.run_id is None)], now=begun
    )
    return Standing(
        batch=batch,
        runs=at_work,
        paused=queries.look(engine, lambda c: commands.pause(c, batch.id)),
        waiting=[request for request in waiting if _is_told(request, run)],
        changes=changes,
        limits=limits,
    )


def limits_under(settings: RunSettings, requests: Iterable[Request], *, now: datetime) -> Limits:
    """Give the limits of a run that began at ``now`` and was asked so."""
    limits = settings.limits(now=now)
    for request in requests:
        limits = upon(limits, limits_in(request.argument, now=request.asked_at))
    return limits


def _is_told(request: Request, run: Mapping[str, Any] | None) -> bool:
    """Say whether a request is still to be followed; a stop that came too late for its run will never be."""
    if request.kind is Kind.STOP:
        return run is not None and request.asked_at >= run["started_at"]
    return request.kind.is_typed


def _run_object(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": run["id"],
        "pid": run["pid"],
        "host": run["host"],
        "started_at": _text(run["started_at"]),
        "heartbeat_at": _text(run["heartbeat_at"]),
        "key_name": run["key_name"],
        "tool_version": run["tool_version"],
    }


def _object(request: Request) -> dict[str, Any]:
    taken_at = None if request.taken_at is None else _text(request.taken_at)
    return {
        "kind": request.kind.value,
        "argument": request.argument,
        "actor": request.actor,
        "asked_at": _text(request.asked_at),
        "taken_at": taken_at,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
