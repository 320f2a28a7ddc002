"""What a run shows: a snapshot while it works, a report when it has ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from batchgen.app.wording import counted
from batchgen.core.money import Micros
from batchgen.core.states import LIVE, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A running batch at one instant, for whoever watches."""

    total: int
    done: int
    failed: int
    ambiguous: int
    in_flight: int
    pace: str
    """How much is allowed at once and a second, where that is found; empty where it is fixed."""
    waiting: int
    per_minute: float
    eta_s: float | None
    oldest_task_s: float
    saved_bytes: int
    cost: str
    forecast: str
    """Where the limit of cost will stop the run at this rate; empty where it will not."""
    pause: str
    stopping: str
    problems: Sequence[str]
    states: Mapping[State, int]
    unit: str
    spent: Micros | None
    """What the batch has cost as far as answers named a price."""
    cap: Micros | None
    saved: int
    """By this run, as are ``orders``, ``polls`` and ``throttled``."""
    orders: int
    polls: int
    throttled: int
    last_saved_at: datetime | None
    """When this run saved a job last; None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended; ``totals`` counts the whole batch by state."""

    batch: str
    exit_code: int
    reason: str
    message: str
    totals: dict[State, int]
    needs_decision: int
    saved: int
    unrecorded: Sequence[str]
    missing: int
    money: str
    command: str
    estimate: str = ""
    """What was bought against what it had been estimated at; empty where answers named no cost."""

    def lines(self) -> Iterator[str]:
        """Give the summary, one line each, the next command to type last."""
        counts = ", ".join(f"{jobs} {state.value}" for state, jobs in self.totals.items() if jobs)
        yield f"{self.batch}: {counts or 'nothing to do'}; {self.saved} saved now; {self.money}"
        if self.estimate:
            yield self.estimate
        if self.message:
            yield f"stopped: {self.message}"
        yield from (f"accepted and paid, not in the database: {order}" for order in self.unrecorded)
        waiting = self.totals.get(State.SUBMITTED, 0)
        if self.reason == "auth" and waiting:
            wait = "waits" if waiting == 1 else "wait"
            yield f"{counted(waiting, 'paid task')} {wait} at the vendor; how long the results are kept: {self.command} status {self.batch}"
        left = sum(self.totals.get(state, 0) for state in (State.PLANNED, *LIVE))
        if left:
            yield f"{left} left; go on with: {self.command} resume {self.batch}"
        if self.totals.get(State.AMBIGUOUS):
            need = "needs" if self.totals[State.AMBIGUOUS] == 1 else "need"
            yield f"{self.totals[State.AMBIGUOUS]} {need} a decision: {self.command} jobs {self.batch} --state ambiguous"
        if self.missing:
            are = "is" if self.missing == 1 else "are"
            yield f"{counted(self.missing, 'saved file')} {are} missing or changed: {self.command} verify {self.batch}"
        if self.totals.get(State.FAILED):
            yield f"{self.totals[State.FAILED]} failed: {self.command} jobs {self.batch} --state failed"
