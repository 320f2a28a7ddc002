"""Bring pictures that are kept in an object storage beside a report, whose page has no other way to them."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from batchgen.app.places import Stocks
from batchgen.app.progress import Progress
from batchgen.app.reading import Row
from batchgen.app.wording import counted
from batchgen.core.places import is_address
from batchgen.core.states import State
from batchgen.files.folders import make_folder
from batchgen.files.placing import new_file

FOLDER: Final = "originals"
_NAME_CHARS: Final = 32
_CHUNK: Final = 1 << 20


def is_far(job: Row) -> bool:
    """Say whether a job's picture is saved, and not in a folder of this machine."""
    return job["state"] == State.SAVED.value and is_address(job["output_dir"])


def bring(jobs: Iterable[Row], stocks: Stocks, target: Path, progress: Progress) -> Mapping[str, str]:
    """Copy each far picture into a folder of ``target`` under its hash, and give its place from there by the job's key.

    What is there is not fetched again. A picture that is missing or is not what was saved is left out.
    """
    make_folder(target / FOLDER)
    places: dict[str, str] = {}
    for job in filter(is_far, jobs):
        place = f"{FOLDER}/{job['sha256'][:_NAME_CHARS]}{PurePosixPath(job['path']).suffix}"
        if (target / place).is_file() or _fetched(job, stocks, target / place):
            places[job["key"]] = place
        progress.at(f"{counted(len(places), 'picture')} brought here")
    return places


def _fetched(job: Row, stocks: Stocks, target: Path) -> bool:
    """Copy one picture; False, and nothing is there, when its bytes are not those that were saved."""
    source = stocks[job["output_dir"]].opened(job["path"])
    if source is None:
        return False
    with source:
        if hashlib.file_digest(source, "sha256").hexdigest() != job["sha256"]:
            return False
        source.seek(0)
        with new_file(target, replaces=True) as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
    return True
