"""The database thread: one writer, many changes a commit.

Theory of operation. Callers hand over work and get a future that is done only when its commit is durable. Neighbouring items that are
applied by the same function share one transaction; a ``call`` has one of its own. While a commit waits for the disk the queue fills, so
groups grow by themselves; among several, the thread also lingers a few milliseconds for the rest of the crowd, or until it falls silent.
A lone change never waits. If a shared transaction fails, each of its items is applied again alone, so that only the culprit fails.

A connection that breaks leaves open whether the last transaction was stored. What may be carried out twice is then carried out again, for
as long as ``PATIENCE_S``: a change that had been stored is recognized (see ``Recorder``). Anything else fails, for its caller to look up.

Work handed over cannot be withdrawn: cancelling the future does not cancel the commit.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine

from batchgen.core.errors import BatchgenError, StoreAwayError, StoreError
from batchgen.store.engine import place_of
from batchgen.store.faults import BusyError, RefusedError, translated

T = TypeVar("T")
C = TypeVar("C")
R = TypeVar("R")

Apply = Callable[[Connection, Sequence[C]], Sequence[R | BatchgenError]]
"""Carries out a group within a transaction; gives each item its result or its own error."""

GROUP_LIMIT: Final = 1_000
LINGER_S: Final = 0.005
QUIET_S: Final = 0.001
"""A silence that says that the crowd has said all it had to say."""

PATIENCE_S: Final = 60.0
"""How long a group is tried again while somebody else holds the database, each try waiting for the lock by itself, or while it is away."""
_AWAY_GAP_S: Final = 0.5


@dataclass(slots=True, kw_only=True)
class _Item:
    apply: Apply[Any, Any]
    work: Any
    future: Future[Any]
    is_alone: bool
    is_repeatable: bool


class DatabaseThread:
    """Runs every write of a process, in order; reads too, where they should see all that was written before."""

    def __init__(self, engine: Engine, *, patience_s: float = PATIENCE_S, say: Callable[[str], None] = lambda _sentence: None) -> None:
        """Start the thread; ``say`` is told once of every outage that is waited for."""
        self.engine: Final = engine
        self._say: Final = say
        self._place: Final = place_of(engine.url)
        self._patience_s: Final = patience_s
        self._queue: Final[SimpleQueue[_Item | None]] = SimpleQueue()
        self._held: Final[list[_Item | None]] = []
        self._unwell_since: float | None = None
        self._is_crowded = False
        self._is_closed = False
        self._gate: Final = threading.Lock()
        self._thread: Final = threading.Thread(target=self._run, name="database", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[Connection], T], *, repeatable: bool = False) -> Future[T]:
        """Run the function in a transaction of its own, after all that was handed over before.

        ``repeatable`` says that running it twice is the same as once, so that it may be run again when the connection was lost.
        """

        def alone(connection: Connection, _works: Sequence[None]) -> list[T | BatchgenError]:
            return [function(connection)]

        return self._put(_Item(apply=alone, work=None, future=Future(), is_alone=True, is_repeatable=repeatable))

    def group(self, apply: Apply[C, R], work: C) -> Future[R]:
        """Carry out ``work`` by ``apply``, which takes the same work twice, together with its neighbours of the same ``apply``."""
        return self._put(_Item(apply=apply, work=work, future=Future(), is_alone=False, is_repeatable=True))

    def close(self) -> None:
        """Finish all that was handed over, then end; whatever comes later fails with StoreError. Safe to call twice."""
        with self._gate:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)
        self._thread.join()

    def _put(self, item: _Item) -> Future[Any]:
        item.future.set_running_or_notify_cancel()
        with self._gate:
            if self._is_closed:
                item.future.set_exception(StoreError("the job database is closed"))
            else:
                self._queue.put(item)
        return item.future

    def _run(self) -> None:
        while (first := self._held.pop() if self._held else self._queue.get()) is not None:
            group = self._gather(first)
            self._is_crowded = len(group) > 1
            self._carry_out(group)

    def _gather(self, first: _Item) -> list[_Item]:
        """Take the neighbours that may share a transaction with ``first``; linger only when a crowd is at work."""
        group, start = [first], monotonic()
        while not first.is_alone and len(group) < GROUP_LIMIT:
            is_crowd = self._is_crowded or len(group) > 1
            left_s = start + LINGER_S - monotonic()
            try:
                item = self._queue.get(timeout=max(0.0, min(QUIET_S, left_s)) if is_crowd else 0.0)
            except Empty:
                break
            if item is None or item.apply is not first.apply:
                self._held.append(item)
                break
            group.append(item)
        return group

    def _carry_out(self, group: Sequence[_Item]) -> None:
        try:
            results = self._commit(group)
        except Exception as error:  # noqa: BLE001 - the top of a lane: whatever went wrong reaches the caller through its future
            self._fail(group, error)
            return
        for item, result in zip(group, results, strict=True):
            if isinstance(result, BatchgenError):
                item.future.set_exception(result)
            else:
                item.future.set_result(result)

    def _commit(self, group: Sequence[_Item]) -> Sequence[Any]:
        """Apply the group in one transaction; if the database is busy or away, again as a whole, until patience ends."""
        works = [item.work for item in group]
        is_told = False
        while True:
            try:
                with translated(self._place), self.engine.begin() as connection:
                    results = group[0].apply(connection, works)
            except BusyError:
                if self._is_out_of_patience():
                    raise
            except StoreAwayError as error:
                if not group[0].is_repeatable or self._is_out_of_patience():
                    raise
                if not is_told:
                    self._say(f"{error}; no order goes out meanwhile, and it is tried again for {self._patience_s:.0f} s")
                    is_told = True
                sleep(_AWAY_GAP_S)
            else:
                self._unwell_since = None
                return results

    def _is_out_of_patience(self) -> bool:
        """Say whether the database has been waited for long enough: once for an outage, whatever else is handed over meanwhile."""
        now = monotonic()
        self._unwell_since = self._unwell_since or now
        return now >= self._unwell_since + self._patience_s

    def _fail(self, group: Sequence[_Item], error: Exception) -> None:
        """Let all fail when the database is unwell; otherwise apply each alone, to find the culprit."""
        is_unwell = isinstance(error, StoreError) and not isinstance(error, RefusedError)
        if len(group) == 1 or is_unwell:
            for item in group:
                item.future.set_exception(error)
            return
        for item in group:
            self._carry_out([item])
