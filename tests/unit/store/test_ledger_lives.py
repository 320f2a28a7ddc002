"""Random lives of a batch on the real ledger: orders, answers, crashes, restarts, jumping clocks, decisions and a second runner.

Beside the database stands a pure model: the rows as the table of transitions has them, and the vendor's bill. It decides what every call
must give and what the tables must hold; no purchase may be made twice without a decision, and none may be booked as not made.
"""

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from batchgen.core import events as e
from batchgen.core.errors import IllegalTransitionError, LockedError, StaleJobError
from batchgen.core.jobs import Change, JobId
from batchgen.core.machine import TABLE
from batchgen.core.states import LIVE, Outcome, State
from batchgen.store import runs
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from batchgen.store.lock import RunLock
from batchgen.store.writer import DatabaseThread
from tests.support.databases import START, Table, event, opened, sqlite_url

EXAMPLES: Final = int(os.environ.get("EXAMPLES", "100"))
STEPS: Final = 50
MEMORY: Final = Path("/dev/shm")
"""The machine is about what is written, not about disks: memory is twenty times quicker."""

JOBS: Final = st.integers(min_value=1, max_value=3)
ANSWERS: Final = st.sampled_from(
    [
        *(e.SubmitAccepted, e.SubmitAccepted, e.SubmitAccepted, e.SubmitUnknown, e.SubmitUnproven, e.SubmitGivenUp),
        *(e.SubmitRefused, e.SubmitRejected, e.SubmitNotSent, e.SubmitUnreachable),
    ]
)
MAY_BE_BILLED: Final = (e.SubmitAccepted, e.SubmitUnknown, e.SubmitUnproven, e.SubmitGivenUp)
FOLLOWING: Final = st.sampled_from(
    [
        *(e.RenderFinished, e.RenderFinished, e.RenderFailed, e.TaskStalled),
        *(e.ImagesStaged, e.ImagesSaved, e.DownloadDeferred, e.FreshUrlWanted, e.DownloadFailed),
    ]
)
DECISIONS: Final = st.sampled_from(
    [e.TaskAttached, e.ResubmitAllowed, e.BillingDisproved, e.JobAbandoned, e.RetryAllowed, e.JobCancelled, e.JobRestored]
)
JUMPS: Final = st.sampled_from([timedelta(days=-4), timedelta(hours=-1), timedelta(seconds=1), timedelta(hours=1), timedelta(days=4)])


@dataclass(slots=True)
class Life:
    """What should be true of one job: its row, the outcome of each order, the orders on the vendor's bill, and the decisions."""

    state: State = State.PLANNED
    version: int = 0
    next_at: datetime | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    bill: set[int] = field(default_factory=set)
    decisions: int = 0

    def follow(self, happened: e.Event) -> None:
        """Let an event happen."""
        self.state, self.version = TABLE[self.state, type(happened)], self.version + 1
        self.next_at = happened.next_at if isinstance(happened, e.Deferred) else None
        self.decisions += happened.is_decision
        if happened.outcome is Outcome.OPEN:
            self.outcomes.append(Outcome.OPEN)
        elif happened.outcome is not None:
            self.outcomes[-1] = happened.outcome


class LivesMachine(RuleBasedStateMachine):
    """Three jobs, a runner that comes and goes, an operator in another shell, and a vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.runner = ExitStack()
        self.is_running = False
        self.now = START
        self.lives = {number: Life() for number in (1, 2, 3)}
        self.out: set[int] = set()

    @initialize()
    def plan(self) -> None:
        """Start with a fresh database, an operator's connection to it, and nobody at work."""
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None))
        self.table: Table = self.stack.enter_context(opened(sqlite_url(Path(folder))))(3)

    def teardown(self) -> None:
        """Look at everything once more, then close."""
        if hasattr(self, "table"):
            assert [] == self.table.violations()
        self.runner.close()
        self.stack.close()

    # --- the runner ---

    @precondition(lambda self: not self.is_running)
    @rule()
    def starts(self) -> None:
        """Take the lock, find exactly what is alive, and settle what a dead runner left open as doubtful."""
        self.runner.enter_context(RunLock(self.table.url))
        engine = open_engine(self.table.url)
        self.runner.callback(engine.dispose)
        thread = DatabaseThread(engine)
        self.runner.callback(thread.close)
        process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
        run_id = thread.call(lambda c: runs.start(c, batch_id=self.table.batch_id, process=process, at=self.now)).result()
        self.ledger = SqlLedger(thread, batch_id=self.table.batch_id, run_id=run_id)
        self.is_running = True
        found = self.ledger.live().result()
        assert {number for number, life in self.lives.items() if life.state in LIVE} == {job.id for job in found}
        for job in found:
            if job.state is State.SUBMITTING:
                self.record(job.id, event(e.SubmitUnknown), actor="recovery")
        with pytest.raises(LockedError):
            RunLock(self.table.url).acquire()

    @precondition(lambda self: self.is_running)
    @rule(arrived=st.booleans())
    def dies(self, arrived: bool) -> None:
        """Lose all that is in memory; the orders that are out may have arrived."""
        for number in self.out:
            self.bill(number, arrived=arrived)
        self.out.clear()
        self.runner.close()
        self.is_running = False

    @rule(which=st.integers(0, 2), is_raced=st.booleans())
    def submits(self, which: int, is_raced: bool) -> None:
        """Claim exactly what is planned and due, and order one of it; a second runner that has claimed it too comes too late."""
        if not self.is_running:
            self.starts()
        due = [n for n, life in self.lives.items() if life.state is State.PLANNED and (life.next_at or self.now) <= self.now]
        claimed = self.ledger.claim(limit=9, now=self.now, skip=frozenset(), full_models=frozenset()).result()
        assert due == [job.id for job in claimed]
        if not due:
            return
        job = claimed[which % len(due)]
        self.record(job.id, event(e.SubmitStarted))
        self.out.add(job.id)
        if is_raced:
            late = Change(job_id=job.id, version=job.version, event=event(e.SubmitStarted), at=self.now)
            assert isinstance(self.table.ledger.record(late).exception(), StaleJobError)

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 2), kind=ANSWERS, billed=st.booleans(), wait=JUMPS)
    def is_answered(self, which: int, kind: type[e.Event], billed: bool, wait: timedelta) -> None:
        """Record what came back, or that nothing did."""
        number = sorted(self.out)[which % len(self.out)]
        self.out.discard(number)
        if kind in MAY_BE_BILLED:
            self.bill(number, arrived=billed or kind is e.SubmitAccepted)
        facts = {"next_at": self.now + wait} if issubclass(kind, e.Deferred) else {}
        self.record(number, event(kind, **facts))

    @precondition(lambda self: self.is_running and self.tasks())
    @rule(which=st.integers(0, 2), kind=FOLLOWING)
    def follows(self, which: int, kind: type[e.Event]) -> None:
        """Ask after a task, or fetch its image; what the table does not allow is refused."""
        tasks = self.tasks()
        self.record(tasks[which % len(tasks)], event(kind))

    # --- everybody else ---

    @rule(jump=JUMPS)
    def clock_jumps(self, jump: timedelta) -> None:
        """Set the clock: what is due follows it, what is recorded stays in its order."""
        self.now += jump

    @rule(number=JOBS, kind=DECISIONS)
    def is_decided(self, number: int, kind: type[e.Event]) -> None:
        """Decide about any job, as somebody does who has seen the bill; what the table does not allow is refused."""
        life = self.lives[number]
        is_billed = len(life.outcomes) in life.bill
        if (kind, is_billed) not in {(e.TaskAttached, False), (e.BillingDisproved, True)}:
            self.record(number, event(kind), actor="operator:ana")

    # --- how it is done ---

    def tasks(self) -> list[int]:
        """Give the jobs that the vendor has a task for."""
        return [number for number, life in self.lives.items() if life.state in {State.SUBMITTED, State.RENDERED}]

    def record(self, number: int, happened: e.Event, *, actor: str = "runner") -> None:
        """Record an event, by the operator's connection if an operator did it, and hold the answer against the table."""
        life = self.lives[number]
        ledger = self.table.ledger if actor.startswith("operator") else self.ledger
        change = Change(job_id=JobId(number), version=life.version, event=happened, at=self.now, actor=actor)
        error = ledger.record(change).exception()
        if (life.state, type(happened)) in TABLE:
            assert error is None
            life.follow(happened)
        else:
            assert isinstance(error, IllegalTransitionError)

    def bill(self, number: int, *, arrived: bool) -> None:
        """Put a job's latest order on the vendor's bill, if it arrived."""
        life = self.lives[number]
        if arrived:
            life.bill.add(len(life.outcomes))
        assert len(life.bill) <= 1 + life.decisions

    @invariant()
    def tells_the_truth(self) -> None:
        """Find rows and orders exactly as the model has them, and every order on the bill booked as money."""
        if not hasattr(self, "table"):
            return
        rows = self.table.sql("SELECT id, state, version FROM job ORDER BY id")
        assert [(number, life.state, life.version) for number, life in self.lives.items()] == [tuple(row) for row in rows]
        orders = self.table.sql("SELECT job_id, n, outcome FROM attempt ORDER BY job_id, n")
        expected = [(number, n, outcome) for number, life in self.lives.items() for n, outcome in enumerate(life.outcomes, start=1)]
        assert expected == [tuple(row) for row in orders]
        assert all(life.outcomes[n - 1].is_chargeable for life in self.lives.values() for n in life.bill)


LivesMachine.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedgerLives = LivesMachine.TestCase
