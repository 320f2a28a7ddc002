"""Run a batch: lock the database, reach the vendor, fit the parts together, let the engine work, and say how it ended."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from batchgen import __version__
from batchgen.api.client import HttpClient
from batchgen.app import database, vendor
from batchgen.app.clock import SystemClock
from batchgen.app.notifying import notify
from batchgen.app.reports import Report, Snapshot
from batchgen.app.vendor import Vendor, require_key
from batchgen.app.verifying import missing_files
from batchgen.core.errors import FileError, InputError, StoreError
from batchgen.core.limits import Limits
from batchgen.core.money import Micros, shown, to_micros
from batchgen.core.ports import Client, Clock, Ledger, Shelf
from batchgen.core.states import LIVE, State
from batchgen.files import marker
from batchgen.files.marker import Mark
from batchgen.files.shelf import ImageShelf
from batchgen.logs import lines as diary
from batchgen.planning.naming import Namer
from batchgen.planning.settings import RunSettings, deadline_after
from batchgen.settings import Settings
from batchgen.store import prospects, queries, runs
from batchgen.store.ledger import SqlLedger
from batchgen.store.lock import RunLock
from batchgen.store.writer import DatabaseThread
from batchgen.worker.agenda import Agenda
from batchgen.worker.bearing import Bearing, Stop
from batchgen.worker.engine import Engine
from batchgen.worker.following import Follower
from batchgen.worker.gate import Gate, SubmitGate
from batchgen.worker.latency import Latencies
from batchgen.worker.ordering import Orderer
from batchgen.worker.prices import Prices
from batchgen.worker.progress import Progress
from batchgen.worker.recorder import Recorder
from batchgen.worker.steps import Steps
from batchgen.worker.verdicts import Judge

__all__ = ["Ports", "Wishes", "require_key", "wishes", "work"]

_FILE_THREADS: Final = 8
_BEAT_EVERY_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 86_400.0
_LONGEST_SILENCE_S: Final = 900.0
"""How long a vendor may keep us from ordering, and from asking after what is paid; a longer wish is taken for junk."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks beyond the stored plan."""

    budget: Micros | None = None
    until: str | None = None

    def upon(self, limits: Limits, *, now: datetime) -> Limits:
        """Give the limits of this run."""
        if self.budget is not None:
            limits = replace(limits, budget_cost=self.budget)
        if self.until is not None:
            limits = replace(limits, deadline=deadline_after(self.until, now))
        return limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the worker sees of the outside; a test may wrap each."""

    ledger: Ledger
    client: Client
    shelf: Shelf
    clock: Clock


Prepare = Callable[[DatabaseThread], None]
Watch = Callable[[Callable[[], Snapshot]], AbstractContextManager[None]]
Fit = Callable[[Ports], Ports]


def wishes(*, budget: str | None, until: str | None) -> Wishes:
    """Read the options of a run; raise InputError when one cannot be meant."""
    try:
        cap = None if budget is None else to_micros(Decimal(budget))
    except (ValueError, ArithmeticError):
        raise InputError(f"--budget {budget!r} is no amount of money; write 40 or 0.5") from None
    try:
        if until is not None:
            deadline_after(until, SystemClock().now())
    except ValueError:
        raise InputError(f"--until {until!r} is no time; write 07:30, or an instant like 2026-05-01T07:30") from None
    return Wishes(budget=cap, until=until)


def work(
    batch: str | None,
    settings: Settings,
    *,
    wishes: Wishes,
    prepare: Prepare | None = None,
    watch: Watch | None = None,
    fit: Fit = lambda ports: ports,
) -> Report:
    """Work on a stored batch until nothing is left or something stops it; everything is durable when this returns.

    ``prepare`` is called once the database is ours, before the batch is read. Without a name the only batch is meant.
    Raises LockedError when another runner holds the database, InputError, StopRunError or StoreError before anything was sent.
    """
    with database.writing(settings) as thread, RunLock(settings.db_url):
        if prepare is not None:
            prepare(thread)
        stored = queries.batch_named(thread.engine, batch)
        run = RunSettings.from_json(queries.latest_plan(thread.engine, stored.id).settings)
        key = require_key(run, settings)
        diary.configure(settings.log_file, secrets=[key], console=watch is None or not os.isatty(2))
        _refuse_references(thread, stored.id)
        _refuse_older_copy(thread, Path(run.output.dir))
        if run.on_ambiguous != "hold":
            diary.get("run").warning("run.policy_not_available", on_ambiguous=run.on_ambiguous, instead="hold, then batchgen resolve")
        with vendor.reached(run, settings, folder=_folder_of(settings)) as reached:
            shift = _Shift(batch=stored.name, batch_id=stored.id, run=run, settings=settings, thread=thread, vendor=reached, wishes=wishes)
            report = shift.work(watch=watch, fit=fit)
        notify(run, settings, report, diary.get("run"))
        return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shift:
    """One process's turn at a batch."""

    batch: str
    batch_id: int
    run: RunSettings
    settings: Settings
    thread: DatabaseThread
    vendor: Vendor
    wishes: Wishes

    def work(self, *, watch: Watch | None, fit: Fit) -> Report:
        """Record the run, let the engine work, record how it ended."""
        clock = SystemClock()
        process = runs.Process(host=socket.gethostname(), pid=os.getpid(), boot_id=_boot_id(), tool_version=__version__)
        begun = self.thread.call(lambda c: runs.start(c, batch_id=self.batch_id, process=process, at=clock.now()))
        run_id = begun.result()
        ledger = SqlLedger(self.thread, batch_id=self.batch_id, run_id=run_id)
        ending: runs.Ending | None = runs.Ending(stop_reason="bug", exit_code=1)
        try:
            engine = asyncio.run(self._work(ledger, clock, run_id=run_id, watch=watch, fit=fit))
            report = self._report(engine.bearing.stop, engine.bearing.progress)
            ending = None if engine.left_orders_open else runs.Ending(stop_reason=report.reason, exit_code=report.exit_code)
            return report
        finally:
            self._leave_mark()
            if ending is not None:
                self.thread.call(lambda c: runs.finish(c, run_id, ending, at=clock.now())).result()

    async def _work(self, ledger: SqlLedger, clock: Clock, *, run_id: int, watch: Watch | None, fit: Fit) -> Engine:
        limits = self.wishes.upon(self.run.limits(now=clock.now()), now=clock.now())
        client = HttpClient(
            self.vendor.base_url,
            self.vendor.key,
            submit_timeout_s=limits.submit_timeout_s,
            download_timeout_s=limits.download_timeout_s,
            user_agent=self.settings.user_agent,
        )
        namer = Namer(self.run.output.name, batch=self.run.name)
        shelf = ImageShelf(self.folder, namer.stem, sidecar=self.run.output.sidecar)
        shelf.prepare()
        self._leave_mark()
        ports = fit(Ports(ledger=ledger, client=client, shelf=shelf, clock=clock))
        with ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="files") as threads:
            engine = self._engine(ports, limits, threads)
            heart = asyncio.create_task(self._beat(run_id))
            with _signals(engine), (watch or _unwatched)(lambda: self._snapshot(engine)):
                try:
                    await engine.run()
                    return engine
                finally:
                    heart.cancel()
                    await client.close()

    async def _beat(self, run_id: int) -> None:
        """Leave a sign of life in the run's row, so that others can tell a working process from a dead one."""
        while True:
            await asyncio.sleep(_BEAT_EVERY_S)
            self.thread.call(lambda c: runs.beat(c, run_id, at=SystemClock().now()))
            self._leave_mark()

    def _leave_mark(self) -> None:
        """Note in the output folder how far this database has come."""
        self.thread.call(runs.progress).add_done_callback(partial(_mark, self.folder))

    @property
    def folder(self) -> Path:
        """Give the output folder."""
        return Path(self.run.output.dir)

    def _engine(self, ports: Ports, limits: Limits, threads: ThreadPoolExecutor) -> Engine:
        """Fit the parts of the worker together."""
        log = diary.get("run")
        random = Random()  # noqa: S311 - jitter, no secret
        database_engine = self.thread.engine
        totals = queries.totals(database_engine, self.batch_id)
        progress = Progress(by_state=dict(totals.states), spent=totals.spent or None)
        prices, latencies = Prices(), Latencies()
        prices.learn_all(queries.learned_costs(database_engine))
        latencies.learn_all(queries.learned_latency(database_engine))
        bearing = Bearing(limits=limits, clock=ports.clock, log=log, progress=progress)
        steps = Steps(
            recorder=Recorder(ledger=ports.ledger, clock=ports.clock, log=log, progress=progress),
            client=ports.client,
            dialect=self.vendor.dialect,
            shelf=ports.shelf,
            clock=ports.clock,
            judge=Judge(limits=limits),
            prices=prices,
            random=random,
            threads=threads,
        )
        agenda, places = Agenda(), SubmitGate(limits=limits, gate=_gate(limits, random, longest_s=_LONGEST_PAUSE_S))
        orderer = Orderer(steps=steps, ledger=ports.ledger, agenda=agenda, places=places, latencies=latencies, bearing=bearing)
        questions = _gate(limits, random, longest_s=_LONGEST_SILENCE_S)
        follower = Follower(steps=steps, agenda=agenda, places=places, questions=questions, latencies=latencies, bearing=bearing)
        return Engine(steps=steps, ledger=ports.ledger, agenda=agenda, orderer=orderer, follower=follower, bearing=bearing)

    def _snapshot(self, engine: Engine) -> Snapshot:
        progress, now = engine.bearing.progress, engine.steps.clock.monotonic()
        count = {state: max(0, progress.by_state.get(state, 0)) for state in State}
        in_flight = sum(count[state] for state in LIVE)
        rate = progress.images_per_minute(now)
        left = count[State.PLANNED] + in_flight
        return Snapshot(
            total=sum(count.values()) - count[State.CANCELLED],
            done=count[State.SAVED],
            failed=count[State.FAILED],
            ambiguous=count[State.AMBIGUOUS],
            in_flight=in_flight,
            waiting=count[State.PLANNED],
            per_minute=rate,
            eta_s=60 * left / rate if rate and left else None,
            oldest_task_s=engine.oldest_task_s(),
            saved_bytes=progress.saved_bytes,
            cost=shown(progress.spent, self.vendor.dialect.unit),
            pause=progress.pause,
            stopping=progress.stopping,
            problems=tuple(progress.problems),
        )

    def _report(self, stop: Stop | None, progress: Progress) -> Report:
        totals = queries.totals(self.thread.engine, self.batch_id)
        missing = missing_files(self.thread.engine, self.batch)
        undecided = prospects.undecided(self.thread.engine, self.batch_id) + progress.parked + missing
        reason = "finished" if stop is None else stop.reason
        return Report(
            batch=self.batch,
            exit_code=stop.exit_code if stop else 3 if undecided else 0,
            reason=reason,
            message=stop.message if stop else "",
            totals=dict(totals.states),
            needs_decision=undecided,
            saved=progress.saved,
            missing=missing,
            cost=shown(totals.spent + totals.held, self.vendor.dialect.unit),
            command=database.command(self.settings),
        )


def _gate(limits: Limits, random: Random, *, longest_s: float) -> Gate:
    return Gate(random=random, initial_s=limits.backoff.initial_s, longest_s=longest_s)


def _refuse_older_copy(thread: DatabaseThread, folder: Path) -> None:
    """Raise StoreError when the folder has seen this very database further on: what it does not know would be bought again."""
    found, here = marker.read(folder), _as_mark(thread.call(runs.progress).result())
    if found is None:
        return
    if found.is_ahead_of(here):
        raise StoreError(
            f"this database is an older copy: the images in {folder} belong to a newer state of it (run {found.run}, not {here.run}); "
            f"put the newer one back, or delete {folder / marker.NAME}: then whatever this copy does not know is ordered again"
        )
    if found.database != here.database:
        diary.get("run").warning("run.folder_of_another_database", folder=str(folder), note="what that one bought is bought again here")


def _mark(folder: Path, told: "Future[tuple[str, int, int]]") -> None:
    with suppress(FileError, StoreError):  # the mark is a help; whether disk and database work is found out elsewhere
        marker.write(folder, _as_mark(told.result()))


def _as_mark(progress: tuple[str, int, int]) -> Mark:
    database_id, run, event = progress
    return Mark(database=database_id, run=run, event=event)


def _refuse_references(thread: DatabaseThread, batch_id: int) -> None:
    if prospects.planned_with_references(thread.engine, batch_id):
        raise InputError("planned rows send reference images, which this version cannot do yet; remove 'images' from the manifest")


def _folder_of(settings: Settings) -> Path:
    """Give the folder beside the database, where a simulator keeps its ledger."""
    return settings.log_file.parent


def _boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


@contextmanager
def _signals(engine: Engine) -> Iterator[None]:
    """Let the first signal drain the run and the second end it."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, engine.interrupt, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@contextmanager
def _unwatched(_snapshot: Callable[[], Snapshot]) -> Iterator[None]:
    yield
