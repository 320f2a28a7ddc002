"""Check that the database tells the truth: every invariant, and every file by its hash."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from batchgen.app.reading import reading
from batchgen.app.wording import counted
from batchgen.core.states import State
from batchgen.files.verify import rehash
from batchgen.settings import Settings
from batchgen.store import invariants, queries
from batchgen.store.engine import Database

_SAY_EVERY_S: Final = 2.0
_FURTHER: Final = 3
"""Beside the queries: the file's soundness, the fold of every job's events, and the hash of every file."""


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was checked and what was found wrong. Ambiguous jobs are counted, and are no violation."""

    invariants: int = 0
    files: int = 0
    bytes: int = 0
    saved: int = 0
    ambiguous: int = 0
    violations: list[dict[str, str]] = field(default_factory=list)

    def as_object(self) -> dict[str, Any]:
        """Give the audit as JSON."""
        return {name: getattr(self, name) for name in ("invariants", "files", "bytes", "saved", "ambiguous", "violations")}

    def lines(self) -> Iterator[str]:
        """Give the audit for people, the verdict last."""
        for violation in self.violations:
            yield f"VIOLATED {violation['name']} ({violation['title']}): {violation['detail']}"
        doubt = f"; {self.ambiguous} ambiguous, waiting for a decision" if self.ambiguous else ""
        verdict = counted(len(self.violations), "violation") if self.violations else "no violation"
        files = f"{counted(self.files, 'file')} re-hashed ({self.bytes} bytes)"
        yield f"verify: {self.invariants} invariants, {counted(self.saved, 'saved job')}, {files}: {verdict}{doubt}"


def verify(settings: Settings, batch: str | None, *, on_progress: Callable[[str], None]) -> Audit:
    """Check every invariant of the database and every file of one batch, or of all; reads only."""
    audit = Audit(invariants=len(invariants.INVARIANTS) + _FURTHER)
    with reading(settings) as engine:
        wanted = queries.batches(engine) if batch is None else [queries.batch_named(engine, batch)]
        for violation in invariants.check(engine):
            audit.violations.append({"name": violation.name, "title": violation.title, "detail": violation.detail})
        said_at = monotonic()
        for found in wanted:
            totals = queries.totals(engine, found.id).states
            audit.saved += totals[State.SAVED]
            audit.ambiguous += totals[State.AMBIGUOUS]
            for row in queries.known_files(engine, found.name):
                _check_file(audit, Path(row["output_dir"]), row)
                if monotonic() - said_at > _SAY_EVERY_S:
                    said_at = monotonic()
                    on_progress(f"{counted(audit.files, 'file')} re-hashed")
    return audit


def missing_files(engine: Database, batch: str) -> int:
    """Count the saved files of a batch that are not there any more, or not of their size; nothing is read from them."""
    return sum(
        row["state"] == "verified" and not _stands(Path(row["output_dir"]) / row["path"], row["bytes"])
        for row in queries.known_files(engine, batch)
    )


def _stands(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _check_file(audit: Audit, root: Path, row: dict[str, Any]) -> None:
    if row["state"] != "verified":
        return
    audit.files += 1
    audit.bytes += row["bytes"]
    found = rehash(root, row["path"])
    if found != (row["sha256"], row["bytes"]):
        detail = f"{row['key'][:8]}: {root / row['path']} is {'missing' if found is None else 'not the file that was saved'}"
        audit.violations.append({"name": "I20", "title": "every saved file has its size and hash", "detail": detail})
