"""Keep notices until they are delivered, in order, by a thread of their own: whoever posts one never waits.

A receiver that hangs holds up what is behind it, and nothing else. What is posted while too many wait is dropped and noted.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

from batchgen.app.telling.message import Message
from batchgen.core.ports import Clock, Log
from batchgen.planning.settings import NotifySettings

MOST_WAITING: Final = 32

Letter = tuple[NotifySettings, Message]
Deliver = Callable[[NotifySettings, Message], None]


class Outbox:
    """Notices under way. ``deliver`` bounds each by itself; ``patience_s`` bounds all together that still wait when the run has ended."""

    def __init__(self, deliver: Deliver, log: Log, clock: Clock, *, patience_s: float) -> None:
        self._deliver = deliver
        self._log = log
        self._clock = clock
        self._patience_s = patience_s
        self._waiting: Final[queue.SimpleQueue[Letter | None]] = queue.SimpleQueue()
        self._closes_at = float("inf")
        self._carrier: Final = threading.Thread(target=self._carry, name="notices", daemon=True)
        self._carrier.start()

    def post(self, letter: Letter) -> None:
        """Take a notice for delivery as soon as those before it are done."""
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(letter)
        else:
            self._drop(letter, f"{MOST_WAITING} notices wait already")

    def close(self, last: Sequence[Letter]) -> None:
        """Come back when what waits is delivered or has waited for too long, and the notices of the end after it."""
        self._closes_at = self._clock.monotonic() + self._patience_s
        self._waiting.put(None)
        self._carrier.join()
        for letter in last:
            self._bring(letter)

    def _carry(self) -> None:
        while (letter := self._waiting.get()) is not None:
            if self._clock.monotonic() < self._closes_at:
                self._bring(letter)
            else:
                self._drop(letter, "the run has ended")

    def _bring(self, letter: Letter) -> None:
        try:
            self._deliver(*letter)
        except Exception as error:  # noqa: BLE001 - the top of a lane: a bug in a notice is no reason to lose the next one
            self._log.error("notify.bug", what=letter[1].event, exc_info=error)

    def _drop(self, letter: Letter, why: str) -> None:
        self._log.warning("notify.dropped", what=letter[1].event, why=why)
