"""Values with everything filled in, and a worker put together over fakes."""

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from batchgen.core import events as e
from batchgen.core.dialects import Dialect
from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.limits import Limits, Pace
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.worker.agenda import Agenda
from batchgen.worker.attaching import Attacher
from batchgen.worker.bearing import Bearing, Stop
from batchgen.worker.doubting import Doubter
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
from tests.support.fake_client import FakeClient, FakeDialect, kept_body
from tests.support.fake_clock import START, FakeClock, run_warped
from tests.support.fake_journal import FakeJournal
from tests.support.fake_ledger import FakeLedger
from tests.support.fake_library import FakeLibrary
from tests.support.fake_log import FakeLog
from tests.support.fake_shelf import FakeShelf
from tests.support.fake_threads import FakeThreads

_SHA256: Final = "ab" * 32


def image(name: str = "a.png", **changes: object) -> e.Image:
    """Build a verified image."""
    return replace(
        e.Image(path=name, temp=f".{name}.part", sha256=_SHA256, bytes=1000, width=1024, height=1024, media_type="image/png"), **changes
    )


def event(kind: type[e.Event], **changes: object) -> e.Event:
    """Build an event of the class, with something in every field that has no default."""
    usual: dict[str, object] = {
        "reason": "because",
        "body_sha256": _SHA256,
        "reserved": Micros(60_000),
        "task_id": "task-1",
        "cost": Micros(60_000),
        "urls": ("https://cdn.example/task-1.png",),
        "expires_at": START + timedelta(days=1),
        "images": (image(),),
    }
    fields = set(kind.__dataclass_fields__)
    values: dict[str, Any] = {name: value for name, value in usual.items() if name in fields} | changes
    return kind(**values)


def job(number: int = 1, **changes: object) -> Job:
    """Build the planned job of that number."""
    plain = Job(
        id=JobId(number),
        key=JobKey(f"{number:032x}"),
        batch_id=1,
        sweep="main",
        prompt_id=f"p{number}",
        prompt="A neon sign that says OPEN",
        operation="image",
        model="painter",
        params={"resolution": "1k"},
        labels={},
        references=(),
        cell="c1",
        sample=1,
        position=number,
        state=State.PLANNED,
        version=0,
    )
    return replace(plain, **changes)


def jobs(count: int, **changes: object) -> list[Job]:
    """Build planned jobs, numbered from 1."""
    return [job(number, **changes) for number in range(1, count + 1)]


def submitted(number: int = 1, *, at: datetime = START, **changes: object) -> Job:
    """Build a job whose task an earlier run left with the vendor."""
    past = {"state": State.SUBMITTED, "version": 2, "attempts": 1, "attempt_id": number, "task_id": f"old-{number}", "submitted_at": at}
    return job(number, **{**past, **changes})


def rendered(number: int = 1, **changes: object) -> Job:
    """Build a job whose image an earlier run left to be fetched."""
    found = {"urls": (f"https://cdn.example/old-{number}.png",), "expires_at": START + timedelta(hours=20)}
    return submitted(number, **{**found, "state": State.RENDERED, "version": 3, **changes})


def generate(number: int = 1, **changes: object) -> Job:
    """Build a planned job whose order is answered by its result."""
    return job(number, operation="generate", **changes)


def answered(number: int = 1, *, at: datetime = START, **changes: object) -> Job:
    """Build a job of which an earlier run kept the answer that is the result."""
    return submitted(number, at=at, **{"operation": "generate", "task_id": f"sync-{number}", **changes})


def limits(**changes: object) -> Limits:
    """Build limits with eight in flight."""
    return replace(Limits(pace=Pace(in_flight=8)), **changes)


@dataclass(slots=True, kw_only=True)
class Rig:
    """A whole worker over fakes. ``trace`` holds the calls through every port in their order."""

    limits: Limits
    clock: FakeClock = field(default_factory=FakeClock)
    trace: list[str] = field(default_factory=list)
    ledger: FakeLedger
    journal: FakeJournal
    client: FakeClient
    shelf: FakeShelf
    library: FakeLibrary
    log: FakeLog
    progress: Progress
    prices: Prices
    places: SubmitGate
    latencies: Latencies
    agenda: Agenda
    threads: FakeThreads
    engine: Engine

    def run(self, later: Mapping[float, Callable[[], object]] | None = None) -> Stop | None:
        """Work to the end in jumping time; ``later`` calls functions so many seconds after the start."""
        return run_warped(self.clock, self.engine.run(), later)

    def again(self, **changes: object) -> "Rig":
        """Build the next run on the same table, vendor and folder."""
        return rig(
            (),
            limits=replace(self.limits, **changes),
            clock=self.clock,
            ledger=self.ledger,
            journal=self.journal,
            client=self.client,
            shelf=self.shelf,
            library=self.library,
        )

    def keep_answer(self, to: Job, word: str = "inline") -> None:
        """Keep the answer to an order, as a run that died would have."""
        answer = self.shelf.answer(to)
        answer.begin(200, {"content-type": "application/json"})
        answer.write(kept_body(word))
        answer.finish()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.engine.interrupt(signal.SIGINT)

    def job(self, number: int = 1) -> Job:
        """Give the row as it is stored."""
        return self.ledger.rows[JobId(number)]

    def events(self, number: int = 1) -> list[str]:
        """Give the words of the events recorded for a row."""
        return self.ledger.events(number)

    def states(self) -> list[State]:
        """Give the state of each row."""
        return self.ledger.states()


def rig(
    rows: Iterable[Job],
    *,
    limits: Limits | None = None,
    clock: FakeClock | None = None,
    ledger: FakeLedger | None = None,
    journal: FakeJournal | None = None,
    client: FakeClient | None = None,
    shelf: FakeShelf | None = None,
    library: FakeLibrary | None = None,
    dialect: Dialect | None = None,
) -> Rig:
    """Put a worker together over fakes."""
    clock, limits, random, trace, log = clock or FakeClock(), limits or Limits(pace=Pace(in_flight=8)), Random(7), [], FakeLog()
    library, journal = library or FakeLibrary(), journal or FakeJournal()
    ledger, client, shelf = ledger or FakeLedger(), client or FakeClient(clock=clock), shelf or FakeShelf()
    ledger.trace = client.trace = shelf.trace = trace
    ledger.add(rows)
    progress, latencies, agenda = Progress(), Latencies(), Agenda()
    dialect = dialect or FakeDialect()
    prices = Prices(rules=dialect)
    bearing = Bearing(limits=limits, clock=clock, log=log, progress=progress)
    places, threads = SubmitGate(limits=limits, gate=Gate(random)), FakeThreads()
    steps = Steps(
        recorder=Recorder(ledger=ledger, journal=journal, clock=clock, log=log, progress=progress),
        client=client,
        dialect=dialect,
        shelf=shelf,
        clock=clock,
        judge=Judge(limits=limits),
        prices=prices,
        attacher=Attacher(
            client=client,
            dialect=dialect,
            ledger=ledger,
            library=library,
            clock=clock,
            random=random,
            threads=threads,
            vendor="fake https://api.example",
        ),
        random=random,
        threads=threads,
    )
    doubter = Doubter(recorder=steps.recorder, ledger=ledger, prices=prices, bearing=bearing, ask_account=client.account)
    orderer = Orderer(steps=steps, ledger=ledger, agenda=agenda, places=places, latencies=latencies, bearing=bearing, doubter=doubter)
    follower = Follower(steps=steps, agenda=agenda, places=places, questions=Gate(random), latencies=latencies, bearing=bearing)
    engine = Engine(steps=steps, ledger=ledger, agenda=agenda, orderer=orderer, follower=follower, doubter=doubter, bearing=bearing)
    return Rig(
        limits=limits,
        clock=clock,
        trace=trace,
        ledger=ledger,
        journal=journal,
        client=client,
        shelf=shelf,
        library=library,
        log=log,
        progress=progress,
        prices=prices,
        places=places,
        latencies=latencies,
        agenda=agenda,
        threads=threads,
        engine=engine,
    )
