"""Hold a job database and its pictures against the vendor's own bill."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
PlaceOf = Callable[[str], Path]

CHARGEABLE = frozenset({"accepted", "ambiguous", "unproven"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is wrong, one sentence each; all empty is the promise.

    ``duplicates``: one order billed more than once. ``lost``: billed, and neither saved nor held for a decision. ``violations``: the
    database says what the bill or the disk does not.
    """

    duplicates: Sequence[str]
    lost: Sequence[str]
    violations: Sequence[str]

    def sentences(self) -> list[str]:
        """List everything that is wrong."""
        return [*self.duplicates, *self.lost, *self.violations]


def select(database: Path, query: str) -> list[Row]:
    """Read rows from a job database, without changing it; one whose tables were never made has none."""
    if not database.exists():
        return []
    with closing(_opened(database)) as connection:
        connection.row_factory = sqlite3.Row
        is_made = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'v_jobs'").fetchone()[0]
        return [dict(row) for row in connection.execute(query)] if is_made else []


def _opened(database: Path) -> sqlite3.Connection:
    """Open a database that a kill may have left with a journal to roll back; no query can change it."""
    connection = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)
    connection.execute("PRAGMA query_only = ON")
    return connection


def audit(database: Path, charges: Sequence[Row], *, place_of: PlaceOf = Path) -> Findings:
    """Compare the attempts of a finished database with the charges for its prompts, and its files with the disk.

    ``place_of`` gives a folder with what an output place holds.
    """
    jobs, attempts = select(database, "SELECT * FROM v_jobs"), select(database, "SELECT * FROM v_attempts")
    return compare(jobs, attempts, charges, place_of=place_of)


def compare(
    jobs: Sequence[Row], attempts: Sequence[Row], charges: Sequence[Row], *, place_of: PlaceOf = Path, parts_may_stay: bool = False
) -> Findings:
    """Compare the rows of a finished database with the charges for its prompts, and its files with the disk.

    ``parts_may_stay`` where a worker that froze may begin a temporary file whose picture another has saved meanwhile, and die.
    """
    places = {job["output_dir"]: place_of(job["output_dir"]) for job in jobs}
    billed = Counter(charge["body_sha256"] for charge in charges)
    return Findings(
        duplicates=[f"body {body[:12]} was billed {times} times" for body, times in billed.items() if times > 1],
        lost=list(_lost(jobs, attempts, charges)),
        violations=[*_untrue(attempts, charges), *_misfiled(jobs, places, parts_may_stay=parts_may_stay)],
    )


def content(database: Path) -> list[str]:
    """Give every row of the database but those of ``run``: what a run that does nothing leaves as it was."""
    with closing(_opened(database)) as connection:
        return [line for line in connection.iterdump() if not line.startswith(('INSERT INTO "run"', 'INSERT INTO "sqlite_sequence"'))]


def _lost(jobs: Sequence[Row], attempts: Sequence[Row], charges: Sequence[Row]) -> Iterator[str]:
    """Name each charge that leads neither to a saved picture nor to a job held for a decision."""
    saved = {job["task_id"] for job in jobs if job["state"] == "saved"}
    answered = {attempt["body_sha256"] for attempt in attempts if attempt["task_id"] in saved and _is_answered(attempt)}
    held = {job["key"] for job in jobs if job["state"] == "ambiguous"}
    in_doubt = {attempt["body_sha256"] for attempt in attempts if attempt["outcome"] == "ambiguous" and attempt["key"] in held}
    for charge in charges:
        if charge["task_id"] not in saved and charge["body_sha256"] not in in_doubt | answered:
            yield f"{charge['task_id']} is paid for, and neither saved nor held"


def _untrue(attempts: Sequence[Row], charges: Sequence[Row]) -> Iterator[str]:
    """Name each charge that no chargeable attempt explains, and each accepted attempt that was not charged."""
    ours = Counter(attempt["body_sha256"] for attempt in attempts if attempt["outcome"] in CHARGEABLE)
    for body in Counter(charge["body_sha256"] for charge in charges) - ours:
        yield f"body {body[:12]} is on the bill and not among our chargeable orders"
    body_of = {charge["task_id"]: charge["body_sha256"] for charge in charges}
    for attempt in attempts:
        billed = attempt["body_sha256"] in body_of.values() and _is_answered(attempt)
        if attempt["outcome"] == "accepted" and not billed and body_of.get(attempt["task_id"]) != attempt["body_sha256"]:
            yield f"{attempt['task_id']} is accepted in our books and not on the bill under that body"
        if attempt["outcome"] == "open":
            yield f"order {attempt['n']} of {attempt['key'][:8]} is still open"


def _is_answered(attempt: Row) -> bool:
    """Say whether the answer was the result, so that the vendor named no task; such an order is found on the bill by its body."""
    return str(attempt["task_id"]).startswith("sync-")


def _misfiled(jobs: Sequence[Row], places: Mapping[str, Path], *, parts_may_stay: bool) -> Iterator[str]:
    """Name each saved job whose file is not the one recorded, and each file that no saved job owns."""
    known: set[Path] = set()
    held = {f".{job['key'][:8]}-" for job in jobs if job["state"] == "ambiguous"}
    for job in jobs:
        if job["state"] in {"submitting", "submitted", "rendered"}:
            yield f"{job['key'][:8]} was left {job['state']}"
        if job["state"] == "saved":
            path = places[job["output_dir"]] / job["path"]
            known |= {path, path.with_name(path.name + ".json")}
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != job["sha256"]:
                yield f"{path.name} is not the file that was saved"
    for folder in places.values():
        strays = (
            path
            for path in folder.rglob("*")
            if path.is_file() and path not in known and path.name[:10] not in held and path.suffix != ".journal"
        )
        yield from (f"{path.name} belongs to no saved job" for path in strays if not (parts_may_stay and path.suffix == ".part"))
