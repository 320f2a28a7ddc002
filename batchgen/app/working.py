"""Join the pool of a shared job database: work on whatever batch has something to do, until told to stop or nothing is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from batchgen.app import database, runs, signals
from batchgen.app.clock import SystemClock
from batchgen.app.reading import reading
from batchgen.app.reports import Report
from batchgen.app.runs import Wishes
from batchgen.app.shift import Watch
from batchgen.core.errors import InputError, StoreAwayError
from batchgen.core.exits import Exit
from batchgen.core.states import LIVE
from batchgen.logs import lines as diary
from batchgen.settings import Settings
from batchgen.store import pool, queries
from batchgen.store.writer import PATIENCE_S

_LOOK_EVERY_S: Final = 2.0
_REST_S: Final = 60.0
"""How long a batch is left alone whose run ended with something still to do: a limit, or tasks that take too long."""
_GOES_ON: Final = frozenset({Exit.DONE, Exit.UNDECIDED, Exit.LIMIT})
"""How a run may end after which the process looks for other work."""


@dataclass(slots=True, kw_only=True)
class Worker:
    """One process of the pool. ``batch`` is the only one it works on, ``drains`` lets it end when nothing is left."""

    settings: Settings
    wishes: Wishes
    batch: str | None = None
    drains: bool = False
    watch: Watch | None = None
    say_end: Callable[[Report], None] = lambda _report: None
    _rests_until: dict[str, float] = field(default_factory=dict)
    _away_since: float | None = None

    def work(self) -> int:
        """Work until a signal, a stop from another shell or the end of all work; give the exit code.

        Raises InputError for a database that machines cannot share, and what a run raises before it has begun.
        """
        self._require_server()
        worst = int(Exit.DONE)
        while True:
            with signals.deferred():
                name = self._next_batch()
                is_idle = name is None and not self.drains
                if (number := signals.awaited(_LOOK_EVERY_S if is_idle else 0.0)) is not None:
                    return 128 + number
            if name is None:
                if self.drains:
                    return worst
                continue
            report = runs.work(name, self.settings, wishes=self.wishes, watch=self.watch)
            self.say_end(report)
            if report.exit_code not in _GOES_ON or report.reason == "stopped":
                return report.exit_code
            worst = max(worst, report.exit_code)
            self._rest(name, report)

    def _require_server(self) -> None:
        if not database.is_shared(self.settings):
            raise InputError(
                f"{database.place(self.settings)} is a file, which one process works on at a time: batchgen resume does so; "
                "many machines share a PostgreSQL server: --db postgresql://USER@HOST/NAME"
            )
        database.modernize(self.settings)
        database.require(self.settings)
        if self.batch is not None:
            with reading(self.settings) as engine:
                queries.batch_named(engine, self.batch)

    def _next_batch(self) -> str | None:
        """Name the oldest batch that has something to do; None when none has. A database that is away is waited for."""
        at, now = SystemClock().now(), time.monotonic()
        try:
            with reading(self.settings) as engine:
                names = queries.look(engine, lambda c: pool.unfinished(c) if self.drains else pool.wanting(c, at=at))
        except StoreAwayError as error:
            self._away_since = self._away_since or now
            if self.drains or now - self._away_since > PATIENCE_S:
                raise
            diary.get("database").warning("database.away", detail=str(error))
            return None
        self._away_since = None
        return next((name for name in names if self.batch in {None, name} and self._rests_until.get(name, 0.0) <= now), None)

    def _rest(self, name: str, report: Report) -> None:
        """Leave a batch alone for a while after a run that could not finish it; for good where the pool is only to be drained."""
        is_over = report.reason == "finished" and not any(report.totals.get(state) for state in LIVE)
        wait_s = float("inf") if self.drains else _LOOK_EVERY_S if is_over else _REST_S
        self._rests_until[name] = time.monotonic() + wait_s
