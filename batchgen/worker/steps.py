"""One job, one step: order it, ask after it, fetch it. Each step leaves the job recorded as far as it got.

Theory of operation. ``order`` is the only step that can cost money. Its intent is durable before the POST leaves, and ``settle`` makes what
came back durable before anything else is done with the job. Whatever cuts it in between leaves ``submitting``, which the next start
turns into ``ambiguous``; nothing turns it into a second POST. ``conclude`` writes only when something changed. ``stage`` records
the hash of verified bytes, ``save`` links them into place and only then records ``saved``.
"""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TypeVar

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import ExchangeError, NotSentError, OutcomeUnknownError, StopRunError
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.core.ports import Call, Client, Clock, Dialect, Draft, Shelf
from batchgen.core.states import State
from batchgen.worker.prices import Prices
from batchgen.worker.recorder import Recorder
from batchgen.worker.verdicts import Judge, Lost, NotSent, SubmitAnswer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps, with everything they touch. ``threads`` carries the file work, so that no fsync holds up the loop."""

    recorder: Recorder
    client: Client
    dialect: Dialect
    shelf: Shelf
    clock: Clock
    judge: Judge
    prices: Prices
    random: Random
    threads: Executor

    async def order(self, job: Job) -> tuple[Job, SubmitAnswer]:
        """Send the order for one image, once the intent is durable; the answer is still to be settled.

        Raises BudgetReachedError or StaleJobError before anything was sent.
        """
        call = self.dialect.submit(job)
        limits = self.judge.limits
        job = await self.recorder.record(
            job,
            e.SubmitStarted(
                body_sha256=hashlib.sha256(call.body or b"").hexdigest(),
                reserved=self.prices.of(job),
                cap_cost=limits.budget_cost,
                cap_orders=limits.budget_jobs,
            ),
        )
        return job, await self._send(call)

    async def settle(self, job: Job, answer: SubmitAnswer) -> Job:
        """Record what became of an order; its task id, if it has one, is durable when this returns."""
        event = self.judge.submitted(answer, job, now=self.clock.now(), chance=self.random.random())
        job = await self.recorder.record_fact(job, event)
        if isinstance(answer, r.Accepted):
            self.prices.learn(job, answer.cost)
        return job

    async def ask(self, job: Job) -> r.PollReading:
        """Ask the vendor after the job's task; nothing is recorded yet."""
        try:
            return self.dialect.read_poll(await self.client.ask(self.dialect.poll(job.task_id or "")))
        except ExchangeError as error:
            return r.Trouble(message=str(error))

    async def conclude(self, job: Job, reading: r.PollReading) -> Job:
        """Record what a question told, if it changes the job."""
        match reading:
            case r.Done(urls=urls, cost=cost) if urls:
                expires_at = self.clock.now() + timedelta(seconds=self.dialect.result_ttl_s)
                job = await self.recorder.record_fact(job, e.RenderFinished(urls=urls, expires_at=expires_at, cost=cost))
                self.prices.learn(job, cost)
            case r.Ended(reason=reason, message=message, cost=cost):
                event = e.RenderFailed(reason=reason, detail=message, cost=cost)
                may_regenerate = self.judge.may_regenerate(event, job)
                job = await self.recorder.record_fact(job, event)
                if may_regenerate:
                    job = await self.recorder.record(job, e.RetryAllowed(reason="regenerate", detail=message), actor="policy")
            case _:
                return job
        return job

    async def stage(self, job: Job) -> Job:
        """Download and verify the job's images; the job is staged when this returns.

        Raises DownloadError or BadImageError (the bytes are not here, ask again) and FileError (the disk).
        """
        drafts: list[Draft] = []
        try:
            images = [await self._download(job, index, url, drafts) for index, url in enumerate(job.urls)]
        except BaseException:
            for draft in drafts:
                draft.discard()
            raise
        return await self.recorder.record(job, e.ImagesStaged(images=tuple(images)))

    async def save(self, job: Job) -> Job | None:
        """Publish what is staged; the job is saved when this returns. None when a staged file is gone and has to be fetched again.

        Raises PathTakenError and FileError.
        """
        if not await self._publish(job, job.staged):
            return None
        return await self.recorder.record_fact(job, e.ImagesSaved(images=job.staged))

    async def recover(self, job: Job) -> Job:
        """Turn an order that a dead run left open into an ambiguous one; leave every other job as it is."""
        if job.state is not State.SUBMITTING:
            return job
        unknown = e.SubmitUnknown(reason="interrupted", detail="the run ended while the order was out")
        return await self.recorder.record(job, unknown, actor="recovery")

    async def _send(self, call: Call) -> SubmitAnswer:
        try:
            return self.dialect.read_submit(await self.client.order(call))
        except NotSentError as error:
            return NotSent(message=str(error))
        except OutcomeUnknownError as error:
            return Lost(message=str(error))
        except StopRunError as error:
            return r.Stopped(kind="config", message=str(error))

    async def _download(self, job: Job, index: int, url: str, drafts: list[Draft]) -> Image:
        def open_draft() -> Draft:
            draft = self.shelf.draft(job, index)
            drafts.append(draft)
            return draft

        draft = await self._off_loop(open_draft)
        fetched = await self.client.fetch(url, draft)
        return await self._off_loop(lambda: draft.finish(length=fetched.length))

    async def _publish(self, job: Job, images: tuple[Image, ...]) -> bool:
        """Publish staged files; False when a file named by the record is gone, so that it has to be fetched again."""

        def publish() -> bool:
            for image in images:
                if not self.shelf.publish(image):
                    return False
            self.shelf.describe(job, images)
            return True

        return await self._off_loop(publish)

    async def _off_loop(self, work: Callable[[], T]) -> T:
        """Run file work on a thread and see it to its end, even when the caller is cancelled meanwhile."""
        result = asyncio.get_running_loop().run_in_executor(self.threads, work)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            await asyncio.wait({result})
            raise
