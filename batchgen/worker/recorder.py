"""Record what happened, and wait until it is durable: the one way from the worker to the job table."""

import asyncio
from dataclasses import dataclass
from typing import Final

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError, IllegalTransitionError, StaleJobError, StoreError
from batchgen.core.jobs import Change, Job, Recorded, follow
from batchgen.core.ports import Clock, Ledger, Log
from batchgen.core.states import State
from batchgen.worker.progress import Progress

_RETRY_FOR_S: Final = 60.0
_RETRY_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Records events one job at a time; keeps the counters and the diary in step."""

    ledger: Ledger
    clock: Clock
    log: Log
    progress: Progress

    async def record(self, job: Job, event: e.Event, *, actor: str = "runner") -> Job:
        """Record one event and give the job after it; when this returns, the event is durable.

        Cancelling the caller does not stop the record. Raises StaleJobError, BudgetReachedError or StoreError; nothing was written then.
        """
        at = self.clock.now()
        change = Change(job_id=job.id, version=job.version, event=event, at=at, actor=actor)
        recorded = await asyncio.shield(asyncio.wrap_future(self.ledger.record(change)))
        self._note(job, event, recorded)
        return follow(job, event, recorded, at=at)

    async def record_fact(self, job: Job, event: e.Event, *, actor: str = "runner") -> Job:
        """Record something that a vendor has already done; keep trying for a minute when the database does not take it.

        A task id that finds no place is printed in the diary as its last resort, and the StoreError is raised.
        """
        give_up_at = self.clock.monotonic() + _RETRY_FOR_S
        while True:
            try:
                return await self.record(job, event, actor=actor)
            except (StaleJobError, IllegalTransitionError) as error:
                self._keep_in_diary(job, event, error)
                raise
            except StoreError as error:
                self._keep_in_diary(job, event, error)
                if self.clock.monotonic() >= give_up_at:
                    raise
            await asyncio.sleep(_RETRY_EVERY_S)

    def _keep_in_diary(self, job: Job, event: e.Event, error: BatchgenError) -> None:
        task_id = event.task_id if isinstance(event, e.SubmitAccepted) else job.task_id
        self.log.error("job.not_recorded", key=job.key, attempt=job.attempt_id, fact=event.word(), task_id=task_id, why=str(error))

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
