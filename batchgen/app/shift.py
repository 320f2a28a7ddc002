"""One process's turn at a batch: it signs in, works, asks the account before and after, and says how it ended."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from batchgen.api.client import HttpClient
from batchgen.app import accounting, database, journals, signals
from batchgen.app.clock import ClockWatch, SharedClock, SystemClock
from batchgen.app.figures import Figures, figures_of
from batchgen.app.fitting import Fit, Plan, Ports, engine_of, library_of
from batchgen.app.listening import Listener, Opening
from batchgen.app.member import Member
from batchgen.app.places import shelf_of
from batchgen.app.pricing import price_of
from batchgen.app.processes import this_process
from batchgen.app.reports import Report, Snapshot
from batchgen.app.vendor import Vendor
from batchgen.app.verifying import missing_files
from batchgen.app.wording import unpriced
from batchgen.core.dialects import Account
from batchgen.core.errors import FileError, StoreAwayError, StoreError
from batchgen.core.exits import Exit
from batchgen.core.limits import Limits
from batchgen.core.money import Micros
from batchgen.core.ports import Client
from batchgen.core.pricing import PriceList, RowKind
from batchgen.core.reconciling import use_of
from batchgen.core.states import State
from batchgen.files.inspector import Inspector
from batchgen.files.journal import OrderJournal
from batchgen.logs import lines as diary
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import commands, paces, plans, prospects, queries, runs
from batchgen.store.engine import time_of
from batchgen.store.ledger import Rows, SqlLedger
from batchgen.store.writer import DatabaseThread
from batchgen.worker.bearing import Stop
from batchgen.worker.engine import Engine
from batchgen.worker.helm import Helm

_FILE_THREADS: Final = 8
_BEAT_EVERY_S: Final = 10.0
_REMEMBER_EVERY_S: Final = 60.0
_POSTS: Final = 8
_MOST_POSTS: Final = 64
"""Orders whose answer is awaited at once: few are enough where an answer comes at once, many are needed where it is the result."""

Watch = Callable[[Callable[[], Snapshot]], AbstractContextManager[None]]
Wrap = Callable[[Client], Client]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What a process needs for its turn. ``wrap`` may put something around the client, such as a recorder of exchanges."""

    batch: str
    batch_id: int
    plan_id: int
    run: RunSettings
    prices: PriceList | None
    settings: Settings
    thread: DatabaseThread
    vendor: Vendor
    limits: Limits
    only: Rows = None
    """The rows that are tried before the rest; None for all."""
    opening: Opening = field(default_factory=Opening)
    run_id: int | None = None
    """The run's number, where it has begun already."""
    lease_s: float | None = None
    """How long the run may be silent where others share the database; None where it has the database to itself."""
    most_in_flight: int | None = None
    """What this run takes at most of the limit of tasks alive that it shares with others."""
    wrap: Wrap = lambda client: client

    def work(self, *, watch: Watch | None, fit: Fit) -> Report:
        """Record the run, let the engine work, record how it ended."""
        clock = SharedClock()
        if self.lease_s is not None:
            clock.compare(self.thread.call(time_of).result())
        at = clock.now()
        run_id = self.run_id or self._begin(at)
        log = diary.get("run")
        log.info("run.started", batch=self.batch, run=run_id)
        ending: runs.Ending | None = runs.Ending(stop_reason="bug", exit_code=Exit.BUG)
        try:
            engine, account = asyncio.run(self._work(run_id, clock, at, watch=watch, fit=fit))
            report = self._report(engine, account)
            balance = None if account is None else account.available
            reason = commands.CANARY if self.only is not None and report.reason == "finished" else report.reason
            ending = runs.Ending(stop_reason=reason, exit_code=report.exit_code, balance_after=balance)
            ending = None if engine.left_orders_open else ending
            log.info("run.ended", batch=self.batch, run=run_id, reason=report.reason, exit_code=report.exit_code)
        except FileError as error:  # no place to keep images, found before the first order
            ending = runs.Ending(stop_reason="storage", exit_code=error.exit_code)
            raise
        except KeyboardInterrupt:
            ending = runs.Ending(stop_reason="interrupted", exit_code=128 + signal.SIGINT)
            raise
        else:
            return report
        finally:
            if ending is not None:
                self._sign_out(run_id, ending, at=clock.now())
            signals.heed_again()

    def _begin(self, at: datetime) -> int:
        process = this_process(key_name=self._key_name)
        begun = self.thread.call(lambda c: runs.start(c, batch_id=self.batch_id, process=process, at=at, lease_s=self.lease_s))
        return begun.result()

    def _sign_out(self, run_id: int, ending: runs.Ending, *, at: datetime) -> None:
        """Record how the run ended, if the database still takes it: whoever finds no end knows that the run broke off."""
        try:
            self.thread.call(lambda c: runs.finish(c, run_id, ending, at=at), repeatable=True).result()
        except StoreError as error:
            diary.get("run").error("run.end_not_recorded", run=run_id, why=str(error))

    async def _work(
        self, run_id: int, clock: SharedClock, began_at: datetime, *, watch: Watch | None, fit: Fit
    ) -> tuple[Engine, Account | None]:
        """Work; give the engine and what the account holds afterwards."""
        inspector = Inspector()
        shelf = shelf_of(self.run, self.settings, inspector)
        shelf.prepare()
        posts_at_once = self._posts_at_once()
        client = self.wrap(self._client(posts_at_once))
        ledger = SqlLedger(self.thread, batch_id=self.batch_id, run_id=run_id, only=self.only, key_name=self._key_name)
        with (
            closing(journals.opened(self.thread, self.folder)) as journal,
            closing(inspector),
            ThreadPoolExecutor(_FILE_THREADS, "files") as threads,
        ):
            ports = Ports(ledger=ledger, journal=journal, client=client, shelf=shelf, library=library_of(self.run), clock=clock)
            ports = fit(ports)
            plan = await self._plan(ports.client, posts_at_once)
            engine = engine_of(plan, ports, self.thread.engine, threads, diary.get("run"))
            member = self._member(engine, clock, run_id, plan.vendor)
            senses = [
                asyncio.create_task(self._beat(run_id, journal, engine, member)),
                asyncio.create_task(self._remember(plan.vendor, engine)),
            ]
            helm = self._helm(engine, member)
            listener = Listener(thread=self.thread, batch_id=self.batch_id, run_id=run_id, began_at=began_at, helm=helm, clock=clock)
            with signals.draining(engine.interrupt), (watch or _unwatched)(lambda: self._snapshot(engine)):
                try:
                    if member is not None:
                        await member.join()
                        senses.append(asyncio.create_task(member.take_part()))
                    await listener.open(self.opening)
                    senses.append(asyncio.create_task(listener.listen()))
                    await self._open_account(engine, ports.client, run_id)
                    await engine.run()
                    return engine, await self._close_account(ports.client, engine)
                finally:
                    for sense in senses:
                        sense.cancel()
                    await self._note_pace(plan.vendor, engine)
                    with suppress(StoreError):  # the run ends anyhow
                        self._mark(journal)
                    await client.close()

    @property
    def _key_name(self) -> str:
        """Give the variable of the key that this run orders with, where there are several."""
        return "" if self.run.key is None else self.run.key.env

    def _client(self, posts_at_once: int) -> HttpClient:
        return HttpClient(
            self.vendor.endpoint,
            submit_timeout_s=self.limits.submit_timeout_s,
            download_timeout_s=self.limits.download_timeout_s,
            user_agent=self.settings.user_agent,
            posts_at_once=posts_at_once,
        )

    def _posts_at_once(self) -> int:
        if self.vendor.dialect.synchronous.isdisjoint(self.run.operations):
            return _POSTS
        return _MOST_POSTS

    def _member(self, engine: Engine, clock: SharedClock, run_id: int, vendor: str) -> Member | None:
        """Give the run's place among others; None where it has the database to itself."""
        if self.lease_s is None:
            return None
        return Member(
            thread=self.thread,
            engine=engine,
            clock=clock,
            run_id=run_id,
            batch_id=self.batch_id,
            vendor=vendor,
            lease_s=self.lease_s,
            most=self.most_in_flight,
        )

    def _helm(self, engine: Engine, member: Member | None) -> Helm:
        go_on = f"{database.command(self.settings)} unpause {self.batch}"
        helm = Helm(engine=engine, unit=self.vendor.dialect.unit, go_on=go_on)
        if member is not None:
            helm.narrow = member.narrow
        return helm

    async def _plan(self, client: Client, posts_at_once: int) -> Plan:
        return Plan(
            batch_id=self.batch_id,
            run=self.run,
            limits=self.limits,
            prices=self.prices or await self._look_up(client),
            dialect=self.vendor.dialect,
            base_url=self.vendor.endpoint.base_url,
            posts_at_once=posts_at_once,
            key=self.vendor.endpoint.key,
        )

    async def _look_up(self, client: Client) -> PriceList | None:
        """Ask for the catalogue when the plan was saved without one, and keep it with the plan."""
        listed = await accounting.read_prices(client, self.vendor.dialect, self.vendor.endpoint.base_url)
        if listed is not None:
            text = listed.to_json()
            self.thread.call(lambda c: plans.note_prices(c, self.plan_id, text))
        return listed

    async def _open_account(self, engine: Engine, client: Client, run_id: int) -> None:
        """See what the account holds before the first order; an empty one stops orders, never the fetching of what is paid for."""
        reading = await accounting.read_account(client, self.vendor.dialect)
        if isinstance(reading, Account):
            available, use = reading.available, use_of(reading)
            self.thread.call(lambda c: runs.note_account(c, run_id, available=available, use=use))
        planned = (await asyncio.to_thread(prospects.outlook, self.thread.engine, self.batch)).planned
        self._require_prices(engine, planned)
        wanted = self._wanted(engine, planned)
        accounting.weigh(reading, engine.bearing, diary.get("run"), wanted=wanted, unit=self.vendor.dialect.unit)

    async def _close_account(self, client: Client, engine: Engine) -> Account | None:
        """See what is left; not when there is hurry or the key is no good."""
        if engine.bearing.stop is not None and (engine.bearing.stop.reason == "interrupted" or not engine.bearing.may_ask):
            return None
        reading = await accounting.read_account(client, self.vendor.dialect)
        return reading if isinstance(reading, Account) else None

    def _require_prices(self, engine: Engine, planned: Mapping[RowKind, int]) -> None:
        """Stop before the first order where a limit of cost could not be kept, because nobody knows what some rows cost."""
        rows: Counter[str] = Counter()
        for asked, count in planned.items():
            if self.limits.has_cost_cap(asked.model) and price_of(engine.steps.prices, asked) is None:
                rows[asked.model] += count
        if rows and not self.limits.allow_unpriced:
            engine.bearing.halt(Stop(exit_code=Exit.LIMIT, reason="unpriced", message=unpriced(rows)))

    def _wanted(self, engine: Engine, planned: Mapping[RowKind, int]) -> int | None:
        """Give what the rows that are still to be ordered may cost, in micros; None when some have no known price."""
        prices = engine.steps.prices
        costs = [(price_of(prices, asked), rows) for asked, rows in planned.items()]
        return None if any(price is None for price, _ in costs) else sum((price or 0) * rows for price, rows in costs)

    async def _beat(self, run_id: int, journal: OrderJournal, engine: Engine, member: Member | None) -> None:
        """Leave a sign of life in the run's row, so that others can tell a working process from a dead one, and a mark in the journal.

        A database that does not take it stops the run, also one that waits and has nothing to record, and so does one that has fallen back
        behind what the journal knows. A clock that jumped is noted.
        """
        clocks = ClockWatch()
        while True:
            if told := clocks.look():
                diary.get("run").warning("run.clock_jumped", detail=told)
            await asyncio.sleep(_BEAT_EVERY_S if member is None else member.signs_every_s)
            try:
                if member is None:
                    await asyncio.wrap_future(self.thread.call(lambda c: runs.beat(c, run_id, at=SystemClock().now())))
                else:
                    await member.sign()
                await asyncio.to_thread(self._mark, journal)
            except StoreAwayError:
                continue  # it may come back; whoever has something to record waits for it
            except StoreError as error:
                engine.stop_for(error)
                return

    async def _remember(self, vendor: str, engine: Engine) -> None:
        """Write down from time to time how much the vendor is found to bear: a run that dies leaves what it found."""
        while True:
            await asyncio.sleep(_REMEMBER_EVERY_S)
            await self._note_pace(vendor, engine)

    async def _note_pace(self, vendor: str, engine: Engine) -> None:
        found, at = engine.orderer.places.findings(), SystemClock().now()
        if found:
            with suppress(StoreError):  # whoever has something to record finds out
                await asyncio.wrap_future(self.thread.call(lambda c: paces.keep(c, vendor, found, at=at)))

    def _mark(self, journal: OrderJournal) -> None:
        """Note in the journal how far the database has come; raise StoreError when that is less than before."""
        with suppress(FileError, StoreAwayError):  # whether disk and database work is found out by the next order
            journals.mark(self.thread, journal)

    @property
    def folder(self) -> Path:
        """Give the folder on this machine that belongs to the batch."""
        return self.settings.local_folder(self.run.output.dir)

    def _snapshot(self, engine: Engine) -> Snapshot:
        progress, clock = engine.bearing.progress, engine.steps.clock
        now = clock.monotonic()
        count = {state: max(0, progress.by_state.get(state, 0)) for state in State}
        return Snapshot(
            states=count,
            unit=self.vendor.dialect.unit,
            spent=None if progress.spent is None else Micros(progress.spent),
            cap=engine.bearing.limits.budget_cost,
            per_minute=progress.images_per_minute(now),
            oldest_task_s=engine.oldest_task_s(),
            pause=progress.pause,
            stopping=progress.stopping,
            problems=tuple(progress.problems),
            show=f"{database.command(self.settings)} jobs {self.batch} --state ambiguous",
            at=clock.now(),
            pace=engine.orderer.places.told(),
            saved_bytes=progress.saved_bytes,
            saved=progress.saved,
            orders=progress.orders,
            polls=progress.polls,
            throttled=progress.throttled,
            last_saved_at=clock.now() - timedelta(seconds=now - progress.saved_at[-1]) if progress.saved_at else None,
        )

    def _report(self, engine: Engine, account: Account | None) -> Report:
        stop, progress = engine.bearing.stop, engine.bearing.progress
        try:
            return self._counted(engine, account)
        except StoreError as error:
            return Report(
                batch=self.batch, exit_code=Exit.STORAGE, reason="storage", message=stop.message if stop else str(error), totals={},
                needs_decision=0, saved=progress.saved, unrecorded=tuple(progress.unrecorded.values()), missing=0,
                money="the database cannot be read", command=database.command(self.settings),
            )  # fmt: skip

    def _counted(self, engine: Engine, account: Account | None) -> Report:
        stop, progress = engine.bearing.stop, engine.bearing.progress
        figures = self._figures(progress.throttled_s)
        totals, harvest = figures.totals, None if figures.deeds is None else figures.deeds.harvest
        missing = missing_files(self.thread.engine, self.batch, self.settings)
        undecided = prospects.undecided(self.thread.engine, self.batch_id) + progress.parked + missing
        reason = "finished" if stop is None else stop.reason
        return Report(
            batch=self.batch,
            exit_code=stop.exit_code if stop else 3 if undecided else 0,
            reason=reason,
            message=self._why(stop, engine, account, rows=totals.states[State.PLANNED]),
            totals=totals.states,
            needs_decision=undecided,
            saved=progress.saved if harvest is None else harvest.saved,
            unrecorded=tuple(progress.unrecorded.values()),
            missing=missing,
            money=figures.money,
            command=figures.command,
            figures=figures,
        )

    def _figures(self, throttled_s: float) -> Figures:
        """Read what the batch comes to now that this run ends."""
        return figures_of(
            self.thread.engine,
            queries.batch_named(self.thread.engine, self.batch),
            command=database.command(self.settings),
            is_at_work=False,
            until=SystemClock().now(),
            throttled_s=throttled_s,
        )

    def _why(self, stop: Stop | None, engine: Engine, account: Account | None, *, rows: int) -> str:
        """Say why the run stopped, and where it stopped for want of money, how much there is and how much is needed."""
        if stop is None or stop.reason not in {"balance", "quota"}:
            return stop.message if stop else ""
        unit, planned = self.vendor.dialect.unit, prospects.outlook(self.thread.engine, self.batch).planned
        return f"{stop.message}; {accounting.shortfall(account, rows=rows, wanted=self._wanted(engine, planned), unit=unit)}"


@contextmanager
def _unwatched(_snapshot: Callable[[], Snapshot]) -> Iterator[None]:
    yield
