"""Where the run is heading: whether orders still go out, why not, and what has gone wrong lately."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from batchgen.core.exits import Exit
from batchgen.core.jobs import Job, JobId
from batchgen.core.limits import Limits
from batchgen.core.ports import Clock, Log
from batchgen.worker.gate import Gate
from batchgen.worker.progress import Progress

_LONG_PAUSE_S: Final = 20.0
_FIRST_ORDERS: Final = 10
_SAME_REFUSALS: Final = 3
"""So many refusals in the same words among a run's first orders say that the manifest is at fault, and not the rows."""
_LOST_NAMED: Final = 20
_BUGS_IN_A_ROW: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why no further order goes out, and what the process will exit with."""

    exit_code: int
    reason: str
    message: str


@dataclass(slots=True, kw_only=True)
class Bearing:
    """The run's one opinion about going on. ``may_ask`` False means that not even free questions go out.

    ``address`` and ``key`` are how sentences name the API's address and its key, which they never show.
    """

    limits: Limits
    clock: Clock
    log: Log
    progress: Progress
    address: str = "the API address"
    key: str = "the API key"
    stop: Stop | None = None
    may_ask: bool = True
    paused: str = ""
    """Why an operator has orders wait; empty while they need not. Questions and fetches go on."""
    rows_left: bool | None = None
    """Whether planned rows are known to be left; None before the database was asked, and when a job went back to planned."""
    failures_in_a_row: int = 0
    _bugs: dict[str, set[JobId]] = field(default_factory=dict)
    """Jobs that met an error that nobody expected, by lane, since the lane's last step without one."""
    _refusals: Counter[str] = field(default_factory=Counter)
    _lost: list[str] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever something happened after which the loop may find new work."""

    def halt(self, stop: Stop) -> None:
        """Stop ordering; the first reason stays, but trouble with disk, key or money outranks a limit of the user's own."""
        if self.stop is None or (self.stop.exit_code == Exit.LIMIT and stop.exit_code != Exit.LIMIT):
            self.stop = stop
            self.progress.stopping = stop.message
            self.log.warning("run.stopping", reason=stop.reason, detail=stop.message, exit_code=stop.exit_code)

    def lift(self, reason: str) -> None:
        """Order again after a stop for this reason, which holds no more; any other stop stays."""
        if self.stop is not None and self.stop.reason == reason:
            self.stop = None
            self.progress.stopping = ""

    def vendor_stopped(self, kind: str, message: str) -> None:
        """Draw the conclusion from a vendor that will take no further order until somebody acts."""
        said = f" ({message})" if message else ""
        match kind:
            case "balance" | "quota":
                whose = "account's balance" if kind == "balance" else "key's quota"
                self.halt(Stop(exit_code=Exit.BALANCE, reason=kind, message=f"the {whose} is used up{said}"))
            case "auth":
                self.may_ask = False
                self.halt(Stop(exit_code=Exit.AUTH, reason=kind, message=f"{self.key} was rejected{said}"))
            case _:
                self.halt(Stop(exit_code=Exit.INPUT, reason=kind, message=f"{self.address} does not answer as expected{said}"))

    def check_limits(self) -> None:
        """Stop when the deadline has passed or too many jobs failed in a row."""
        if self.stop is not None:
            return
        deadline, failures = self.limits.deadline, self.limits.halt_after_failures
        if deadline is not None and self.clock.now() >= deadline:
            message = f"the deadline {deadline.astimezone():%Y-%m-%d %H:%M} has passed"
            self.halt(Stop(exit_code=Exit.LIMIT, reason="deadline", message=message))
        elif failures is not None and self.failures_in_a_row >= failures:
            self.halt(Stop(exit_code=Exit.LIMIT, reason="halted", message=f"{self.failures_in_a_row} jobs in a row failed (limits.halt)"))

    def count_failure(self, job: Job) -> None:
        """Count a job that ended without an image; what moderation refuses says nothing about the run."""
        self.progress.failed += 1
        if job.reason != "moderated":
            self.failures_in_a_row += 1
        self.say(f"{job.key[:8]} failed: {job.reason}")

    def count_saved(self, job: Job) -> None:
        """Count a job whose image is in place."""
        self.failures_in_a_row = 0
        self.progress.saved += 1
        self.progress.saved_bytes += sum(image.bytes for image in job.staged)
        self.progress.saved_at.append(self.clock.monotonic())

    def count_refusal(self, job: Job, message: str) -> None:
        """Count an order that the vendor will never take, and stop when the first ones are refused alike: all others would be too."""
        if self.progress.orders > _FIRST_ORDERS:
            return
        self._refusals[message] += 1
        if self._refusals[message] == _SAME_REFUSALS:
            orders, wanted = self.progress.orders, ", ".join(f"{name}={value}" for name, value in _blamed(job, message).items())
            message = (
                f"the vendor refused {_SAME_REFUSALS} of the first {orders} orders in the same words ({message}); ordered with {wanted}; "
                f"who set that: batchgen plan MANIFEST --explain {job.key[:8]}"
            )
            self.halt(Stop(exit_code=Exit.INPUT, reason="refused", message=message))

    def count_lost(self, task_id: str) -> None:
        """Count a paid task that the vendor no longer knows; from the second on it is an alarm, with the ids that its support needs."""
        self._lost.append(task_id)
        if len(self._lost) > 1:
            named = ", ".join(self._lost[-_LOST_NAMED:])
            self.log.error(
                "run.tasks_lost", detail=f"{len(self._lost)} paid tasks are unknown to the vendor; ask its support about {named}"
            )

    def stumbled(self, lane: Literal["orders", "follows"], job: Job, error: Exception) -> None:
        """Note an error of ours that spoiled a job's step; raise it when it is the fifth job in a row that meets one in this lane.

        One odd job tried five times says nothing of the others; what meets every job would spoil them all.
        """
        met = self._bugs.setdefault(lane, set())
        met.add(job.id)
        if len(met) >= _BUGS_IN_A_ROW:
            raise error
        self.log.error("job.bug", key=job.key, task_id=job.task_id, exc_info=error)
        self.say(f"{job.key[:8]}: {bug_in_words(error)}")

    def walked(self, lane: Literal["orders", "follows"]) -> None:
        """Note a step that went as expected, whatever came of it."""
        self._bugs.pop(lane, None)

    def say_pause(self, gate: Gate, *, before: float, what: str = "orders") -> None:
        """Tell until when nothing passes a gate that was to open at ``before`` and is shut for longer now.

        A short pause is noted in the diary only.
        """
        if gate.shut_until <= before:
            return
        seconds = gate.shut_until - self.clock.monotonic()
        until = self.clock.now() + timedelta(seconds=seconds)
        note = self.log.warning if seconds >= _LONG_PAUSE_S else self.log.info
        note("run.pausing", what=what, detail=f"{gate.why} until {until.astimezone():%Y-%m-%d %H:%M}")

    def say(self, problem: str) -> None:
        """Keep a sentence for the last problems shown."""
        self.progress.problems.append(problem)


def bug_in_words(error: Exception) -> str:
    """Name an error of ours without what it says, which is for the diary."""
    return f"a bug of batchgen: {type(error).__name__}"


def _blamed(job: Job, message: str) -> dict[str, str]:
    """Give those parameters that a refusal names, or all of them where it names none."""
    params = {"model": job.model, **job.params}
    return {name: value for name, value in params.items() if name in message or value in message} or params
