"""Random histories on the real ledger: the table rules, money adds up, and the events fold to the state."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError, BudgetReachedError, IllegalTransitionError, StaleJobError
from batchgen.core.jobs import Change, JobId
from batchgen.core.machine import EVENTS, TABLE
from batchgen.core.states import State
from tests.support.databases import PRICE, START, Table, event, opened, sqlite_url

JOBS = st.integers(min_value=1, max_value=4)
KINDS = st.sampled_from(sorted(EVENTS.values(), key=lambda kind: kind.__name__))
ACTORS = st.sampled_from(["runner", "policy", "operator:ana"])
CAP = 6 * PRICE


class LedgerMachine(RuleBasedStateMachine):
    """Four jobs; every event in every state, sometimes stale, alone or in groups; a model of states beside the database."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.states = dict.fromkeys(range(1, 5), State.PLANNED)
        self.versions = dict.fromkeys(self.states, 0)
        self.accepted: set[int] = set()

    @initialize()
    def open(self) -> None:
        """Start with a fresh database."""
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.table: Table = self.stack.enter_context(opened(sqlite_url(Path(folder))))(4)

    def teardown(self) -> None:
        """Close the database."""
        self.stack.close()

    @rule(job_id=JOBS, kind=KINDS, actor=ACTORS)
    def happens(self, job_id: int, kind: type[e.Event], actor: str) -> None:
        """Let anything happen to any job; the table decides."""
        facts = {"cap_cost": CAP} if kind is e.SubmitStarted else {}
        change = Change(job_id=JobId(job_id), version=self.versions[job_id], event=event(kind, **facts), at=START, actor=actor)
        self.follow(change, self.table.ledger.record(change).exception())

    @rule(job_id=JOBS, words=st.text(max_size=20))
    def shows_drift(self, job_id: int, words: str) -> None:
        """Remark on any job: whether it is allowed or not, only the job's version and its trail may move."""
        before = self.all_but_versions()
        change = Change(job_id=JobId(job_id), version=self.versions[job_id], event=e.DriftSeen(reason="field", detail=words), at=START)

        self.follow(change, self.table.ledger.record(change).exception())

        assert before == self.all_but_versions()

    @rule(job_id=JOBS, kind=KINDS, behind=st.integers(min_value=1, max_value=3))
    def comes_late(self, job_id: int, kind: type[e.Event], behind: int) -> None:
        """Come with another version: that never counts."""
        change = Change(job_id=JobId(job_id), version=self.versions[job_id] - behind, event=event(kind), at=START)

        assert isinstance(self.table.ledger.record(change).exception(), StaleJobError)

    @rule(crowd=st.lists(st.tuples(JOBS, KINDS), min_size=2, max_size=8))
    def crowds_in(self, crowd: list[tuple[int, type[e.Event]]]) -> None:
        """Hand changes over together: they chain, and those that fail leave the others alone."""
        changes = []
        expected = dict(self.versions)
        states = dict(self.states)
        for job_id, kind in crowd:
            changes.append(Change(job_id=JobId(job_id), version=expected[job_id], event=event(kind), at=START))
            if self.is_legal(states[job_id], kind, job_id, changes):
                states[job_id] = TABLE[states[job_id], kind]
                expected[job_id] += 1
        futures = [self.table.ledger.record(change) for change in changes]
        for change, future in zip(changes, futures, strict=True):
            self.follow(change, future.exception())

    def is_legal(self, state: State, kind: type[e.Event], job_id: int, changes: list[Change]) -> bool:
        """Say what the table says, and that a late result needs a task."""
        if kind is not e.RenderFinished or state is not State.FAILED:
            return (state, kind) in TABLE
        mine = [type(change.event) for change in changes if change.job_id == job_id]
        return job_id in self.accepted and e.SubmitStarted not in mine and e.RetryAllowed not in mine

    def follow(self, change: Change, error: BaseException | None) -> None:
        """Hold the ledger's answer against the model, and move the model."""
        job_id, kind = change.job_id, type(change.event)
        state = self.states[job_id]
        late = kind is e.RenderFinished and state is State.FAILED and job_id not in self.accepted
        if change.version != self.versions[job_id]:
            assert isinstance(error, StaleJobError)
        elif (state, kind) not in TABLE or late:
            assert isinstance(error, IllegalTransitionError)
        elif error is not None:
            assert isinstance(error, BudgetReachedError)
            assert kind is e.SubmitStarted
        else:
            self.states[job_id] = TABLE[state, kind]
            self.versions[job_id] += 1
            self.remember_task(job_id, kind)
        assert error is None or isinstance(error, BatchgenError)

    def all_but_versions(self) -> list[object]:
        """Read every table but the trail, and of the jobs everything but version and time of change."""
        jobs = "SELECT id, state, reason, next_at, attempts, unproven, not_sent, regenerated, attempt_id, retired_at FROM job ORDER BY id"
        others = [f"SELECT * FROM {name} ORDER BY 1, 2" for name in ("attempt", "artifact", "batch", "batch_total")]  # noqa: S608 - our names
        return [self.table.sql(statement) for statement in (jobs, *others)]

    def remember_task(self, job_id: int, kind: type[e.Event]) -> None:
        """Keep in mind which jobs' current order has a task."""
        if kind in {e.SubmitAccepted, e.TaskAttached}:
            self.accepted.add(job_id)
        elif self.states[job_id] is State.PLANNED:
            self.accepted.discard(job_id)

    @invariant()
    def tells_the_truth(self) -> None:
        """Find the tables in agreement with the model and with themselves, after every step."""
        if not hasattr(self, "table"):
            return
        rows = self.table.sql("SELECT id, state, version FROM job ORDER BY id")
        assert [(job_id, self.states[job_id], self.versions[job_id]) for job_id in self.states] == [tuple(row) for row in rows]
        assert [] == self.table.violations()


LedgerMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
TestLedgerMachine = LedgerMachine.TestCase
