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

_PATIENCE_S: Final = 5.0
"""How long a command waits to see that its request was followed; usually a second."""
_LOOK_EVERY_S: Final = 0.1


def pause(settings: Settings, batch: str | None) -> Iterator[str]:
    """Let no order go out until ``unpause``, in the run that works and in every later one; say what follows."""
    now = look(settings, batch)
    go_on = f"go on with: {database.command(settings)} unpause {now.batch.name}"
    if now.paused is not None:
        yield f"{now.batch.name} is paused already, by {now.paused.actor} since {at_local(now.paused.asked_at)}; {go_on}"
        return
    yield from _asked(settings, now, Kind.PAUSE)
    if now.run is None:
        yield f"nothing runs on {now.batch.name}; its next run starts paused; {go_on}"
    else:
        yield f"no new orders of {now.batch.name}; what is at the vendor is fetched; {go_on}"


def unpause(settings: Settings, batch: str | None) -> Iterator[str]:
    """Let orders go out again; say what follows."""
    now = look(settings, batch)
    if now.paused is None:
        yield f"{now.batch.name} is not paused; nothing was changed"
        return
    yield from _asked(settings, now, Kind.UNPAUSE)
    if now.run is None:
        yield f"nothing runs on {now.batch.name}; next: {database.command(settings)} resume {now.batch.name}"
    else:
        yield f"orders of {now.batch.name} go out again"


def stop(settings: Settings, batch: str | None, *, at_once: bool) -> Iterator[str]:
    """End the run that works, and no later one: when nothing runs, nothing is asked."""
    now = look(settings, batch)
    if now.run is None:
        yield f"nothing runs on {now.batch.name}; nothing was changed"
        return
    yield from _asked(settings, now, Kind.STOP, NOW if at_once else "")
    rest = "leaves the tasks at the vendor to the next run" if at_once else "fetches what is paid for"
    yield f"no new orders of {now.batch.name}; {now.process} {rest}, and ends"


def limit(settings: Settings, batch: str | None, typed: Mapping[str, str]) -> Iterator[str]:
    """Change limits of the run that works, or of the next; say what they were and are. Without options say what they are.

    Raises InputError for a value that cannot be meant, before anything is asked.
    """
    at = SystemClock().now()
    changes = limits_of(typed, now=at)
    for change in changes:
        if isinstance(change, Deadline) and change.at is not None and change.at <= at:
            raise InputError(f"--until {at_local(change.at)} has passed already; {database.command(settings)} stop ends a run")
    now = look(settings, batch)
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


def _asked(settings: Settings, now: Standing, kind: Kind, argument: str = "") -> Iterator[str]:
    """Write the request down, wait until the run has followed it, and say so where it has not."""
    with database.writing(settings) as thread:
        request = Request(kind=kind, argument=argument, actor=f"operator:{settings.login}", asked_at=SystemClock().now())
        asked = thread.call(lambda c: commands.ask(c, now.batch.id, request)).result()
    if now.run is not None and not _was_taken(settings, now, asked):
        yield f"asked, but {now.process} has not followed yet; {database.command(settings)} status {now.batch.name} tells when it has"


def _was_taken(settings: Settings, now: Standing, asked: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    with reading(settings) as engine:
        while time.monotonic() < deadline:
            waiting = queries.look(engine, lambda c: commands.waiting(c, now.batch.id))
            if all(request.id != asked for request in waiting):
                return True
            time.sleep(_LOOK_EVERY_S)
    return False
