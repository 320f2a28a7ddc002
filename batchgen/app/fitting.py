"""Fit the parts of the worker together for one run."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from batchgen.app import accounting
from batchgen.app.pricing import prices_of
from batchgen.core.dialects import Dialect
from batchgen.core.limits import Limits
from batchgen.core.ports import Client, Clock, Journal, Ledger, Library, Log, Shelf
from batchgen.core.pricing import PriceList
from batchgen.files.library import Planned, ReferenceLibrary
from batchgen.planning.settings import RunSettings
from batchgen.store import paces, queries
from batchgen.store.engine import Database
from batchgen.worker.agenda import Agenda
from batchgen.worker.attaching import Attacher
from batchgen.worker.bearing import Bearing
from batchgen.worker.doubting import Doubter
from batchgen.worker.engine import Engine
from batchgen.worker.following import Follower
from batchgen.worker.gate import Gate, SubmitGate
from batchgen.worker.latency import Latencies
from batchgen.worker.ordering import Orderer
from batchgen.worker.progress import Progress
from batchgen.worker.recorder import Recorder
from batchgen.worker.steps import Steps
from batchgen.worker.verdicts import Judge

_MIN_KEY_CHARS: Final = 16
"""Of a shorter key, four characters would be too much to show."""
_LONGEST_PAUSE_S: Final = 86_400.0
_SHORT_PAUSE_S: Final = 1.0
_LONGEST_SILENCE_S: Final = 900.0
"""How long a vendor may keep us from ordering, and from asking after what is paid; a longer wish is taken for junk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the worker sees of the outside; a test may wrap each."""

    ledger: Ledger
    journal: Journal
    client: Client
    shelf: Shelf
    library: Library
    clock: Clock


Fit = Callable[[Ports], Ports]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run works from: the batch's row, its settings and prices, and the vendor's language with the address it is spoken at."""

    batch_id: int
    run: RunSettings
    limits: Limits
    prices: PriceList | None
    dialect: Dialect
    base_url: str
    posts_at_once: int
    key: str | None = field(default=None, repr=False)

    @property
    def vendor(self) -> str:
        """Name whom what is learned is about: the vendor, and which of several keys."""
        key = self.run.key
        return f"{self.dialect.name} {self.base_url}" + ("" if key is None else f" {key.env}")

    @property
    def key_named(self) -> str:
        """Name the API key so that its owner knows which one it is: by its variable and its last four characters, and no more of it."""
        named = f"the API key in {self.run.provider.api_key_env}"
        return f"{named} (it ends in {self.key[-4:]})" if self.key is not None and len(self.key) >= _MIN_KEY_CHARS else named


def library_of(run: RunSettings) -> ReferenceLibrary:
    """Give the local reference images of a batch."""
    local = ((reference, reference.sha256, reference.path) for reference in run.references.values())
    return ReferenceLibrary(
        {
            sha256: Planned(path=Path(path), media_type=reference.media_type or "", send=reference.send)
            for reference, sha256, path in local
            if sha256 is not None and path is not None
        }
    )


def engine_of(plan: Plan, ports: Ports, database: Database, threads: Executor, log: Log) -> Engine:
    """Give an engine that knows what earlier runs learned."""
    limits, random = plan.limits, Random()  # noqa: S311 - jitter, no secret
    totals = queries.totals(database, plan.batch_id)
    progress = Progress(by_state=dict(totals.states), spent=totals.spent or None)
    latencies = Latencies()
    latencies.learn_all(queries.learned_latency(database))
    bearing = Bearing(
        limits=limits,
        clock=ports.clock,
        log=log,
        progress=progress,
        address=f"the API address {plan.base_url} (provider.base_url)",
        key=plan.key_named,
    )
    steps = Steps(
        recorder=Recorder(ledger=ports.ledger, journal=ports.journal, clock=ports.clock, log=log, progress=progress),
        client=ports.client,
        dialect=plan.dialect,
        shelf=ports.shelf,
        clock=ports.clock,
        judge=Judge(limits=limits),
        prices=prices_of(plan.run.provider, plan.dialect, plan.prices, queries.learned_costs(database)),
        attacher=_attacher(plan, ports, random, threads),
        random=random,
        threads=threads,
    )
    doubter = Doubter(
        recorder=steps.recorder,
        ledger=ports.ledger,
        prices=steps.prices,
        bearing=bearing,
        ask_account=partial(accounting.account_of, ports.client, plan.dialect),
    )
    agenda, places = Agenda(), _places(plan, database, random)
    orderer = Orderer(steps=steps, ledger=ports.ledger, agenda=agenda, places=places, latencies=latencies, bearing=bearing, doubter=doubter)
    questions = _gate(limits, random, longest_s=_LONGEST_SILENCE_S)
    follower = Follower(steps=steps, agenda=agenda, places=places, questions=questions, latencies=latencies, bearing=bearing)
    return Engine(
        steps=steps,
        ledger=ports.ledger,
        agenda=agenda,
        orderer=orderer,
        follower=follower,
        doubter=doubter,
        bearing=bearing,
        posts_at_once=plan.posts_at_once,
    )


def _attacher(plan: Plan, ports: Ports, random: Random, threads: Executor) -> Attacher:
    return Attacher(
        client=ports.client,
        dialect=plan.dialect,
        ledger=ports.ledger,
        library=ports.library,
        clock=ports.clock,
        random=random,
        threads=threads,
        vendor=plan.vendor,
    )


def _places(plan: Plan, database: Database, random: Random) -> SubmitGate:
    """Give what decides over orders. Where the pace is found, allowing less is the answer to throttling, and the pause may be short."""
    gate = _gate(plan.limits, random, longest_s=_LONGEST_PAUSE_S)
    if plan.limits.pace.in_flight is None:
        gate.initial_s = min(gate.initial_s, _SHORT_PAUSE_S)
    return SubmitGate(limits=plan.limits, gate=gate, found=paces.found(database, plan.vendor))


def _gate(limits: Limits, random: Random, *, longest_s: float) -> Gate:
    return Gate(random=random, initial_s=limits.backoff.initial_s, longest_s=longest_s)
