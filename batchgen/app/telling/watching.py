"""Look at a run every few seconds from a thread beside it."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Final

from batchgen.app.reports import Snapshot
from batchgen.app.shift import Watch
from batchgen.app.telling.delivery import PATIENCE_S
from batchgen.app.telling.lookout import Lookout

LOOK_EVERY_S: Final = 5.0


def beside(watch: Watch | None, lookout: Lookout, *, every_s: float = LOOK_EVERY_S) -> Watch | None:
    """Give a watch that looks on while another one, if any, does; the other alone where nobody wants to be told."""
    return partial(_watching, watch=watch, lookout=lookout, every_s=every_s) if lookout.is_wanted else watch


@contextmanager
def _watching(snapshot: Callable[[], Snapshot], *, watch: Watch | None, lookout: Lookout, every_s: float) -> Iterator[None]:
    """Look on until the block ends, and once more then; entered and left on the thread of the run's loop, which writes no file."""
    found = snapshot()
    lookout.begin(found)
    views, over = _Views(asyncio.get_running_loop(), snapshot), threading.Event()
    watcher = threading.Thread(target=_look_on, args=(lookout, found, views, over, every_s), name="lookout", daemon=True)
    watcher.start()
    try:
        with nullcontext() if watch is None else watch(snapshot):
            yield
    finally:
        views.take()  # first: whoever looks on takes the last view as soon as it is told of the end
        over.set()
        watcher.join(PATIENCE_S)  # only a disk that hangs takes as long


def _look_on(lookout: Lookout, found: Snapshot, views: "_Views", over: threading.Event, every_s: float) -> None:
    lookout.look(found)
    while not over.wait(every_s):
        lookout.look(views.next(every_s))
    lookout.look(views.last)


class _Views:
    """Snapshots that the run's own loop takes when it is asked to, so that they are whole, and prove that it turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop, snapshot: Callable[[], Snapshot]) -> None:
        self._loop = loop
        self._snapshot = snapshot
        self._taken: Final[queue.SimpleQueue[Snapshot]] = queue.SimpleQueue()
        self._is_asked = False
        self.last: Snapshot | None = None

    def take(self) -> None:
        """Take a snapshot; called on the loop's thread alone."""
        self.last = self._snapshot()
        self._taken.put(self.last)

    def next(self, patience_s: float) -> Snapshot | None:
        """Give a new snapshot; None when the loop does not answer in time. It is not asked twice."""
        if not self._is_asked:
            self._loop.call_soon_threadsafe(self.take)
        self._is_asked = True
        with suppress(queue.Empty):
            seen = self._taken.get(timeout=patience_s)
            self._is_asked = False
            return seen
        return None
