"""Random lives of a batch on the real ledger: orders, answers, lost answers, deaths, restarts, jumping clocks, decisions, a second runner.

Beside the database stands a model (``tests.support.lives``) that says what every change must give and what the tables must hold. The
vendor's bill is part of it: no order may stand there twice without a decision, and none that the books do not count.
"""

import asyncio
import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from batchgen.core import events as e
from batchgen.core.errors import LockedError
from batchgen.core.jobs import Change, Job, JobId
from batchgen.core.money import Micros
from batchgen.core.ports import Settled
from batchgen.core.states import Outcome, State
from batchgen.store import runs
from batchgen.store.engine import open_engine
from batchgen.store.instants import to_text
from batchgen.store.ledger import SqlLedger
from batchgen.store.lock import RunLock
from batchgen.store.recorder import ATTEMPTS_PER_JOB
from batchgen.store.writer import DatabaseThread
from batchgen.worker.recorder import Recorder
from tests.support.builders import rig
from tests.support.databases import PRICE, Table, event, opened, sqlite_url
from tests.support.fake_clock import FakeClock
from tests.support.fake_journal import FakeJournal
from tests.support.lives import LAWS, Batch, Life

EXAMPLES: Final = int(os.environ.get("EXAMPLES", "20"))
STEPS: Final = 50
JOBS: Final = 4
MEMORY: Final = Path("/dev/shm")
"""The machine is about what is written, not about disks: memory is twenty times quicker."""

MOVES: Final = ("runner_steps",) * 6 + ("world_turns",) * 2 + ("person_decides",) * 2 + ("latecomers_try",)
ANSWERS: Final = (
    *(e.SubmitUnproven, e.SubmitUnproven, e.SubmitUnknown, e.SubmitUnknown, e.SubmitAccepted, e.SubmitAccepted, e.SubmitAccepted),
    *(e.SubmitGivenUp, e.SubmitRefused, e.SubmitRejected, e.SubmitRejected, e.SubmitNotSent, e.SubmitUnreachable),
)
NEWS: Final = {
    "submitted": (e.RenderFailed, e.RenderFinished, e.RenderFinished, e.TaskStalled, e.DriftSeen),
    "rendered": (*(e.ImagesStaged, e.DownloadDeferred) * 2, e.FreshUrlWanted, e.ImagesSaved, e.DownloadFailed, e.DriftSeen),
    "failed": (e.RenderFinished,),
}
DECISIONS: Final = {
    "planned": (e.JobCancelled, e.JobRetired),
    "ambiguous": (*(e.BillingDisproved, e.TaskAttached) * 2, e.ResubmitAllowed, e.ResubmitAllowed, e.JobAbandoned),
    "failed": (e.RetryAllowed,),
    "cancelled": (e.RetryAllowed, e.JobRestored),
}
FATES: Final = ("never arrived", "arrived", "accepted", "refused")
"""What became of an order whose runner died: the last two answers came, and stand in the journal."""

LATE: Final = (*LAWS, *(e.RenderFinished,) * 6)
"""Anything, and often a late result: the one change about which the table alone does not decide."""

JUMPS_S: Final = (-4 * 86_400.0, -3_600.0, 1.0, 3_600.0, 4 * 86_400.0)
WAITS_S: Final = (None, -1.0, 1.0, 3_600.0)
COSTS: Final = (None, Micros(0), PRICE, Micros(2 * PRICE + 1))
LIMITS: Final = (*("none",) * 3, "just enough money", "a micro short", "just enough orders", "an order short")
TABLES: Final = {
    "jobs": "SELECT id, state, version, attempts, attempt_id, reason, next_at, unproven, not_sent, regenerated FROM job ORDER BY id",
    "orders": "SELECT job_id, n, outcome, task_id, est_micros, cost_micros, superseded FROM attempt ORDER BY job_id, n",
    "files": "SELECT job_id, state, path FROM artifact ORDER BY job_id, idx",
    "money": "SELECT spent_micros, reserved_micros, held_micros, orders FROM batch",
    "events": "SELECT job_id, max(seq), count(*), sum(is_decision) FROM event GROUP BY job_id ORDER BY job_id",
}


class LivesMachine(RuleBasedStateMachine):
    """Four jobs, a runner that comes and goes, a person and a second runner on another connection, and a vendor.

    There is one rule only: hypothesis leaves out rules at random for whole lives, and a life without a runner shows nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.runner = ExitStack(), ExitStack()
        self.clock, self.journal = FakeClock(), FakeJournal()
        self.batch = Batch({number: Life() for number in range(1, JOBS + 1)})
        self.forget()

    def forget(self) -> None:
        """Lose what a runner has in memory: its connection, its page of claimed rows, orders that are out, orders left by a dead runner."""
        self.ledger: SqlLedger | None = None
        self.page: list[Job] = []
        self.out: set[int] = set()
        self.left_open: list[Job] = []

    @initialize()
    def plan(self) -> None:
        """Start with a fresh database, another connection to it, and nobody at work."""
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None))
        url = sqlite_url(Path(folder))
        self.table: Table = self.stack.enter_context(opened(url))(JOBS)
        self.person = SqlLedger(self.table.thread, batch_id=self.table.batch_id)
        self.engine = open_engine(url)  # the runner's, opened anew by each: what it has compiled stays
        self.stack.callback(self.engine.dispose)
        self.reader = self.stack.enter_context(closing(sqlite3.connect(url.removeprefix("sqlite:///"))))

    def teardown(self) -> None:
        """Ask every invariant, then close."""
        try:
            if hasattr(self, "table"):
                assert [] == self.table.violations()
        finally:
            self.runner.close()
            self.stack.close()

    @rule(data=st.data())
    def goes_on(self, data: st.DataObject) -> None:
        """Let the runner take its next step, the world turn, a person decide, or somebody come too late."""
        self.data = data
        getattr(self, self.draw("move", MOVES))()

    def draw(self, label: str, choices: Any) -> Any:
        """Choose one."""
        return self.data.draw(st.sampled_from(choices), label=label)

    # --- the runner ---

    def runner_steps(self) -> None:
        """Start, then settle what a dead runner left, then work on any job that there is something to do for."""
        if self.ledger is None:
            self.starts()
        elif self.left_open:
            self.recovers(self.left_open.pop(0))
        else:
            may_have_news = {n for n, life in self.batch.lives.items() if life.state in NEWS and life.order and life.order.task_id}
            due = set() if self.page else set(self.batch.due(self.clock.now()))
            number = self.draw("job", sorted(self.out | may_have_news | due | {job.id for job in self.page}) or [0])
            if number in self.out:
                self.is_answered(number)
            elif number in may_have_news:
                self.follows(number)
            else:
                self.orders()

    def starts(self) -> None:
        """Take the lock, and find exactly what is alive."""
        self.runner.enter_context(RunLock(self.table.url))
        self.runner.callback(self.engine.dispose)
        self.thread = DatabaseThread(self.engine)
        self.runner.callback(self.thread.close)
        process = runs.Process(host="night-2", pid=4712, boot_id="b00t", tool_version="0.1.0")
        at, batch_id = self.clock.now(), self.table.batch_id
        self.run_id = self.thread.call(lambda c: runs.start(c, batch_id=batch_id, process=process, at=at)).result()
        self.ledger = SqlLedger(self.thread, batch_id=batch_id, run_id=self.run_id)
        live = self.ledger.live().result()
        alive = {"submitting", "submitted", "rendered"}
        assert {n for n, life in self.batch.lives.items() if life.state in alive} == {job.id for job in live}
        self.left_open = [job for job in live if job.state is State.SUBMITTING]

    def recovers(self, job: Job) -> None:
        """Settle an order that a dead runner left open by the journal, as the worker does; without a line there it is in doubt."""
        worker = rig(())
        recorder = Recorder(ledger=self.ledger, journal=self.journal, clock=self.clock, log=worker.log, progress=worker.progress)
        answer = self.journal.outcomes.get(job.attempt_id or 0)
        why = "interrupted"
        happened: e.Event = e.SubmitUnknown(reason=why)
        if answer is not None:
            is_accepted = answer.outcome is Outcome.ACCEPTED
            happened = e.SubmitAccepted(task_id=answer.task_id or "", cost=answer.cost) if is_accepted else e.SubmitNotSent(reason=why)
        assert self.batch.take(self.change(job.id, happened)) is None

        settled = asyncio.run(replace(worker.engine.steps, recorder=recorder, clock=self.clock).recover(job))

        assert self.batch.lives[job.id].state == settled.state

    def orders(self) -> None:
        """Order some rows of the page, claimed a while ago or now: exactly what is planned and due, in running order."""
        assert self.ledger is not None
        if not self.page:
            now, limit = self.clock.now(), self.draw("limit", (1, 2, JOBS))
            self.page = self.ledger.claim(limit=limit, now=now, skip=frozenset(), full_models=frozenset()).result()
            assert self.batch.due(now)[:limit] == [job.id for job in self.page]
        chosen = [self.page.pop(0) for _ in range(self.draw("orders", (1, 1, 1, JOBS))) if self.page]
        prices = [self.draw("price", (PRICE, PRICE, None)) for _ in chosen]
        limits = self.limits(len(chosen), sum(price or 0 for price in prices))
        starts = [
            replace(self.change(job.id, e.SubmitStarted, reserved=price, **limits), version=job.version)
            for job, price in zip(chosen, prices, strict=True)
        ]
        self.hand_over(self.ledger, *starts)
        self.out |= {n for n, life in self.batch.lives.items() if life.state == "submitting"}

    def limits(self, orders: int, price: int) -> dict[str, int]:
        """Give the limits in force when so many orders of that price go out together: none, or drawn as close as can be."""
        choice = self.draw("limits", LIMITS)
        if "money" in choice or "micro" in choice:
            return {"cap_cost": sum(self.batch.money()) + price - ("short" in choice)}
        return {"cap_orders": self.batch.bought() + orders - ("short" in choice)} if "order" in choice else {}

    def is_answered(self, number: int) -> None:
        """Record what came back of an order, or that nothing did; where that does not tell, it may be on the bill.

        A remark on the answer may come with it.
        """
        kind = self.draw("answer", ANSWERS)
        facts: dict[str, Any] = {"cost": self.draw("cost", COSTS)} if kind is e.SubmitAccepted else {}
        if kind is e.SubmitAccepted and self.batch.tasks() and self.draw("repeats a task", (False, False, False, True)):
            facts["task_id"] = self.draw("task", self.batch.tasks())
        is_certain = kind is e.SubmitAccepted and "task_id" not in facts
        may_be_billed = LAWS[kind].outcome in {"accepted", "ambiguous", "unproven"}
        self.bill(number, is_billed=is_certain or (may_be_billed and self.draw("billed", (True, False))))
        self.out.discard(number)
        remarks = [self.change(number, e.DriftSeen, ahead=1)] if self.draw("remark", (False, False, True)) else []
        self.hand_over(self.ledger, self.change(number, kind, **facts, **self.wait(kind)), *remarks)

    def follows(self, number: int) -> None:
        """Ask after a task, and fetch its image, up to three things at once; a failed task may yet give a result."""
        changes: list[Change] = []
        state = self.batch.lives[number].state
        for ahead in range(self.draw("how many", (1, 1, 2, 3))):
            if state not in NEWS:
                break
            kind = self.draw("news", NEWS[state])
            facts = {"cost": self.draw("cost", COSTS)} if kind in {e.RenderFinished, e.RenderFailed} else {}
            changes.append(self.change(number, kind, ahead=ahead, **facts, **self.wait(kind)))
            state = LAWS[kind].after or state
        self.hand_over(self.ledger, *changes)

    def wait(self, kind: type[e.Event]) -> dict[str, datetime | None]:
        """Put the job off for a while, if the event can."""
        if not issubclass(kind, e.Deferred):
            return {}
        wait_s = self.draw("wait", WAITS_S)
        return {"next_at": None if wait_s is None else self.clock.now() + timedelta(seconds=wait_s)}

    # --- the world ---

    def world_turns(self) -> None:
        """Kill the runner, let it end well, or set the clock; what is due follows the clock, what is recorded stays in its order."""
        turn = self.draw("turn", ("clock", "clock", "death", "end"))
        if turn == "clock" or self.ledger is None:
            self.clock.turn(self.draw("jump", JUMPS_S))
        elif turn == "death" or any(life.state == "submitting" for life in self.batch.lives.values()):
            self.dies()
        else:
            ending, run_id, at = runs.Ending(stop_reason="done", exit_code=0), self.run_id, self.clock.now()
            self.thread.call(lambda connection: runs.finish(connection, run_id, ending, at=at)).result()
            self.runner.close()
            self.forget()

    def dies(self) -> None:
        """Lose all that is in memory; an order that is out may have arrived, and its answer may stand in the journal."""
        for number in sorted(self.out):
            fate, life = self.draw("fate", FATES), self.batch.lives[number]
            self.bill(number, is_billed=fate in {"arrived", "accepted"})
            settled = {
                "accepted": Settled(outcome=Outcome.ACCEPTED, task_id=f"kept-{number}-{life.current}", cost=PRICE),
                "refused": Settled(outcome=Outcome.REFUSED, task_id=None, cost=None),
            }
            if fate in settled:
                self.journal.settle(number * ATTEMPTS_PER_JOB + (life.current or 0), settled[fate])
        self.runner.close()
        self.forget()

    def bill(self, number: int, *, is_billed: bool) -> None:
        """Put a job's current order on the vendor's bill, or not."""
        order = self.batch.lives[number].order
        assert order is not None
        order.is_billed = is_billed

    # --- everybody else ---

    def person_decides(self) -> None:
        """Decide about any job that may be decided about, as somebody does who has seen the bill; policy may do the same."""
        weights = {n: 5 if life.state == "ambiguous" else 1 for n, life in self.batch.lives.items() if life.state in DECISIONS}
        if not weights:
            return
        number = self.draw("job", [n for n, weight in weights.items() for _ in range(weight)])
        life = self.batch.lives[number]
        is_billed = life.order is not None and life.order.is_billed
        untrue = e.BillingDisproved if is_billed else e.TaskAttached
        kind = self.draw("decision", [kind for kind in DECISIONS[life.state] if kind is not untrue])
        is_taken = kind is e.TaskAttached and self.batch.tasks() and self.draw("task of another", (True, False))
        facts = {"task_id": self.draw("task", self.batch.tasks())} if is_taken else {}
        self.hand_over(self.person, self.change(number, kind, actor=self.draw("actor", ("operator:ana", "policy")), **facts))

    def latecomers_try(self) -> None:
        """Come with a crowd of changes that are stale or have no place in the table, and remarks that change nothing: none counts.

        Nor does a second runner get the lock.
        """
        how_many = self.draw("how many", (1, 2, 3, 0))
        if how_many == 0 and self.ledger is not None:
            with pytest.raises(LockedError):
                RunLock(self.table.url).acquire()
        crowd = []
        for _ in range(how_many):
            number, kind = self.draw("job", list(self.batch.lives)), self.draw("event", LATE)
            change = self.change(number, kind)
            if kind is not e.DriftSeen and self.batch.refusal(change) is None:
                change = replace(change, version=change.version - self.draw("behind", (1, -1, 2)))
            crowd.append(change)
        self.hand_over(self.person, *crowd)

    # --- how it is done ---

    def change(self, number: int, kind: type[e.Event] | e.Event, *, ahead: int = 0, actor: str = "runner", **facts: Any) -> Change:
        """Build a change at the version that the job has, or that it will have after so many others."""
        happened = kind if isinstance(kind, e.Event) else event(kind, **facts)
        version = self.batch.lives[number].version + ahead
        return Change(job_id=JobId(number), version=version, event=happened, at=self.clock.now(), actor=actor)

    def hand_over(self, ledger: SqlLedger | None, *changes: Change) -> None:
        """Hand changes over together: each is recorded or refused just as the model has it."""
        assert ledger is not None
        expected = [self.batch.take(change) for change in changes]
        futures = [ledger.record(change) for change in changes]
        errors = [future.exception() for future in futures]
        assert expected == [None if error is None else type(error) for error in errors]

    @invariant()
    def tells_the_truth(self) -> None:
        """Find jobs, orders, money and decisions exactly as the model has them, and nothing bought without leave."""
        if not hasattr(self, "table"):
            return
        lives = self.batch.lives.items()
        expected = {
            "jobs": [
                (
                    *(n, life.state, life.version, len(life.orders), life.current and n * ATTEMPTS_PER_JOB + life.current),
                    *(life.reason, life.next_at and to_text(life.next_at), life.unproven, life.not_sent, life.regenerated),
                )
                for n, life in lives
            ],
            "orders": [
                (n, nth, order.outcome, order.task_id, order.estimate, order.cost, order.is_superseded)
                for n, life in lives
                for nth, order in enumerate(life.orders, start=1)
            ],
            "files": [(n, *file) for n, life in lives for file in life.files],
            "money": [(*self.batch.money(), self.batch.bought())],
            "events": [(n, life.version, life.version, life.decisions) for n, life in lives if life.version],
        }
        assert expected == {name: self.reader.execute(query).fetchall() for name, query in TABLES.items()}
        assert [] == self.batch.bought_without_leave()
        assert self.batch.bought() == sum(Outcome(order.outcome).is_chargeable for order in self.batch.orders())


LivesMachine.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedgerLives = pytest.mark.timeout(900)(pytest.mark.slow(LivesMachine.TestCase))
