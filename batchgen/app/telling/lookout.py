"""What somebody is told of one run: its start, what comes up on the way, its end. A bug in here is noted and does not touch the run."""

import os
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Self

from batchgen.app import database
from batchgen.app.clock import SystemClock
from batchgen.app.reports import Report, Snapshot
from batchgen.app.telling.alarms import Alarms
from batchgen.app.telling.delivery import PATIENCE_S, Delivery
from batchgen.app.telling.message import Message, ending, sentence
from batchgen.app.telling.metrics import Life
from batchgen.app.telling.outbox import Letter, Outbox
from batchgen.app.telling.signs import SignFiles, Signs
from batchgen.core.errors import BatchgenError, LockedError, StopRunError
from batchgen.core.exits import Exit
from batchgen.core.ports import Clock, Log
from batchgen.logs import Redactor, one_line
from batchgen.logs import lines as diary
from batchgen.planning.manifest import Event
from batchgen.planning.settings import NotifySettings, RunSettings
from batchgen.settings import Settings

_ENDS: Final[dict[str, Event]] = {"finished": "finished", "interrupted": "interrupted"}
"""The event of an end by its reason; every other reason is a halt."""


@dataclass(slots=True, kw_only=True)
class Lookout:
    """The notices and watched files of one run. ``command`` is what a person types to call this program, ``clean`` hides secrets."""

    run: RunSettings
    command: str
    outbox: Outbox
    signs: Signs
    clock: Clock
    log: Log
    clean: Callable[[str], str]
    life: Life = field(init=False)
    _seen: Snapshot | None = None
    _alarms: list[tuple[NotifySettings, Alarms]] = field(default_factory=list)

    def __post_init__(self) -> None:
        now, run = self.clock.now(), self.run
        self.life = Life(
            batch=run.name, provider=run.provider.use, host=socket.gethostname(), pid=os.getpid(), started_at=now, beaten_at=now
        )

    @classmethod
    def over(cls, run: RunSettings, settings: Settings, files: SignFiles, *, secrets: Collection[str]) -> Self:
        """Give the lookout of a real run; none of the ``secrets`` is told to anybody."""
        clock, log, redactor = SystemClock(), diary.get("run"), Redactor(secrets)
        return cls(
            run=run,
            command=database.command(settings),
            outbox=Outbox(Delivery.of(run, settings, log).deliver, log, clock, patience_s=PATIENCE_S),
            signs=Signs(files=files, log=log),
            clock=clock,
            log=log,
            clean=lambda text: one_line(redactor.text(text)),
        )

    @property
    def is_wanted(self) -> bool:
        """Say whether there is anybody to tell, or a file to write."""
        return bool(self.run.notify) or self.signs.files.are_wanted

    def begin(self, found: Snapshot) -> None:
        """Tell of the start, and remember what the run found; after rows that were tried first the run goes on, and is not told again."""
        if self._seen is not None:
            return
        with self._unharmed():
            now = self.clock.monotonic()
            self._seen = self._cleaned(found)
            self._alarms = [(notice, Alarms.since(found, now, stalled_after_s=notice.stalled_after_s)) for notice in self.run.notify]
            for letter in self._letters(self._message("started", self._seen)):
                self.outbox.post(letter)

    def look(self, seen: Snapshot | None) -> None:
        """Post what has come up since the last look, and write the files; None says that the run's loop gave no sign of life."""
        with self._unharmed():
            self._seen = self._seen if seen is None else self._cleaned(seen)
            if self._seen is not None:
                self._post_alarms(self._seen)
            self._show(is_alive=seen is not None)

    def end(self, report: Report) -> None:
        """Write the end into the files, deliver what is still to be told, and tell of the end."""
        with self._unharmed():
            ended = self._ended(_ENDS.get(report.reason, "halted"), ending(report), reason=report.reason, exit_code=report.exit_code)
            self.outbox.close(self._letters(replace(ended, totals=report.totals, figures=report.figures)))

    @contextmanager
    def minding(self) -> Iterator[None]:
        """Tell of an error that ends the block before the run has an end of its own, and let it pass.

        Of a start that another run is in the way of nothing is told: that run is alive, and the files may be its own.
        """
        try:
            yield
        except LockedError:
            raise
        except Exception as error:
            reason, told, code = _of_error(error)
            with self._unharmed():
                ended = self._ended("halted", f"{self.run.name}: stopped: {told}", reason=reason, exit_code=code)
                self.outbox.close(self._letters(ended))
            raise

    def _ended(self, event: Event, summary: str, *, reason: str, exit_code: int) -> Message:
        """Write the end into the files and give the message of it."""
        now = self.clock.now()
        self.life = replace(self.life, ended_at=now, reason=reason, exit_code=exit_code)
        self._show(is_alive=True)
        return Message(
            batch=self.run.name,
            event=event,
            summary=self.clean(summary),
            at=now,
            seen=self._seen,
            totals={} if self._seen is None else self._seen.states,
            reason=reason,
            exit_code=exit_code,
        )

    def _post_alarms(self, seen: Snapshot) -> None:
        now = self.clock.monotonic()
        for notice, alarms in self._alarms:
            for event in alarms.due(seen, now):
                if event in notice.events:
                    self.outbox.post((notice, self._message(event, seen)))

    def _message(self, event: Event, seen: Snapshot) -> Message:
        now = self.clock.now()
        summary = sentence(event, seen, at=now, batch=self.run.name, command=self.command)
        return Message(batch=self.run.name, event=event, summary=summary, at=now, seen=seen, totals=seen.states)

    def _letters(self, message: Message) -> list[Letter]:
        return [(notice, message) for notice in self.run.notify if message.event in notice.events]

    def _cleaned(self, seen: Snapshot) -> Snapshot:
        """Give the snapshot without what a vendor may have said back."""
        return replace(seen, pause=self.clean(seen.pause), stopping=self.clean(seen.stopping), problems=())

    def _show(self, *, is_alive: bool) -> None:
        if is_alive:
            self.life = replace(self.life, beaten_at=self.clock.now())
        self.signs.show(self.life, self._seen, is_alive=is_alive)

    @contextmanager
    def _unharmed(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.log.error("telling.bug", exc_info=error)  # noqa: TRY400 - core.ports.Log has no level for exceptions


def _of_error(error: Exception) -> tuple[str, str, int]:
    """Give an error's reason, words and exit code; what a bug says is for the diary."""
    match error:
        case StopRunError():
            return error.reason, str(error), error.exit_code
        case BatchgenError():
            return "error", str(error), error.exit_code
        case _:
            return "bug", f"a bug of batchgen: {type(error).__name__}", Exit.BUG
