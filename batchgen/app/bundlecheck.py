"""Check a bundle without the database and the folders that it was made from: all of it may have been changed on its way."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from batchgen.app import database
from batchgen.app.bundling import ABOUT, DATABASE, MANIFEST, SCHEMA
from batchgen.app.progress import Progress
from batchgen.app.reading import reading
from batchgen.app.verifying import FILES, Audit
from batchgen.core.errors import StoreError
from batchgen.core.states import State
from batchgen.files.bundles import sums
from batchgen.files.bundles.unpacking import Bundle, opened, scratch, take_out
from batchgen.files.folders import Content
from batchgen.settings import Settings
from batchgen.store import invariants, queries
from batchgen.store.engine import Database
from batchgen.store.invariants import Finding

_MOST_SUMS: Final = 1 << 30
_MOST_ABOUT: Final = 1 << 20


@dataclass(slots=True, kw_only=True)
class _Findings:
    """What can be wrong with a bundle itself."""

    plain: Finding = field(default_factory=lambda: Finding(name="B1", title="the bundle holds plain files under plain names"))
    listed: Finding = field(default_factory=lambda: Finding(name="B2", title=f"its files are those that {sums.NAME} lists"))
    hashed: Finding = field(default_factory=lambda: Finding(name="B3", title=f"every file has the hash that {sums.NAME} lists"))
    told: Finding = field(default_factory=lambda: Finding(name="B4", title="its database can be read and knows its batch"))
    planned: Finding = field(default_factory=lambda: Finding(name="B5", title="its manifest is that of the latest plan"))

    def all(self) -> list[Finding]:
        """Give them in their order."""
        return [self.plain, self.listed, self.hashed, self.told, self.planned]


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What a bundle says of itself: its batch, and the folder in it of each output folder."""

    batch: str
    folders: Mapping[str, str]


def verify_bundle(settings: Settings, path: Path, *, on_progress: Callable[[str], None]) -> Audit:
    """Check that a bundle is whole and unchanged, every invariant of its database, and its pictures against that; reads only.

    ``on_progress`` is called from another thread, every two seconds. Raises InputError where there is no bundle, FileError when the disk
    refuses.
    """
    audit, found, progress = Audit(), _Findings(), Progress()
    with progress.told(on_progress), opened(path) as bundle, scratch() as folder:
        contents = _check_contents(bundle, found, progress)
        copy = folder / DATABASE
        try:
            audit.findings = _check_database(replace(settings, db_url=str(copy)), bundle, audit, found, contents, progress)
        except StoreError as error:
            found.told.violated(str(error).replace(str(copy), DATABASE))
    audit.findings = [*found.all(), *audit.findings]
    return audit


def _check_contents(bundle: Bundle, found: _Findings, progress: Progress) -> dict[str, Content]:
    """Hash everything and hold it against the list; give what each plain file holds."""
    expected, troubles = _sums(bundle)
    for trouble in troubles:
        found.listed.violated(trouble)
    contents: dict[str, Content] = {}
    for name, content, trouble in bundle.entries():
        progress.at(f"{found.plain.cases} files hashed")
        found.plain.cases += 1
        if content is None:
            found.plain.violated(f"{_shown(name)} {trouble}")
        elif name != sums.NAME:
            contents[name] = content
    found.listed.cases = len(expected.keys() | contents.keys())
    found.hashed.cases = len(expected.keys() & contents.keys())
    for name in sorted(expected.keys() - contents.keys()):
        found.listed.violated(f"{_shown(name)} is missing")
    for name in sorted(contents.keys() - expected.keys()):
        found.listed.violated(f"{_shown(name)} is not listed")
    for name in sorted(expected.keys() & contents.keys()):
        if contents[name].sha256 != expected[name]:
            found.hashed.violated(f"{_shown(name)} was changed")
    return contents


def _sums(bundle: Bundle) -> tuple[Mapping[str, str], Iterator[str]]:
    content = _content(bundle, sums.NAME, _MOST_SUMS)
    if content is None:
        return {}, iter((f"there is no {sums.NAME} that can be read",))
    expected, troubles = sums.read(content)
    return expected, iter(troubles)


def _check_database(
    settings: Settings, bundle: Bundle, audit: Audit, found: _Findings, contents: Mapping[str, Content], progress: Progress
) -> list[Finding]:
    """Look at the bundle's database in a copy of it, brought up to date if it is older; give what was found of each invariant."""
    found.told.cases = found.planned.cases = 1
    about = _about(bundle)
    if about is None:
        found.told.violated(f"{ABOUT} does not say what the bundle is")
    if not take_out(bundle, DATABASE, Path(settings.db_url)):
        found.told.violated(f"there is no {DATABASE} that can be read")
        return []
    database.modernize(settings)
    with reading(settings) as engine:
        findings = invariants.examine(engine, lambda looked, done: progress.at(f"{looked.name} {looked.title}: {done} jobs"))
        batches = {batch.name: batch for batch in queries.batches(engine)}
        if about is None or about.batch not in batches:
            found.told.violated("it does not know the bundle's batch")
            return findings
        totals = queries.totals(engine, batches[about.batch].id).states
        audit.saved, audit.ambiguous = totals[State.SAVED], totals[State.AMBIGUOUS]
        manifest = contents.get(MANIFEST)
        if manifest is None or manifest.sha256 != queries.latest_plan(engine, batches[about.batch].id).manifest_sha256:
            found.planned.violated(f"{MANIFEST} is another")
        findings.append(_check_images(engine, about, audit, contents))
    return sorted(findings, key=lambda finding: int(finding.name[1:]))


def _check_images(engine: Database, about: _About, audit: Audit, contents: Mapping[str, Content]) -> Finding:
    """Hold every saved picture of the batch against what the bundle has in its place."""
    name, title = FILES
    finding = Finding(name=name, title=title)
    for row in queries.known_files(engine, about.batch):
        if row["state"] == "verified":
            place = f"{about.folders.get(row['output_dir'], '?')}/{row['path']}"
            finding.cases += 1
            audit.files += 1
            audit.bytes += row["bytes"]
            if contents.get(place) != (row["sha256"], row["bytes"]):
                what = "not the file that was saved" if place in contents else "missing"
                finding.violated(f"{row['key'][:8]}: {_shown(place)} is {what}")
    return finding


def _about(bundle: Bundle) -> _About | None:
    content = _content(bundle, ABOUT, _MOST_ABOUT)
    try:
        said: Any = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    match said:
        case {"schema": str(schema), "batch": str(batch), "folders": dict(folders)} if schema == SCHEMA:
            return _About(batch=batch, folders={str(root): str(folder) for root, folder in folders.items()})
    return None


def _content(bundle: Bundle, name: str, most: int) -> bytes | None:
    """Read a small file whole; None if it is not there, or larger than it can be."""
    file = bundle.open(name)
    if file is None:
        return None
    with file:
        content = file.read(most + 1)
    return content if len(content) <= most else None


def _shown(name: str) -> str:
    """Make a name printable that may have bytes which are no UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="replace")
