"""Run a batch: lock the database, reach the vendor, let a shift work, and tell how it ended."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from batchgen.app import database, journals, trying, vendor
from batchgen.app.clock import SystemClock
from batchgen.app.fitting import Fit, Ports
from batchgen.app.keys import RETIRES, begun, keys_here
from batchgen.app.limiting import argument_of, limits_in
from batchgen.app.listening import Opening
from batchgen.app.member import lease_of
from batchgen.app.places import require_reachable
from batchgen.app.recording import recorded
from batchgen.app.reports import Report
from batchgen.app.shift import Shift, Watch
from batchgen.app.telling.lookout import Lookout
from batchgen.app.telling.signs import SignFiles
from batchgen.app.telling.watching import beside
from batchgen.app.trying import Canary
from batchgen.app.vendor import require_key
from batchgen.app.wording import counted
from batchgen.core.errors import InputError
from batchgen.core.exits import Exit
from batchgen.core.limits import Limits
from batchgen.core.money import Micros, to_micros
from batchgen.core.ports import Client
from batchgen.core.pricing import PriceList
from batchgen.core.steering import Budget, Deadline, Limit, upon
from batchgen.files import folderlock
from batchgen.logs import lines as diary
from batchgen.planning.notices import secrets_of
from batchgen.planning.settings import KeySettings, RunSettings, deadline_after
from batchgen.settings import Settings
from batchgen.store import commands, queries
from batchgen.store.engine import is_server
from batchgen.store.lock import RunLock
from batchgen.store.writer import DatabaseThread

__all__ = ["Ports", "SignFiles", "Wishes", "require_key", "wishes", "work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks beyond the stored plan; ``record`` is a folder for the exchanges with the vendor."""

    budget: Micros | None = None
    until: str | None = None
    record: Path | None = None
    ambiguous_cost: Micros | None = None
    allow_unpriced: bool = False
    signs: SignFiles = field(default_factory=SignFiles)
    canary: Canary | None = None
    most_in_flight: int | None = None
    lease_s: float | None = None
    """How long a silent run counts as alive, where others share the database; None for as long as an order may be on its way."""

    def changes(self, now: datetime) -> tuple[Limit, ...]:
        """Give the limits that a run may change as well while it works."""
        budget = () if self.budget is None else (Budget(self.budget),)
        until = () if self.until is None else (Deadline(deadline_after(self.until, now)),)
        return (*budget, *until)

    def upon(self, limits: Limits, *, now: datetime) -> Limits:
        """Give the limits of this run."""
        limits = upon(limits, self.changes(now))
        return replace(limits, ambiguous_cost=self.ambiguous_cost, allow_unpriced=self.allow_unpriced)


Prepare = Callable[[DatabaseThread], None]
Recording = Callable[[Client, str], Client]
"""Puts a recorder of exchanges around a client, which leaves the key out."""


def wishes(*, budget: str | None, until: str | None, ambiguous_cost: str | None = None, besides: Wishes | None = None) -> Wishes:
    """Read the options of a run that are written as text, ``besides`` the others; raise InputError when one cannot be meant."""
    besides = besides or Wishes()
    besides.signs.require_ours()
    cap, allowance = _amount("--budget", budget), _amount("--max-ambiguous-cost", ambiguous_cost)
    try:
        if until is not None:
            deadline_after(until, SystemClock().now())
    except ValueError:
        raise InputError(f"--until {until!r} is no time; write 07:30, or an instant like 2026-05-01T07:30") from None
    return replace(besides, budget=cap, until=until, ambiguous_cost=allowance)


def _amount(option: str, text: str | None) -> Micros | None:
    try:
        return None if text is None else to_micros(Decimal(text))
    except (ValueError, ArithmeticError):
        raise InputError(f"{option} {text!r} is no amount of money; write 40 or 0.5") from None


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
    with recorded(wishes.record) as wrap, database.writing(settings) as thread, RunLock(settings.db_url):
        if prepare is not None:
            prepare(thread)
        stored = queries.batch_named(thread.engine, batch)
        plan = queries.latest_plan(thread.engine, stored.id)
        run = RunSettings.from_json(plan.settings)
        _require_allowance(run, wishes)
        turn = _Turn(settings=settings, thread=thread, batch=stored, plan=plan, wishes=wishes, watch=watch, fit=fit, wrap=wrap)
        keys = keys_here(run.provider, settings)
        return turn.with_each_key(run, keys) if keys else turn.work(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One process's turn at a batch, with one key or with several, one after the other."""

    settings: Settings
    thread: DatabaseThread
    batch: queries.Batch
    plan: queries.StoredPlan
    wishes: Wishes
    watch: Watch | None
    fit: Fit
    wrap: Recording

    def with_each_key(self, run: RunSettings, keys: Sequence[KeySettings]) -> Report:
        """Work with the key that needs it most; one that is used up or refused is left for the next, as long as there is one."""
        lease_s, left = self._lease(run), set[str]()
        while (taken := begun(self.thread, self.batch.id, keys, left=left, lease_s=lease_s)) is not None:
            key, run_id = taken
            report = self.work(run.under(key), run_id=run_id)
            left.add(key.env)
            if report.reason not in RETIRES:
                break
            diary.get("run").warning("run.key_left", key=key.env, why=report.message)
        return report

    def _lease(self, run: RunSettings) -> float | None:
        """Give how long a run may be silent; None where it has the database to itself."""
        if not is_server(self.thread.engine):
            return None
        return self.wishes.lease_s or lease_of(run.limits(now=SystemClock().now()))

    def work(self, run: RunSettings, *, run_id: int | None = None) -> Report:
        """Reach the vendor, and let a shift work; ``run_id`` is a run that has begun already."""
        settings, thread, wishes = self.settings, self.thread, self.wishes
        key = require_key(run.provider, settings)
        others = [secret for other in run.provider.keys if (secret := settings.secret(other.env)) is not None]
        secrets = [key, *others, *settings.secrets(), *secrets_of(run.notify, settings.env)]
        diary.configure(settings.log_file, secrets=secrets, console=self.watch is None or not os.isatty(2))
        require_reachable(run, settings)
        folder, now = settings.local_folder(run.output.dir), SystemClock().now()
        lookout = Lookout.over(run, settings, wishes.signs, secrets=secrets)
        lease_s = self._lease(run)
        holding = folderlock.held(folder, is_shared=lease_s is not None)
        with lookout.minding(), holding, vendor.reached(run, settings, folder=_folder_of(settings)) as reached:
            journals.require_current(thread, folder, batch=self.batch.name, command=database.command(settings))
            lasting = thread.call(lambda c: commands.lasting(c, self.batch.id)).result()
            changes = [change for request in lasting for change in limits_in(request.argument, now=request.asked_at)]
            typed = argument_of(wishes.changes(now))
            limits = wishes.upon(upon(run.limits(now=now), changes), now=now)
            shift = Shift(
                batch=self.batch.name,
                batch_id=self.batch.id,
                plan_id=self.plan.id,
                run=run,
                prices=PriceList.from_json(self.plan.prices),
                settings=settings,
                thread=thread,
                vendor=reached,
                limits=limits,
                lease_s=lease_s,
                run_id=run_id,
                most_in_flight=wishes.most_in_flight,
                opening=Opening(lasting=lasting, typed=typed, actor=f"operator:{settings.login}"),
                wrap=lambda client: self.wrap(client, key),
            )
            report = _tried_first(shift, wishes.canary, self.batch, watch=beside(self.watch, lookout), fit=self.fit)
        lookout.end(report)
        return report


def _tried_first(shift: Shift, canary: Canary | None, batch: queries.Batch, *, watch: Watch | None, fit: Fit) -> Report:
    """Work, but wait for the results of some rows first, where that is wanted and there are more."""
    engine = shift.thread.engine
    rows = trying.chosen(engine, batch.id, canary.rows) if canary is not None else frozenset()
    if canary is None or not rows:
        return shift.work(watch=watch, fit=fit)
    begun_at = SystemClock().now()
    report = replace(shift, only=rows).work(watch=watch, fit=fit)
    if report.reason != "finished":
        return report
    outcome = trying.outcome(engine, batch, rows)
    is_agreed, objections = canary.agree(outcome), "; ".join(outcome.objections())
    diary.get("run").info("run.tried", rows=len(rows), failed=outcome.trial.failed, goes_on=is_agreed, detail=objections)
    if not is_agreed:
        message = f"{counted(len(rows), 'row')} tried, the rest not ordered" + (f": {objections}" if objections else "")
        return replace(report, exit_code=Exit.LIMIT, reason=commands.CANARY, message=message)
    followed = shift.thread.call(lambda c: commands.followed(c, batch.id, since=begun_at)).result()
    changes = [change for request in followed for change in limits_in(request.argument, now=request.asked_at)]
    opening = Opening(lasting=followed, actor=shift.opening.actor, process_since=begun_at)
    return replace(shift, limits=upon(shift.limits, changes), opening=opening, run_id=None).work(watch=watch, fit=fit)


def _require_allowance(run: RunSettings, wishes: Wishes) -> None:
    """Raise InputError where the policy for lost answers and the allowance for it do not go together."""
    if run.on_ambiguous == "resubmit" and wishes.ambiguous_cost is None:
        raise InputError("on_ambiguous: resubmit buys again what may be bought already: say --max-ambiguous-cost COST, how much of that")
    if run.on_ambiguous != "resubmit" and wishes.ambiguous_cost is not None:
        raise InputError(f"--max-ambiguous-cost belongs to on_ambiguous: resubmit, and the manifest says {run.on_ambiguous}")


def _folder_of(settings: Settings) -> Path:
    """Give the folder beside the database, where a simulator keeps its ledger."""
    return settings.log_file.parent
