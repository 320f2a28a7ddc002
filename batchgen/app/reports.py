"""What a run shows: a snapshot while it works, a report when it has ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from batchgen.app.figures import Figures
from batchgen.app.wording import counted
from batchgen.core.money import Micros, shown
from batchgen.core.states import LIVE, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A batch under way at one instant, as its own process and the job database can both tell it."""

    states: Mapping[State, int]
    unit: str
    spent: Micros | None
    """What the batch has cost as far as answers named a price."""
    cap: Micros | None
    per_minute: float
    oldest_task_s: float
    pause: str
    stopping: str
    problems: Sequence[str]
    show: str
    """What a person types to see the orders that need a decision."""
    at: datetime

    @property
    def total(self) -> int:
        """Count the jobs that were not dropped."""
        return sum(self.states.values()) - self.states.get(State.CANCELLED, 0)

    @property
    def done(self) -> int:
        """Count the jobs that are saved."""
        return self.states.get(State.SAVED, 0)

    @property
    def failed(self) -> int:
        """Count the jobs that failed."""
        return self.states.get(State.FAILED, 0)

    @property
    def ambiguous(self) -> int:
        """Count the jobs that need a decision."""
        return self.states.get(State.AMBIGUOUS, 0)

    @property
    def in_flight(self) -> int:
        """Count the jobs that a run has in its hands."""
        return sum(self.states.get(state, 0) for state in LIVE)

    @property
    def waiting(self) -> int:
        """Count the jobs that are still to be ordered."""
        return self.states.get(State.PLANNED, 0)

    @property
    def eta_s(self) -> float | None:
        """Give the seconds that the rest will take at this rate; None where nobody can tell."""
        left = self.waiting + self.in_flight
        return 60 * left / self.per_minute if self.per_minute and left else None

    @property
    def cost(self) -> str:
        """Write what was spent."""
        return shown(self.spent, self.unit)

    @property
    def forecast(self) -> str:
        """Say with which order, and about when, the limit of cost will stop the run, by what orders have cost so far; empty if never."""
        bought = self.done + self.failed + self.states.get(State.SUBMITTED, 0) + self.states.get(State.RENDERED, 0)
        if self.cap is None or not self.spent or not bought:
            return ""
        more = max(0, (self.cap - self.spent) * bought // self.spent)
        if more >= self.waiting:
            return ""
        told = f"budget ends at order {bought + more} of {bought + self.waiting}"
        if not self.per_minute:
            return told
        return f"{told}, about {self.at.astimezone() + timedelta(minutes=more / self.per_minute):%H:%M}"

    @property
    def decision(self) -> str:
        """Say what needs a decision, with the command that shows it; empty where nothing does."""
        need = "needs" if self.ambiguous == 1 else "need"
        return f"{self.ambiguous} {need} a decision: {self.show}" if self.ambiguous else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Sight):
    """A sight of a batch with what only its own process knows."""

    pace: str
    """How much is allowed at once and a second, where that is found; empty where it is fixed."""
    saved_bytes: int
    saved: int
    """By this run, as are ``orders``, ``polls`` and ``throttled``."""
    orders: int
    polls: int
    throttled: int
    last_saved_at: datetime | None
    """When this run saved a job last; None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended; ``totals`` counts the whole batch by state, ``saved`` what this run saved."""

    batch: str
    exit_code: int
    reason: str
    message: str
    totals: Mapping[State, int]
    needs_decision: int
    saved: int
    unrecorded: Sequence[str]
    missing: int
    money: str
    command: str
    figures: Figures | None = None
    """None when the database could not be read."""

    def lines(self) -> Iterator[str]:
        """Give the summary, one line each, the next command to type last."""
        counts = ", ".join(f"{jobs} {state.value}" for state, jobs in self.totals.items() if jobs)
        yield f"{self.batch}: {counts or 'nothing to do'}; {self.saved} saved now; {self.money}"
        if self.figures is not None:
            yield from self.figures.decision()
        if self.message:
            yield f"stopped: {self.message}"
        yield from (f"accepted and paid, not in the database: {order}" for order in self.unrecorded)
        waiting = self.totals.get(State.SUBMITTED, 0)
        if self.reason == "auth" and waiting:
            wait = "waits" if waiting == 1 else "wait"
            yield f"{counted(waiting, 'paid task')} {wait} at the vendor; how long the results are kept: {self.command} status {self.batch}"
        if self.figures is not None:
            yield from self.figures.lines()
        if self.missing:
            are = "is" if self.missing == 1 else "are"
            yield f"{counted(self.missing, 'saved file')} {are} missing or changed: {self.command} verify {self.batch}"
        if left := sum(self.totals.get(state, 0) for state in (State.PLANNED, *LIVE)):
            yield f"{left} left; go on with: {self.command} resume {self.batch}"
        elif self.figures is not None and self.figures.next is not None:
            yield f"next: {self.figures.next}"
