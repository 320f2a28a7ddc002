"""One job, one step: order it, ask after it, fetch it. Each step leaves the job recorded as far as it got.

Theory of operation. ``order`` is the only step that can cost money. Its intent is durable before the POST leaves, and ``settle`` makes what
came back durable before anything else is done with the job. Whatever cuts it in between leaves ``submitting``, which the next start
settles by the journal (see ``Recorder``) or turns into ``ambiguous``; nothing turns it into a second POST. ``conclude`` writes only when
something changed. ``stage`` records the hash of verified bytes, ``save`` links them into place and only then records ``saved``.

A synchronous order is answered by its result. That answer is written to disk as it comes and is durable before anything is read out of it;
from then on the disk takes the vendor's place: asking after such a job reads its answer again, and a start that finds the answer of an
order that a dead run left open settles it as if it had just come.
"""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import TypeVar

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.dialects import Call, Dialect, Question, Reply
from batchgen.core.errors import (
    BadImageError,
    BudgetReachedError,
    ExchangeError,
    FileError,
    InputError,
    NotSentError,
    OutcomeUnknownError,
    StaleJobError,
    StopRunError,
)
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.core.ports import Answer, Client, Clock, Draft, Settled, Shelf
from batchgen.core.states import Outcome, State
from batchgen.worker import kept
from batchgen.worker.attaching import Attacher, Obstacle
from batchgen.worker.bearing import bug_in_words
from batchgen.worker.drift import Drift
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
    attacher: Attacher
    random: Random
    threads: Executor
    drift: Drift = field(default_factory=Drift)

    async def prepare(self, job: Job) -> Call | SubmitAnswer:
        """Give the order ready to be sent, its references uploaded where they have to be, or what stands against it.

        Nothing is sent that costs money and nothing is recorded of the job, so that it may be cancelled at any time. Raises StopRunError.
        """
        attached = await self.attacher.attach(job)
        if not isinstance(attached, tuple):
            return _unsent(attached)
        try:
            return self.dialect.submit(job, attached)
        except InputError as error:
            return r.Rejected(reason="refused", message=str(error))
        except Exception as error:  # noqa: BLE001 - an error of ours, or of a dialect of somebody else's: it spoils this order only
            return NotSent(message=bug_in_words(error), reason="bug", error=error)

    async def order(self, job: Job, order: Call | SubmitAnswer) -> tuple[Job, SubmitAnswer]:
        """Send what ``prepare`` gave, once the intent is durable; the answer is still to be settled.

        Raises BudgetReachedError or StaleJobError before anything was sent.
        """
        limits, price = self.judge.limits, self.prices.of(job)
        if price is None and limits.has_cost_cap(job.model) and not limits.allow_unpriced:
            raise BudgetReachedError(
                f"the price of {job.model} is unknown, so that no cost limit could be kept: name it under provider.prices, "
                "or order such rows one at a time with --allow-unpriced",
                is_final=True,
            )
        started = e.SubmitStarted(
            body_sha256=_hash(order),
            reserved=price,
            cap_cost=limits.budget_cost,
            cap_orders=limits.budget_jobs,
            model_cap=limits.model_caps.get(job.model),
            day_cap=limits.day_cap,
            key_cap=limits.key_cap,
        )
        job = await self.recorder.record(job, started)
        if not isinstance(order, Call):
            return job, order
        try:
            self.recorder.intend(job, started)
        except FileError as error:
            return job, NotSent(message=str(error), error=error)
        return job, await self._send(job, order)

    async def settle(self, job: Job, answer: SubmitAnswer, *, actor: str = "runner") -> Job:
        """Record what became of an order; its task id, if it has one, is durable when this returns."""
        event = self.judge.submitted(answer, job, now=self.clock.now(), chance=self.random.random())
        job = await self.recorder.record_fact(job, event, actor=actor)
        if isinstance(answer, r.Accepted | r.Delivered):
            self.prices.learn(job, answer.cost)
        return await self._record_drift(job)

    async def ask(self, job: Job) -> r.PollReading:
        """Ask after the job's task, the vendor or, where the answer to the order was the result, the disk; nothing is recorded yet."""
        if job.is_answered:
            return await self._off_loop(lambda: kept.ask(self.shelf, self.dialect, job))
        try:
            reading = await self._question(job, self.dialect.poll(job), partial(self.dialect.read_poll, job))
            if isinstance(reading, Question):
                reading = await self._question(job, reading.call, reading.read)
        except ExchangeError as error:
            return r.Trouble(message=str(error))
        return reading

    async def conclude(self, job: Job, reading: r.PollReading) -> Job:
        """Record what a question told, if it changes the job."""
        return await self._record_drift(await self._conclude(job, reading))

    async def _conclude(self, job: Job, reading: r.PollReading) -> Job:
        match reading:
            case r.Done(urls=urls, cost=cost) if urls:
                since = job.submitted_at if job.is_answered and job.submitted_at else self.clock.now()
                expires_at = since + timedelta(seconds=self.dialect.result_ttl_s)
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
        """Settle an order that a dead run left open by what is known of its answer, or make it ambiguous; leave other jobs alone.

        An answer that was the result was kept in a file; of any other the journal knows the task id, or that nothing was done.
        """
        if job.state is not State.SUBMITTING:
            return job
        answer = await self._off_loop(lambda: self.shelf.kept_answer(job))
        if answer is not None:
            told = self._read(job, answer)
            settled = await self.settle(job, told, actor="recovery")
            if not _is_worth_keeping(told):
                with suppress(FileError):  # as in _send
                    await self._off_loop(lambda: self.shelf.drop_answer(job))
            return settled
        attempt_id, journal = job.attempt_id, self.recorder.journal
        known = None if attempt_id is None else await self._off_loop(lambda: journal.settled(attempt_id))
        return await self.recorder.record_fact(job, _left_behind(known), actor="recovery")

    async def recall(self, doubtful: list[Job]) -> list[Job]:
        """Attach the task to every order in doubt whose answer stands in a journal after all, and give those jobs."""
        orders = {job.attempt_id: job for job in doubtful if job.attempt_id is not None and job.reason != e.REPEATED_TASK}
        if not orders:
            return []
        told = await self._off_loop(lambda: self.recorder.journal.recall(orders.keys()))
        found = [(orders[attempt_id], settled.task_id) for attempt_id, settled in told.items() if settled.task_id is not None]
        attached = [await self._attached(job, task_id) for job, task_id in found]
        return [job for job in attached if job.state is State.SUBMITTED]

    async def _attached(self, job: Job, task_id: str) -> Job:
        event = e.TaskAttached(reason="journal", detail="the answer came after the run was taken for dead", task_id=task_id)
        try:
            job = await self.recorder.record(job, event, actor="recovery")
        except (StaleJobError, InputError):  # somebody has decided meanwhile, or the task has its order already
            return job
        return replace(job, task_id=task_id, submitted_at=self.clock.now())

    async def _send(self, job: Job, call: Call) -> SubmitAnswer:
        """Send the order; an answer that is the result is durable when this returns."""
        answer: Answer | None = None
        try:
            if call.is_synchronous:
                answer = await self._off_loop(lambda: self.shelf.answer(job))
        except FileError as error:
            return NotSent(message=str(error), error=error)
        try:
            told: SubmitAnswer = self._read(job, await self.client.order(call, answer))
        except NotSentError as error:
            told = NotSent(message=str(error))
        except OutcomeUnknownError as error:
            told = Lost(message=str(error))
        except FileError as error:
            told = Lost(message=str(error), error=None if isinstance(error, BadImageError) else error)
        except StopRunError as error:
            told = r.Stopped(kind="config", message=str(error))
        except Exception as error:  # noqa: BLE001 - as in ``prepare``; the order may be out, and its answer was not understood
            told = Lost(message=bug_in_words(error), error=error)
        if answer is not None and not _is_worth_keeping(told):
            with suppress(FileError):  # the order is settled whether or not the disk gives up what nobody wants
                await self._off_loop(answer.discard)
        return told

    def _read(self, job: Job, reply: Reply) -> r.SubmitReading:
        self.drift.note(job.id, self.dialect.unfamiliar(job, reply))
        return self.dialect.read_submit(job, reply)

    async def _question(self, job: Job, call: Call, read: Callable[[Reply], T]) -> T:
        reply = await self.client.ask(call)
        self.drift.note(job.id, self.dialect.unfamiliar(job, reply))
        return read(reply)

    async def _record_drift(self, job: Job) -> Job:
        """Record what is unheard of in the job's answers; it is a remark only, so a job that somebody else has moved goes without."""
        with suppress(StaleJobError):
            for event in self.drift.take(job.id):
                job = await self.recorder.record(job, event)
        return job

    async def _download(self, job: Job, index: int, url: str, drafts: list[Draft]) -> Image:
        def open_draft() -> Draft:
            draft = self.shelf.draft(job, index)
            drafts.append(draft)
            return draft

        draft = await self._off_loop(open_draft)
        length = None
        if job.is_inline:
            await self._off_loop(lambda: kept.unpack(self.shelf, job, url, draft))
        else:
            length = (await self.client.fetch(url, draft)).length
        return await self._off_loop(lambda: draft.finish(length=length))

    async def _publish(self, job: Job, images: tuple[Image, ...]) -> bool:
        """Publish staged files; False when a file named by the record is gone, so that it has to be fetched again.

        The answer that a published image came with is dropped before the record says ``saved``: nobody would look for it afterwards.
        """

        def publish() -> bool:
            for image in images:
                if not self.shelf.publish(image):
                    return False
            self.shelf.describe(job, images)
            if job.is_answered:
                self.shelf.drop_answer(job)
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


def _left_behind(known: Settled | None) -> e.Event:
    """Give the event for an open order of a dead run, by what a journal knows of it."""
    match known:
        case Settled(outcome=Outcome.ACCEPTED, task_id=str(task_id), cost=cost):
            return e.SubmitAccepted(task_id=task_id, cost=cost)
        case Settled(outcome=Outcome.REFUSED | Outcome.NOT_SENT as outcome):
            return e.SubmitNotSent(reason="interrupted", detail=f"the run ended before it was recorded that the order was {outcome}")
        case _:
            return e.SubmitUnknown(reason="interrupted", detail="the run ended while the order was out")


def _hash(order: Call | SubmitAnswer) -> str:
    """Give the hash of the order's bytes; empty where none could be made."""
    if not isinstance(order, Call):
        return ""
    digest = hashlib.sha256()
    for piece in order.pieces:
        digest.update(piece)
    return digest.hexdigest()


def _unsent(obstacle: Obstacle) -> SubmitAnswer:
    """Say what an upload that failed means for the order that waited for it."""
    return NotSent(message=f"upload of a reference: {obstacle.message}") if isinstance(obstacle, r.Trouble) else obstacle


def _is_worth_keeping(told: SubmitAnswer) -> bool:
    """Say whether what arrived of an answer may hold a paid image: that it does, or what a disk that failed could not take whole."""
    return isinstance(told, r.Delivered | r.Unreadable) or (isinstance(told, Lost) and told.error is not None)
