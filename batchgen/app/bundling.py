"""Put all that a batch left into one bundle, for who audits it elsewhere.

The bundle holds a copy of the whole job database: a record from which something was cut is no record any more, and its money, orders and
events only add up together. Other batches are in it by their rows, and not by their pictures. Of a server's database, which many share, it
holds this batch alone, whole and compared row by row. Signed addresses are emptied in the copy.
Everything else is read from that copy, so that the bundle is of one moment however long a run goes on.
"""

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from batchgen import __version__
from batchgen.app import database
from batchgen.app.archiving import fill
from batchgen.app.calling import program
from batchgen.app.clock import SystemClock
from batchgen.app.gallery import Far, write_report
from batchgen.app.places import Stocks
from batchgen.app.progress import Progress
from batchgen.app.reading import JobFilter, batch_named, reading
from batchgen.app.wording import counted, file_name
from batchgen.core.errors import InputError
from batchgen.core.states import LIVE
from batchgen.files.bundles.packing import Packing, new_bundle
from batchgen.files.bundles.sums import NAME as SUMS
from batchgen.files.sidecars import SUFFIX
from batchgen.settings import Settings
from batchgen.store import archived, backup, queries
from batchgen.store.engine import Database

DATABASE: Final = "batchgen.db"
MANIFEST: Final = "manifest.yaml"
ABOUT: Final = "bundle.json"
REPORT: Final = "report"
SCHEMA: Final = "batchgen.bundle/1"
_IMAGES: Final = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """What became a bundle. ``others`` names the batches of which only rows are in it; ``amiss`` are saved images that are not as saved."""

    batch: str
    target: Path
    images: int
    files: int
    bytes: int
    others: Sequence[str]
    amiss: Sequence[str]
    seal: str

    def as_object(self) -> dict[str, Any]:
        """Give it as JSON."""
        counts = {"images": self.images, "files": self.files, "bytes": self.bytes}
        return {
            "batch": self.batch,
            "path": str(self.target),
            **counts,
            "others": [*self.others],
            "amiss": [*self.amiss],
            "seal": self.seal,
        }

    def lines(self) -> Iterator[str]:
        """Say it for people, what is wrong first."""
        yield from (f"NOT AS SAVED: {path}" for path in self.amiss)
        yield f"{self.batch}: {counted(self.images, 'image')}, {counted(self.files, 'file')} in all ({self.bytes} bytes) in {self.target}"
        if self.others:
            also = f"rows, not pictures, of {counted(len(self.others), 'other batch').replace('batchs', 'batches')}"
            yield f"  the database is the whole one: it has {also} ({', '.join(self.others)})"
        yield f"  the hash of {SUMS}, to be kept apart from it: {self.seal}"
        yield f"  check it anywhere: {program()} verify --bundle {shlex.quote(str(self.target))}"


def bundle(settings: Settings, name: str | None, target: Path | None, *, on_progress: Callable[[str], None]) -> Bundled:
    """Make the bundle of a batch, or of the only one; it has its name once it is whole.

    ``on_progress`` is called from another thread, every two seconds. Raises InputError for a batch that does not exist, or works on a
    server, and for a target that exists; StoreError and FileError when database or disk refuse.
    """
    batch = batch_named(settings, name)
    target = target or Path(f"{file_name(batch)}-bundle")
    progress = Progress()
    with progress.told(on_progress), new_bundle(target) as packing:
        copied = _copied(settings, batch, packing.staging / DATABASE, progress)
        with reading(copied) as engine:
            folders = _staged(engine, batch, packing.staging)
            pictures = {root: f"../{name}" for root, name in folders.items()}
            write_report(copied, JobFilter(batch=batch), packing.staging / REPORT, progress=progress, far=Far(moved=pictures))
            packing.add_staged()
            images, amiss = _add_images(engine, _Places(Stocks(settings), folders), batch, packing, progress)
            away = archived.listed(engine)
            others = [found.name for found in queries.batches(engine) if found.name != batch and found.id not in away]
        seal = packing.seal()
    return Bundled(
        batch=batch, target=target, images=images, files=packing.files, bytes=packing.bytes, others=others, amiss=amiss, seal=seal
    )  # fmt: skip


def _copied(settings: Settings, batch: str, copy: Path, progress: Progress) -> Settings:
    """Copy the database without its signed addresses, and give the settings that lead to the copy."""
    progress.at(f"copying {database.place(settings)}")
    if database.is_shared(settings):
        _copy_from_server(settings, batch, copy, progress)
    else:
        backup.backup(settings.db_url, copy)
    backup.forget_addresses(copy)
    return replace(settings, db_url=str(copy))


def _copy_from_server(settings: Settings, name: str, copy: Path, progress: Progress) -> None:
    """Copy one batch out of a database that others work on; only one that rests is the same at the end of the copy as at its beginning."""
    with reading(settings) as engine:
        batch = queries.batch_named(engine, name)
        states = queries.totals(engine, batch.id).states
        if live := [f"{states[state]} {state.value}" for state in sorted(LIVE) if states[state]]:
            raise InputError(f"{name} is being worked on ({', '.join(live)}); bundle it once it rests, or after batchgen stop {name}")
        fill(engine, batch.id, copy, progress)


def _staged(engine: Database, batch: str, staging: Path) -> dict[str, str]:
    """Write what is made for the bundle beside the database; give the folder in the bundle of each output folder."""
    found = queries.batch_named(engine, batch)
    roots = queries.saved_folders(engine, found.id)
    folders = {root: _IMAGES if number == 1 else f"{_IMAGES}-{number}" for number, root in enumerate(roots, start=1)}
    (staging / MANIFEST).write_bytes(queries.latest_plan(engine, found.id).manifest)
    at = SystemClock().now().isoformat(timespec="seconds")
    about = {"schema": SCHEMA, "batch": batch, "folders": folders, "made_at": at, "tool_version": __version__}
    (staging / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return folders


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the images are, and the folder in the bundle of each output place."""

    stocks: Stocks
    folders: dict[str, str]


def _add_images(engine: Database, places: _Places, batch: str, packing: Packing, progress: Progress) -> tuple[int, list[str]]:
    """Add every saved image as it stands, with its sidecar; count them, and name those that are not there or not as they were saved."""
    files, size = queries.saved_files(engine, batch)
    images, amiss = 0, []
    for row in queries.known_files(engine, batch):
        if row["state"] == "verified":
            progress.at(f"{images} of {counted(files, 'image')}, {packing.bytes} bytes, of which the images are {size}")
            stock, name = places.stocks[row["output_dir"]], f"{places.folders[row['output_dir']]}/{row['path']}"
            found = packing.add_file(name, stock.opened(row["path"]))
            packing.add_file(name + SUFFIX, stock.opened(row["path"] + SUFFIX))
            images += found is not None
            if found != (row["sha256"], row["bytes"]):
                amiss.append(f"{row['output_dir']}/{row['path']}")
    return images, amiss
