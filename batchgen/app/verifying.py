"""Check that the database tells the truth: every invariant, and every file by its hash."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final

from batchgen.app.places import Stocks
from batchgen.app.progress import Progress
from batchgen.app.reading import Row, reading
from batchgen.app.wording import counted
from batchgen.core.errors import FileError
from batchgen.core.places import is_address
from batchgen.core.states import State
from batchgen.files.folders import Content
from batchgen.logs import lines as diary
from batchgen.settings import Settings
from batchgen.store import invariants, queries
from batchgen.store.engine import Database
from batchgen.store.invariants import SHOWN, Finding

FILES: Final = ("I20", "every saved file has its size and hash")
"""The one truth that is not of the database alone."""
_FETCHED_AT_ONCE: Final = 8


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was checked and what was found wrong. Ambiguous jobs are counted, and are no violation.

    ``unknown`` counts the files of the output folders that no order made, None where nobody looked for them; ``strangers`` names the
    first of them. They are no violation either: a person may keep notes there, and no image of ours can be among them, because it is
    recorded before it gets its name.
    """

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    saved: int = 0
    ambiguous: int = 0
    unknown: int | None = None
    strangers: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[dict[str, str]]:
        """Give the violations with their words; of each invariant only the first ``SHOWN``."""
        return [{"name": found.name, "title": found.title, "detail": detail} for found in self.findings for detail in found.details]

    @property
    def violated(self) -> int:
        """Count all violations."""
        return sum(found.violations for found in self.findings)

    def as_object(self) -> dict[str, Any]:
        """Give the audit as JSON."""
        checks = [
            {"name": f.name, "title": f.title, "cases": f.cases, "violations": f.violations, "seconds": round(f.seconds, 3)}
            for f in self.findings
        ]
        counts = {name: getattr(self, name) for name in ("files", "bytes", "saved", "ambiguous")}
        strangers = None if self.unknown is None else {"files": self.unknown, "first": self.strangers}
        return {"invariants": len(checks), **counts, "violations": self.violations, "checks": checks, "unknown": strangers}

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Give each invariant for people: name, cases looked at, violations, seconds, title."""
        for found in self.findings:
            yield found.name, f"{found.cases:>8}", f"{found.violations:>8}", f"{found.seconds:>7.1f}", found.title

    def lines(self) -> Iterator[str]:
        """Give the audit for people, the verdict last."""
        for found in self.findings:
            for detail in found.details:
                yield f"VIOLATED {found.name} ({found.title}): {detail}"
            if found.violations > len(found.details):
                yield f"VIOLATED {found.name} ({found.title}): and {found.violations - len(found.details)} more"
        if self.unknown:
            yield f"{counted(self.unknown, 'file')} that no order made, which is no violation:"
            yield from (f"  {path}" for path in self.strangers)
            if self.unknown > len(self.strangers):
                yield f"  and {self.unknown - len(self.strangers)} more"
        doubt = f"; {self.ambiguous} ambiguous, waiting for a decision" if self.ambiguous else ""
        verdict = counted(self.violated, "violation") if self.violated else "no violation"
        files = f"{counted(self.files, 'file')} re-hashed ({self.bytes} bytes)"
        yield f"verify: {len(self.findings)} invariants, {counted(self.saved, 'saved job')}, {files}: {verdict}{doubt}"


def verify(settings: Settings, batch: str | None, *, full: bool = False, on_progress: Callable[[str], None]) -> Audit:
    """Check every invariant of the database and every file of one batch, or of all; reads only.

    With ``full`` the output folders are searched for files that no order made. ``on_progress`` is called from another thread, every
    two seconds. Raises StoreError when the database cannot be read, FileError when the disk refuses.
    """
    audit, progress = Audit(), Progress()
    with reading(settings) as engine, progress.told(on_progress):
        known = queries.batches(engine)
        wanted = known if batch is None else [queries.batch_named(engine, batch)]
        jobs = sum(queries.totals(engine, found.id).jobs for found in known)
        audit.findings = invariants.examine(engine, lambda found, done: progress.at(f"{found.name} {found.title}: {done} of {jobs} jobs"))
        for found in wanted:
            totals = queries.totals(engine, found.id).states
            audit.saved += totals[State.SAVED]
            audit.ambiguous += totals[State.AMBIGUOUS]
        audit.findings.append(_check_files(audit, engine, Stocks(settings), [found.name for found in wanted], progress))
        if full:
            search = _Search(engine, Stocks(settings), {found.output_dir for found in known})
            audit.unknown = 0
            for path in search.strangers(sorted({found.output_dir for found in wanted}), progress):
                audit.unknown += 1
                if len(audit.strangers) < SHOWN:
                    audit.strangers.append(path)
    audit.findings.sort(key=lambda finding: int(finding.name[1:]))
    return audit


def missing_files(engine: Database, batch: str, settings: Settings) -> int:
    """Count the saved files of a batch that are not there any more, or not of their size; nothing is read from them.

    A storage that cannot be asked leaves its files uncounted, and the run's diary says so.
    """
    stocks, missing = Stocks(settings), 0
    for row in queries.known_files(engine, batch):
        if row["state"] == "verified":
            try:
                missing += not stocks[row["output_dir"]].stands(row["path"], row["bytes"])
            except FileError as error:
                diary.get("run").warning("run.files_not_looked_at", why=str(error))
                break
    return missing


def _check_files(audit: Audit, engine: Database, stocks: Stocks, batches: Sequence[str], progress: Progress) -> Finding:
    name, title = FILES
    finding, began = Finding(name=name, title=title), monotonic()
    progress.at(f"{name} {title}")
    saved = [queries.saved_files(engine, batch) for batch in batches]
    files, size = sum(count for count, _ in saved), sum(size for _, size in saved)
    for batch in batches:
        rows = (row for row in queries.known_files(engine, batch) if row["state"] == "verified")
        for row, content in _measured(stocks, rows):
            progress.at(f"{name} {title}: {audit.files} of {files} files, {audit.bytes} of {size} bytes")
            _check_file(finding, row, content)
            audit.files += 1
            audit.bytes += row["bytes"]
    finding.cases, finding.seconds = audit.files, monotonic() - began
    return finding


def _measured(stocks: Stocks, rows: Iterator[Row]) -> Iterator[tuple[Row, Content | None]]:
    """Hash the file of each row, in their order; some are read at once where they come from elsewhere, since each has to be waited for."""
    with ThreadPoolExecutor(_FETCHED_AT_ONCE, "verify") as threads:
        waiting: deque[tuple[Row, Callable[[], Content | None]]] = deque()
        for row in rows:
            measure = partial(stocks[row["output_dir"]].measure, row["path"])
            waiting.append((row, threads.submit(measure).result if is_address(row["output_dir"]) else measure))
            if len(waiting) >= _FETCHED_AT_ONCE:
                first, content = waiting.popleft()
                yield first, content()
        for row, content in waiting:
            yield row, content()


def _check_file(finding: Finding, row: Row, found: Content | None) -> None:
    if found != (row["sha256"], row["bytes"]):
        what = "missing" if found is None else "not the file that was saved"
        finding.violated(f"{row['key'][:8]}: {row['output_dir']}/{row['path']} is {what}")


@dataclass(frozen=True, slots=True)
class _Search:
    """A search for files that no order made, through some of the places of all batches."""

    engine: Database
    stocks: Stocks
    places: set[str]

    def strangers(self, wanted: Sequence[str], progress: Progress) -> Iterator[str]:
        """Give the files of the wanted places that the database does not know; what lies in another batch's place is that batch's."""
        for root in wanted:
            progress.at(f"looking for files that no order made in {root}")
            inner = tuple(f"{other}/" for other in self.places if other.startswith(f"{root}/"))
            for path in self.stocks[root].unknown(partial(queries.known_paths, self.engine, root)):
                if not (whole := f"{root}/{path}").startswith(inner):
                    yield whole
