"""Follow what was ordered: ask after tasks, fetch images, and decide when to try again. Nothing here can cost money.

A paid task is never given up: what runs too long, names no URL or cannot be downloaded is *parked*. It then holds no place and does not
keep the run alive, but it is asked after every hour and at the start of every later run.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.errors import BadImageError, BatchgenError, DownloadError, FileError, PathTakenError, StaleJobError
from batchgen.core.states import State
from batchgen.worker.agenda import Agenda, Followed
from batchgen.worker.bearing import Bearing, bug_in_words
from batchgen.worker.gate import Gate, SubmitGate
from batchgen.worker.latency import Latencies, Seen, shape_of
from batchgen.worker.steps import Steps

_NO_URL_WAITS_S: Final = (2.0, 5.0, 15.0, 60.0, 150.0, 360.0)
"""Waits between questions while a finished task names no usable URL: ten minutes in all."""
_NOT_FOUND_GRACE_S: Final = 120.0
"""A task may be unknown for this long after its order: vendors write their rows late."""
_NOT_FOUND_QUESTIONS: Final = 10
_NOT_FOUND_GAP_S: Final = 180.0
"""Ten questions over half an hour before a task that the vendor does not know counts as lost."""
_PARKED_GAP_S: Final = 3600.0
_DOWNLOADS_PER_URL: Final = 3
_FRESH_URLS: Final = 5
_FRESH_URL_GAP_S: Final = 60.0
_TROUBLE_MAX_S: Final = 60.0
_BUGS_A_JOB: Final = 2
"""Further steps of a job after an error that nobody expected, before it is held."""
_TROUBLE_TOLD_S: Final = 300.0
"""Trouble with questions is told after so long, and not more often."""


@dataclass(slots=True, kw_only=True)
class Follower:
    """Takes one followed job one step further and puts it back on the agenda, or lets go of it."""

    steps: Steps
    agenda: Agenda
    places: SubmitGate
    questions: Gate
    latencies: Latencies
    bearing: Bearing
    trouble_told_at: float = float("-inf")

    async def ask(self, followed: Followed) -> None:
        """Ask after the task once."""
        await self._guarded(followed, self._ask)

    async def fetch(self, followed: Followed) -> None:
        """Download and publish the images once."""
        await self._guarded(followed, self._fetch)

    def release(self, followed: Followed) -> None:
        """Let go of a job that this run has finished with."""
        self._leave_place(followed)
        if followed.is_parked:
            self.bearing.progress.parked -= 1

    async def _guarded(self, followed: Followed, step: Callable[[Followed], Awaitable[None]]) -> None:
        """Take one step; an error of ours spoils the job it met, not the run, unless it meets every job."""
        try:
            await step(followed)
        except StaleJobError:
            self.release(followed)
        except BatchgenError:
            raise
        except Exception as error:  # noqa: BLE001 - the top of a lane
            self.bearing.stumbled("follows", followed.job, error)
            await self._stumbled(followed, error)
        else:
            self.bearing.walked("follows")

    async def _stumbled(self, followed: Followed, error: Exception) -> None:
        """Try the job twice more after a back-off, then hold it for a later run; it stays as it is recorded."""
        followed.bugs += 1
        if followed.bugs > _BUGS_A_JOB:
            hold = self._park_download if followed.wants_fetch else self._park
            await hold(followed, "bug", bug_in_words(error))
            return
        wait_s = self.bearing.limits.backoff.delay_s(followed.bugs, self.steps.random.random())
        self.agenda.put(followed, self._now() + wait_s)

    # --- asking ---

    async def _ask(self, followed: Followed) -> None:
        asked_at = self._now()
        reading = await self.steps.ask(followed.job)
        if isinstance(reading, r.Done):
            self._leave_place(followed)
        followed.job = await self.steps.conclude(followed.job, reading)
        self.bearing.progress.polls += 1
        followed.asked += 1
        await self._conclude(followed, reading, asked_at)

    async def _conclude(self, followed: Followed, reading: r.PollReading, asked_at: float) -> None:
        now = self._now()
        match reading:
            case r.Running(progress=progress):
                await self._still_running(followed, asked_at, progress)
            case r.Done(urls=urls, lasted_s=lasted_s) if urls:
                self._rendered(followed, asked_at, lasted_s)
            case r.Done():
                await self._without_url(followed)
            case r.Ended(reason=reason, message=message):
                self._ended(followed, reason, message)
            case r.NotFound(message=message):
                await self._not_found(followed, message)
            case r.Throttled(retry_after_s=retry_after_s):
                self.bearing.progress.throttled += 1
                shut_until = self.questions.shut_until
                self.questions.throttled(now, asked_at=asked_at, retry_after_s=retry_after_s)
                self.bearing.say_pause(self.questions, before=shut_until, what="questions")
                await self._ask_again(followed, 0.0)
            case r.Stopped(kind="auth", message=message):
                self.agenda.put(followed, now)
                self.bearing.vendor_stopped("auth", message)
            case r.Stopped(message=message) | r.Trouble(message=message):
                await self._in_trouble(followed, message)

    def _ended(self, followed: Followed, reason: str, message: str) -> None:
        """Let go of a task without an image; what moderation refuses says nothing about the vendor's health."""
        self.release(followed)
        if reason in {"remote", "transient"}:
            shut_until = self.places.gate.shut_until
            self.places.unrendered(self._now(), f"tasks fail: {message}")
            self.bearing.say_pause(self.places.gate, before=shut_until)
        if followed.job.state is State.FAILED:
            self.bearing.count_failure(followed.job)
        else:
            self.bearing.rows_left = None

    async def _still_running(self, followed: Followed, asked_at: float, progress: float | None) -> None:
        self.questions.passed()
        elapsed_s = asked_at - followed.ordered_at
        forecast_s = None if progress is None else elapsed_s / progress
        followed.running_at_s, followed.forecast_s = elapsed_s, followed.forecast_s or forecast_s
        followed.troubles = 0
        wait_s = self.latencies.next_wait_s(
            shape_of(followed.job),
            asked=followed.asked,
            elapsed_s=elapsed_s,
            chance=self.steps.random.random(),
            forecast_s=forecast_s,
        )
        await self._ask_again(followed, wait_s)

    async def _ask_again(self, followed: Followed, wait_s: float) -> None:
        """Ask once more after a while, unless the task has had its time."""
        if self._now() - followed.ordered_at > self.bearing.limits.task_timeout_s:
            await self._park(followed, "stalled", "the task runs longer than limits.timeout.task")
        else:
            self.agenda.put(followed, self._now() + wait_s)

    def _rendered(self, followed: Followed, asked_at: float, lasted_s: float | None) -> None:
        self.places.rendered()
        if len(followed.job.urls) > 1:
            self.bearing.log.warning(
                "job.more_images", key=followed.job.key, detail=f"1 image asked, {len(followed.job.urls)} given: all are kept"
            )
        if not followed.job.is_answered:
            self.questions.passed()
        is_bounded = followed.running_at_s is not None or lasted_s is not None or not followed.is_adopted
        if followed.is_parked:
            followed.is_parked = False
            self.bearing.progress.parked -= 1
        elif followed.fresh_urls == 0 and is_bounded and not followed.job.is_answered:
            shape, done_at_s = shape_of(followed.job), asked_at - followed.ordered_at
            self.places.lasted(followed.job.model, asked_at, done_at_s)
            seen = Seen(running_at_s=followed.running_at_s, done_at_s=done_at_s, lasted_s=lasted_s, forecast_s=followed.forecast_s)
            self.latencies.learn(shape, seen)
        self._leave_place(followed)
        self.agenda.put(followed, self._now())

    async def _without_url(self, followed: Followed) -> None:
        self._leave_place(followed)
        if followed.without_url < len(_NO_URL_WAITS_S):
            self.agenda.put(followed, self._now() + _NO_URL_WAITS_S[followed.without_url])
            followed.without_url += 1
        else:
            await self._park(followed, "no_url", "the task is finished and paid, but names no usable URL")

    async def _not_found(self, followed: Followed, message: str) -> None:
        age_s = self._now() - followed.ordered_at
        followed.not_found += age_s > _NOT_FOUND_GRACE_S
        if followed.not_found < _NOT_FOUND_QUESTIONS:
            wait_s = _NOT_FOUND_GAP_S if followed.not_found else min(15.0, 1 + age_s / 4)
            self.agenda.put(followed, self._now() + wait_s)
            return
        followed.job = await self.steps.recorder.record(followed.job, e.RenderFailed(reason="lost", detail=message))
        self.release(followed)
        self.bearing.count_failure(followed.job)
        self.bearing.count_lost(followed.job.task_id or "")

    async def _in_trouble(self, followed: Followed, message: str) -> None:
        now = self._now()
        followed.troubled_since = followed.troubled_since if followed.troubles else now
        followed.troubles += 1
        if now - max(followed.troubled_since, self.trouble_told_at) >= _TROUBLE_TOLD_S:
            self.trouble_told_at = now
            self.bearing.log.warning(
                "run.questions_fail", detail=f"for five minutes no answer about task {followed.job.task_id}: {message}"
            )
        if followed.troubles > _DOWNLOADS_PER_URL:
            self.bearing.say(f"task {followed.job.task_id}: {message}")
        wait_s = min(_TROUBLE_MAX_S, 0.5 * 2.0 ** min(followed.troubles, 10))
        await self._ask_again(followed, wait_s * (0.5 + 0.5 * self.steps.random.random()))

    # --- fetching ---

    async def _fetch(self, followed: Followed) -> None:
        try:
            await self._bring_home(followed)
        except DownloadError as error:
            await self._missed(followed, error)
        except BadImageError as error:
            await self._spoiled(followed, error)
        except PathTakenError as error:
            await self._want_fresh_url(followed, "path_taken", str(error))
        else:
            self.bearing.count_saved(followed.job)
            self.release(followed)

    async def _bring_home(self, followed: Followed) -> None:
        saved = await self.steps.save(followed.job) if followed.job.staged else None
        if saved is None:
            followed.job = await self.steps.stage(followed.job)
            saved = await self.steps.save(followed.job)
        if saved is None:
            raise FileError(f"staged files of {followed.job.key[:8]} vanished before they were published")
        followed.job = saved

    async def _missed(self, followed: Followed, error: DownloadError) -> None:
        if error.forbidden:
            await self._park_download(followed, "forbidden_address", str(error))
        elif error.expired:
            await self._want_fresh_url(followed, "expired", str(error))
        else:
            await self._later(followed, "network", str(error))

    async def _spoiled(self, followed: Followed, error: BadImageError) -> None:
        if error.reason in {"too_big", "too_many_pixels"} or followed.job.is_inline:
            await self._give_up(followed, "bad_image", str(error))
        else:
            await self._later(followed, error.reason, str(error))

    async def _later(self, followed: Followed, reason: str, detail: str) -> None:
        """Try the same URL again after a back-off; every third time ask for a fresh one instead."""
        followed.downloads += 1
        self.bearing.say(f"{followed.job.key[:8]}: {detail}")
        if followed.downloads % _DOWNLOADS_PER_URL == 0:
            await self._want_fresh_url(followed, reason, detail)
            return
        wait_s = self.bearing.limits.backoff.delay_s(followed.downloads, self.steps.random.random())
        next_at = self.steps.clock.now() + timedelta(seconds=wait_s)
        event = e.DownloadDeferred(reason=reason, detail=detail, next_at=next_at)
        followed.job = await self.steps.recorder.record(followed.job, event)
        self.agenda.put(followed, self._now() + wait_s)

    async def _want_fresh_url(self, followed: Followed, reason: str, detail: str) -> None:
        if followed.fresh_urls < _FRESH_URLS:
            await self._refresh(followed, reason, detail, wait_s=_FRESH_URL_GAP_S if followed.fresh_urls else 0.0)
            return
        expires_at = followed.job.expires_at
        if reason not in {"expired", "network", "path_taken"}:
            await self._give_up(followed, "bad_image", detail)
        elif expires_at is not None and self.steps.clock.now() > expires_at:
            await self._give_up(followed, "expired", f"expired, and what it cost is lost: {detail}")
        else:
            await self._park_download(followed, reason, detail)

    async def _refresh(self, followed: Followed, reason: str, detail: str, *, wait_s: float) -> None:
        followed.fresh_urls += 1
        followed.job = await self.steps.recorder.record(followed.job, e.FreshUrlWanted(reason=reason, detail=detail))
        self.agenda.put(followed, self._now() + wait_s)

    async def _give_up(self, followed: Followed, reason: str, detail: str) -> None:
        followed.job = await self.steps.recorder.record(followed.job, e.DownloadFailed(reason=reason, detail=detail))
        self.release(followed)
        self.bearing.count_failure(followed.job)

    # --- parking ---

    async def _park_download(self, followed: Followed, reason: str, detail: str) -> None:
        followed.job = await self.steps.recorder.record(followed.job, e.DownloadDeferred(reason=reason, detail=detail))
        await self._park(followed, reason, detail)

    async def _park(self, followed: Followed, reason: str, detail: str) -> None:
        if not followed.is_parked:
            followed.is_parked = True
            self.bearing.progress.parked += 1
            if followed.job.state is State.SUBMITTED:
                followed.job = await self.steps.recorder.record(followed.job, e.TaskStalled(reason=reason, detail=detail))
            self.bearing.say(f"task {followed.job.task_id}: {detail}")
        self._leave_place(followed)
        self.agenda.put(followed, self._now() + _PARKED_GAP_S)

    def _leave_place(self, followed: Followed) -> None:
        if followed.holds_place:
            followed.holds_place = False
            self.places.leave(followed.job.model)
            self.bearing.wake.set()

    def _now(self) -> float:
        return self.steps.clock.monotonic()
