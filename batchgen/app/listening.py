"""A run's ear: what operators ask in the job database, it follows within two seconds."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from batchgen.app.limiting import limits_in
from batchgen.core.errors import InputError, StoreError
from batchgen.core.ports import Clock
from batchgen.core.steering import Kind, Request
from batchgen.logs import lines as diary
from batchgen.store import commands
from batchgen.store.writer import DatabaseThread
from batchgen.worker.helm import Helm

_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a run is told as it begins: limits that an earlier one left it, and those of its own command line. It works under them.

    ``process_since`` is set in a process that has had a run before: a stop asked since is for this one too.
    """

    lasting: Sequence[Request] = ()
    typed: str = ""
    actor: str = ""
    process_since: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Listener:
    """Hears what is asked of the run of one batch."""

    thread: DatabaseThread
    batch_id: int
    run_id: int
    began_at: datetime
    helm: Helm
    clock: Clock
    _heard: set[int] = field(default_factory=set)
    """Requests that this run has followed, and those asked before it began: of these a stop was meant for another one."""

    async def open(self, opening: Opening) -> None:
        """Note what the run begins with, and follow what was asked before: a pause that nobody has ended, limits, but no older stop.

        What was asked while it began is for it as well, though another run may have followed it first.
        """
        for request in (asked for asked in opening.lasting if asked.kind.is_typed):
            diary.get("run").warning("run.limited", by=request.actor, asked_at=request.asked_at.isoformat(), detail=f"still: {request}")
        await self._take(opening.lasting, again=True)
        if opening.typed:
            await self._note_start(opening)
        asked = await self._asked()
        self._heard = {request.id for request in asked}
        pause = await asyncio.wrap_future(self.thread.call(lambda c: commands.pause(c, self.batch_id), repeatable=True))
        if pause is not None and pause.taken_at is not None:
            self.helm.follow(pause)
        since = opening.process_since or self.began_at
        missed = await self._taken_meanwhile(opening)
        await self._follow(
            [
                request
                for request in asked
                if (request.asked_at >= since if request.kind is Kind.STOP else request.taken_at is None or request.id in missed)
            ]
        )

    async def _taken_meanwhile(self, opening: Opening) -> set[int]:
        """Give the limits that other runs have taken since those were read under which this one begins."""
        lasting = await asyncio.wrap_future(self.thread.call(lambda c: commands.lasting(c, self.batch_id), repeatable=True))
        return {request.id for request in lasting} - {request.id for request in opening.lasting}

    async def listen(self) -> None:
        """Follow what is asked, until cancelled. What becomes of a database that is away or gone is for others to judge."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self._follow([request for request in await self._asked() if request.id not in self._heard])
            except StoreError as error:
                diary.get("run").warning("run.not_listening", why=str(error))

    async def _note_start(self, opening: Opening) -> None:
        """Keep what the command line said, so that others can tell what the limits are."""
        now = self.clock.now()
        start = Request(kind=Kind.START, argument=opening.typed, actor=opening.actor, asked_at=now, taken_at=now)
        await asyncio.wrap_future(self.thread.call(lambda c: commands.ask(c, self.batch_id, start)))

    async def _asked(self) -> Sequence[Request]:
        """Give what was asked of this run, or of all, whether or not another has followed it."""
        return await asyncio.wrap_future(self.thread.call(lambda c: commands.asked(c, self.batch_id, self.run_id), repeatable=True))

    async def _follow(self, requests: Sequence[Request]) -> None:
        """Follow each request, then note that; a death in between has it followed once more, which changes nothing."""
        for request in requests:
            try:
                self.helm.follow(request, limits_in(request.argument, now=request.asked_at) if request.kind is Kind.LIMIT else ())
            except InputError as error:  # a later version wrote it
                diary.get("run").warning("run.not_understood", request=str(request), why=str(error))
        await self._take(requests)
        self._heard |= {request.id for request in requests}

    async def _take(self, requests: Sequence[Request], *, again: bool = False) -> None:
        if requests:
            ids, now = [request.id for request in requests], self.clock.now()
            await asyncio.wrap_future(self.thread.call(lambda c: commands.take(c, ids, at=now, again=again), repeatable=True))
