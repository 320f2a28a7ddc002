"""Steer a run from another shell. A request is a row of the job database; the run that works there reads it every second."""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from batchgen.app import database
from batchgen.app.clock import SystemClock
from batchgen.app.limiting import argument_of, limits_of
from batchgen.app.processes import living
from batchgen.app.reading import reading
from batchgen.app.standing import Standing, standing
from batchgen.app.vendor import unit_of
from batchgen.core.errors import InputError
from batchgen.core.steering import NOW, Deadline, Kind, Request, at_local, told, upon
from batchgen.core.steering import standing as limits_now
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import commands, queries
from batchgen.store.engine import time_of

_PATIENCE_S: Final = 5.0
"""How long a command waits to see that its request was followed; usually a second."""
_LOOK_EVERY_S: Final = 0.1


def pause(settings: Settings, batch: str | None, *, worker: int | None = None) -> Iterator[str]:
    """Let no order go out until ``unpause``, in the runs that work and in every later one, or in one worker alone; say what follows."""
    now = look(settings, batch)
    if worker is not None:
        yield from _asked_of_one(
            settings, now, worker, Kind.PAUSE, "orders nothing more until it is unpaused, and fetches what is paid for"
        )
        return
    go_on = f"go on with: {database.command(settings)} unpause {now.batch.name}"
    if now.paused is not None:
        yield f"{now.batch.name} is paused already, by {now.paused.actor} since {at_local(now.paused.asked_at)}; {go_on}"
        return
    yield from _asked(settings, now, Kind.PAUSE)
    if now.run is None:
        yield f"nothing runs on {now.batch.name}; its next run starts paused; {go_on}"
    else:
        yield f"no new orders of {now.batch.name}; what is at the vendor is fetched; {go_on}"


def unpause(settings: Settings, batch: str | None, *, worker: int | None = None) -> Iterator[str]:
    """Let orders go out again; say what follows."""
    now = look(settings, batch)
    if worker is not None:
        yield from _asked_of_one(settings, now, worker, Kind.UNPAUSE, "orders again, unless the batch is paused")
        return
    if now.paused is None:
        yield f"{now.batch.name} is not paused; nothing was changed"
        return
    yield from _asked(settings, now, Kind.UNPAUSE)
    if now.run is None:
        yield f"nothing runs on {now.batch.name}; next: {database.command(settings)} resume {now.batch.name}"
    else:
        yield f"orders of {now.batch.name} go out again"


def stop(settings: Settings, batch: str | None, *, at_once: bool, worker: int | None = None) -> Iterator[str]:
    """End the runs that work, or one worker, and no later one: when nothing runs, nothing is asked."""
    now = look(settings, batch)
    argument = NOW if at_once else ""
    if worker is not None:
        does = "leaves its tasks at the vendor to the others, and ends" if at_once else "fetches what is paid for, and ends"
        yield from _asked_of_one(settings, now, worker, Kind.STOP, does, argument)
        return
    if now.run is None:
        yield f"nothing runs on {now.batch.name}; nothing was changed"
        return
    yield from _asked(settings, now, Kind.STOP, argument)
    one, many = ("leaves", "leave") if at_once else ("fetches", "fetch")
    what = "the tasks at the vendor to the next run" if at_once else "what is paid for"
    ends = f"{many} {what}, and end" if len(now.runs) > 1 else f"{one} {what}, and ends"
    yield f"no new orders of {now.batch.name}; {now.process} {ends}"


def limit(settings: Settings, batch: str | None, typed: Mapping[str, str], *, worker: int | None = None) -> Iterator[str]:
    """Change limits of the runs that work, or of the next; say what they were and are. Without options say what they are.

    One worker alone may only be told how many tasks it has alive at most. Raises InputError for a value that cannot be meant, before
    anything is asked.
    """
    at = SystemClock().now()
    changes = limits_of(typed, now=at)
    for change in changes:
        if isinstance(change, Deadline) and change.at is not None and change.at <= at:
            raise InputError(f"--until {at_local(change.at)} has passed already; {database.command(settings)} stop ends a run")
    now = look(settings, batch)
    if worker is not None:
        if typed.keys() != {"--in-flight"}:
            raise InputError("one worker takes --in-flight only: rates, budgets and deadlines hold for all together")
        does = f"has at most {typed['--in-flight']} tasks alive, within its share"
        yield from _asked_of_one(settings, now, worker, Kind.LIMIT, does, argument_of(changes))
        return
    with reading(settings) as engine:
        unit = unit_of(RunSettings.from_json(queries.latest_plan(engine, now.batch.id).settings).provider)
    if changes:
        yield from _asked(settings, now, Kind.LIMIT, argument_of(changes))
    for before, after in zip(limits_now(now.limits), limits_now(upon(now.limits, changes)), strict=True):
        name, was = told(before, unit)
        is_asked = any(type(change) is type(after) for change in changes)
        yield f"{name} {was}" + (f" -> {told(after, unit)[1]}" if is_asked else "")
    if now.run is None:
        yield f"nothing runs on {now.batch.name}; " + ("its next run takes this" if changes else "its next run works under these")


def look(settings: Settings, batch: str | None) -> Standing:
    """See how a batch is steered; without a name the one that a process works on is meant, or the only one."""
    now = SystemClock().now()
    with reading(settings) as engine:
        if batch is None:
            run = living(engine, now=now)
            batch = next((found.name for found in queries.batches(engine) if run and found.id == run["batch_id"]), None)
        return standing(engine, queries.batch_named(engine, batch), now=now)


def _asked_of_one(settings: Settings, now: Standing, worker: int, kind: Kind, does: str, argument: str = "") -> Iterator[str]:
    """Ask one of the runs that work; raise InputError where it is none of them."""
    found = next((run for run in now.runs if run["id"] == worker), None)
    if found is None:
        there = ", ".join(str(run["id"]) for run in now.runs) or "none"
        raise InputError(f"run {worker} does not work on {now.batch.name}; at work: {there}")
    yield from _asked(settings, now, kind, argument, worker=worker)
    yield f"run {worker} (process {found['pid']} on {found['host']}) {does}"


def _asked(settings: Settings, now: Standing, kind: Kind, argument: str = "", *, worker: int | None = None) -> Iterator[str]:
    """Write the request down, wait until a run has followed it, and say so where none has."""
    with database.writing(settings) as thread:
        asked_at = SystemClock().now() if not database.is_shared(settings) else thread.call(time_of).result()
        request = Request(kind=kind, argument=argument, actor=f"operator:{settings.login}", asked_at=asked_at, run_id=worker)
        asked = thread.call(lambda c: commands.ask(c, now.batch.id, request)).result()
    if now.run is not None and not _was_taken(settings, now, asked):
        yield f"asked, but not followed yet by {now.process}; {database.command(settings)} status {now.batch.name} tells when it has"


def _was_taken(settings: Settings, now: Standing, asked: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    with reading(settings) as engine:
        while time.monotonic() < deadline:
            waiting = queries.look(engine, lambda c: commands.waiting(c, now.batch.id))
            if all(request.id != asked for request in waiting):
                return True
            time.sleep(_LOOK_EVERY_S)
    return False
