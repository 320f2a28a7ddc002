"""The two files that others watch a run by: a heartbeat and the metrics. A file that cannot be written is noted once, and stops nothing."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from batchgen.app.reports import Snapshot
from batchgen.app.telling import metrics
from batchgen.app.telling.message import money_of
from batchgen.app.telling.metrics import Life
from batchgen.core.errors import FileError, InputError
from batchgen.core.ports import Log
from batchgen.files.replacing import begins_with, replace_text
from batchgen.store.instants import to_text

SCHEMA: Final = "batchgen.heartbeat/1"
_FIRST: Final = f'{{"schema": "{SCHEMA}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class SignFiles:
    """Where the files stand; None for one that nobody asked for."""

    heartbeat: Path | None = None
    metrics: Path | None = None

    @property
    def are_wanted(self) -> bool:
        """Say whether there is a file to write."""
        return self.heartbeat is not None or self.metrics is not None

    def require_ours(self) -> None:
        """Raise InputError when an option names a file that must not be replaced: one with other content, a link, a device."""
        for option, path, first in (("--heartbeat-file", self.heartbeat, _FIRST), ("--metrics-file", self.metrics, metrics.FIRST)):
            if path is not None and not begins_with(path, first):
                raise InputError(f"{option} {path}: something else stands there, and the file would be replaced; nothing was changed")
        if self.heartbeat is not None and self.heartbeat == self.metrics:
            raise InputError("--heartbeat-file and --metrics-file name the same file")


@dataclass(slots=True, kw_only=True)
class Signs:
    """The files of one run, written anew at each call of ``show``."""

    files: SignFiles
    log: Log
    _refused: set[Path] = field(default_factory=set)

    def show(self, life: Life, seen: Snapshot | None, *, is_alive: bool) -> None:
        """Write both files; the heartbeat only when the run's own loop has given a sign of life since the last time, or has ended."""
        if is_alive and self.files.heartbeat is not None:
            self._write(self.files.heartbeat, heartbeat(life, seen))
        if self.files.metrics is not None:
            self._write(self.files.metrics, metrics.exposition(life, seen))

    def _write(self, path: Path, text: str) -> None:
        try:
            replace_text(path, text)
        except FileError as error:
            if path not in self._refused:
                self.log.warning("signs.not_written", path=str(path), why=str(error))
            self._refused.add(path)
        else:
            self._refused.discard(path)


def heartbeat(life: Life, seen: Snapshot | None) -> str:
    """Write the heartbeat: one JSON object on one line; ``counts`` are by state over the whole batch, what is not known is null."""
    fields = {
        "schema": SCHEMA,
        "at": to_text(life.beaten_at),
        "batch": life.batch,
        "state": _state(life, seen),
        "host": life.host,
        "pid": life.pid,
        "started_at": to_text(life.started_at),
        "ended_at": None if life.ended_at is None else to_text(life.ended_at),
        "reason": life.reason,
        "exit_code": life.exit_code,
        "counts": None if seen is None else {state.value: jobs for state, jobs in seen.states.items()},
        "saved": None if seen is None else seen.saved,
        "last_saved_at": None if seen is None or seen.last_saved_at is None else to_text(seen.last_saved_at),
        "oldest_task_s": None if seen is None else round(seen.oldest_task_s, 1),
        "money": None if seen is None else money_of(seen),
        "pause": None if seen is None else seen.pause,
        "stopping": None if seen is None else seen.stopping,
    }
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _state(life: Life, seen: Snapshot | None) -> str:
    if life.ended_at is not None:
        return "ended"
    if seen is None or not (seen.stopping or seen.pause):
        return "working"
    return "stopping" if seen.stopping else "paused"
