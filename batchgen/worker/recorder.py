"""Record what happened, and wait until it is durable: the one way from the worker to the job table.

What an order is answered with is written into the journal first, so that it has a place when the table does not take it.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError, FileError, IllegalTransitionError, StoreError
from batchgen.core.jobs import Change, Job, Recorded, follow
from batchgen.core.ports import Clock, Intent, Journal, Ledger, Log, Settled
from batchgen.core.states import Outcome, State
from batchgen.worker.progress import Progress

_CERTAIN: Final = frozenset({Outcome.ACCEPTED, Outcome.REFUSED, Outcome.NOT_SENT})
"""Outcomes that the journal keeps: whatever it does not know is an unknown answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Records events one job at a time; keeps the counters and the diary in step."""

    ledger: Ledger
    journal: Journal
    clock: Clock
    log: Log
    progress: Progress

    async def record(self, job: Job, event: e.Event, *, actor: str = "runner") -> Job:
        """Record one event and give the job after it; when this returns, the event is durable.

        Cancelling the caller does not stop the record. Raises StaleJobError, BudgetReachedError or StoreError; nothing was written then.
        """
        at = self.clock.now()
        change = Change(job_id=job.id, version=job.version, event=event, at=at, actor=actor)
        recording = asyncio.wrap_future(self.ledger.record(change))
        recording.add_done_callback(_is_known)
        recorded = await asyncio.shield(recording)
        self._note(job, event, recorded)
        return follow(job, event, recorded, at=at)

    def intend(self, job: Job, event: e.SubmitStarted) -> None:
        """Note in the journal that the recorded order goes out next; raise FileError, and then it must not."""
        if job.attempt_id is not None:
            self.journal.intend(Intent(attempt_id=job.attempt_id, key=job.key, body_sha256=event.body_sha256, reserved=event.reserved))

    async def record_fact(self, job: Job, event: e.Event, *, actor: str = "runner") -> Job:
        """Record something that a vendor has already done.

        A fact that finds no place in the table is kept in the journal and in the diary, and the StoreError is raised: the next start
        takes it from there.
        """
        settles = self._settle(job, event)
        try:
            recorded = await self.record(job, event, actor=actor)
        except (StoreError, IllegalTransitionError) as error:
            self._keep(job, event, error, in_journal=settles)
            raise
        if event.outcome is not None and job.attempt_id is not None:
            self.journal.recorded(job.attempt_id)
        return recorded

    def _settle(self, job: Job, event: e.Event) -> bool:
        """Write the answer to an order into the journal; say whether it stands there."""
        if job.attempt_id is None or event.outcome not in _CERTAIN:
            return False
        accepted = event if isinstance(event, e.SubmitAccepted) else None
        settled = Settled(
            outcome=event.outcome,
            task_id=None if accepted is None else accepted.task_id,
            cost=None if accepted is None else accepted.cost,
        )
        try:
            self.journal.settle(job.attempt_id, settled)
        except FileError as error:
            facts = {"key": job.key, "attempt": job.attempt_id, "task_id": settled.task_id, "why": str(error)}
            self.log.error("journal.not_written", **facts)  # noqa: TRY400 - the sentence says it all
            return False
        return True

    def _keep(self, job: Job, event: e.Event, error: BatchgenError, *, in_journal: bool) -> None:
        """Make sure that a fact which the table did not take is not lost: on the journal's disk, and in the diary."""
        task_id = event.task_id if isinstance(event, e.SubmitAccepted) else job.task_id
        facts: dict[str, object] = {"key": job.key, "attempt": job.attempt_id, "fact": event.word(), "task_id": task_id}
        if in_journal:
            try:
                self.journal.sync()
                facts["kept"] = "in the journal; the next start records it"
            except FileError as lost:
                facts["kept"] = f"here only: {lost}"
        if isinstance(event, e.SubmitAccepted) and job.attempt_id is not None:
            self.progress.unrecorded[job.attempt_id] = f"{job.key[:8]} is task {event.task_id}, kept {facts.get('kept', 'here only')}"
        self.log.error("job.not_recorded", **facts, why=str(error))

    def _note(self, job: Job, event: e.Event, recorded: Recorded) -> None:
        self.progress.moved(job.state, recorded.state)
        facts: dict[str, object] = {
            "key": job.key,
            "before": job.state.value,
            "after": recorded.state.value,
            "attempt": recorded.attempt_id,
        }
        match event:
            case e.Explained(reason=reason, detail=detail):
                facts |= {"reason": reason, "detail": detail}
            case e.SubmitAccepted(task_id=task_id, cost=cost):
                facts["task_id"] = task_id
                if cost is not None:
                    self.progress.spent = (self.progress.spent or 0) + cost
            case _:
                facts["task_id"] = job.task_id
        is_setback = recorded.state in {State.FAILED, State.AMBIGUOUS} and recorded.state is not job.state
        is_notable = isinstance(event, e.TaskStalled | e.DriftSeen) or (isinstance(event, e.DownloadDeferred) and event.next_at is None)
        note = self.log.warning if is_setback or is_notable else self.log.info
        note(f"job.{event.word()}", **facts)


def _is_known(recording: "asyncio.Future[Recorded]") -> None:
    """Take note of an error that a cancelled caller will not hear of any more: others that meet it stop the run."""
    if not recording.cancelled():
        recording.exception()
