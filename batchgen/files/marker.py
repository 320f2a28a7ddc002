"""The mark in an output folder: how far the database had come that last worked there, so that an older copy of it is noticed.

A restored backup knows nothing of what was ordered after it was made, and would order it all again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from batchgen.files.folders import Root, disk_errors, open_new, sync, write_all

NAME: Final = ".batchgen-mark.json"
_TEMP: Final = ".batchgen-mark.part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which database worked in the folder, its latest run, and its latest event then."""

    database: str
    run: int
    event: int

    def is_ahead_of(self, other: "Mark") -> bool:
        """Say whether the folder has seen this database in a later state."""
        return self.database == other.database and (self.run, self.event) > (other.run, other.event)


def read(folder: Path) -> Mark | None:
    """Give the folder's mark; None when there is none, or none that can be read."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, Mapping) or not isinstance(found.get("database"), str):
        return None
    run, event = found.get("run"), found.get("event")
    return Mark(database=found["database"], run=run, event=event) if isinstance(run, int) and isinstance(event, int) else None


def write(folder: Path, mark: Mark) -> None:
    """Put the mark in the place of the former one, durably; raise FileError when the disk refuses."""
    root = Root(folder)
    with disk_errors("write", root, NAME), root.opened(create=True) as place:
        descriptor = open_new(place, _TEMP)
        try:
            write_all(descriptor, json.dumps(asdict(mark)).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(_TEMP, NAME, src_dir_fd=place, dst_dir_fd=place)
        sync(place)
