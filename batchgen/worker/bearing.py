"""Where the run is heading: whether orders still go out, why not, and what has gone wrong lately."""

import asyncio
from dataclasses import dataclass, field

from batchgen.core.exits import Exit
from batchgen.core.jobs import Job
from batchgen.core.limits import Limits
from batchgen.core.ports import Clock, Log
from batchgen.worker.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why no further order goes out, and what the process will exit with."""

    exit_code: int
    reason: str
    message: str


@dataclass(slots=True, kw_only=True)
class Bearing:
    """The run's one opinion about going on. ``may_ask`` False means that not even free questions go out."""

    limits: Limits
    clock: Clock
    log: Log
    progress: Progress
    stop: Stop | None = None
    may_ask: bool = True
    rows_left: bool | None = None
    """Whether planned rows are known to be left; None before the database was asked, and when a job went back to planned."""
    failures_in_a_row: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever something happened after which the loop may find new work."""

    def halt(self, stop: Stop) -> None:
        """Stop ordering; the first reason stays, but trouble with disk, key or money outranks a limit of the user's own."""
        if self.stop is None or (self.stop.exit_code == Exit.LIMIT and stop.exit_code != Exit.LIMIT):
            self.stop = stop
            self.progress.stopping = stop.message
            self.log.warning("run.stopping", reason=stop.reason, detail=stop.message, exit_code=stop.exit_code)

    def vendor_stopped(self, kind: str, message: str) -> None:
        """Draw the conclusion from a vendor that will take no further order until somebody acts."""
        said = f" ({message})" if message else ""
        match kind:
            case "balance" | "quota":
                whose = "account's balance" if kind == "balance" else "key's quota"
                self.halt(Stop(exit_code=Exit.BALANCE, reason=kind, message=f"the {whose} is used up{said}"))
            case "auth":
                self.may_ask = False
                self.halt(Stop(exit_code=Exit.AUTH, reason=kind, message=f"the API key was rejected{said}"))
            case _:
                self.halt(Stop(exit_code=Exit.INPUT, reason=kind, message=f"the API address does not answer as expected{said}"))

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

    def say(self, problem: str) -> None:
        """Keep a sentence for the last problems shown."""
        self.progress.problems.append(problem)
