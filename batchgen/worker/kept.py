"""Answers that are results, on disk in the vendor's place: ask them, and take images out of them.

Blocking file work, to be carried off the loop. What is recorded of an image that lies inside an answer is a URL of our own, which no
vendor can name: ``part:<first>-<after last>`` for bytes of the answer's file, or a ``data:`` URL for a text too short to be cut out.
"""

from base64 import b64decode
from typing import Final

from batchgen.core import readings as r
from batchgen.core.dialects import Dialect
from batchgen.core.errors import BadImageError, DownloadError, FileError
from batchgen.core.jobs import Job
from batchgen.core.ports import Draft, Shelf

_PART: Final = "part:"


def ask(shelf: Shelf, dialect: Dialect, job: Job) -> r.PollReading:
    """Say what the answer that was kept for a job's order holds."""
    kept = shelf.kept_answer(job)
    if kept is None:
        return r.Ended(reason="lost", message="the answer that held the result is not on disk any more")
    reading = dialect.read_submit(job, kept)
    if not isinstance(reading, r.Delivered):
        return r.Ended(reason="remote", message="the answer that was kept holds no result")
    parts = (kept.parts[part] for part in reading.parts)
    return r.Done(urls=(*reading.urls, *(f"{_PART}{first}-{end}" for first, end in parts)), cost=reading.cost)


def unpack(shelf: Shelf, job: Job, url: str, draft: Draft) -> None:
    """Write an image that came with an answer into the draft.

    Raises BadImageError for what is no base64, DownloadError when the answer is gone or has changed, FileError for the disk.
    """
    if url.startswith(_PART):
        first, _, end = url.removeprefix(_PART).partition("-")
        _unpack_part(shelf, job, (int(first), int(end)), draft)
        return
    try:
        draft.write(b64decode(url.partition(",")[2], validate=True))
    except ValueError as error:
        raise BadImageError("the answer's image is not base64", reason="not_base64") from error


def _unpack_part(shelf: Shelf, job: Job, part: tuple[int, int], draft: Draft) -> None:
    try:
        shelf.unpack(job, part, draft)
    except BadImageError:
        raise
    except FileError as error:
        kept = shelf.kept_answer(job)
        if kept is None or part not in kept.parts:
            raise DownloadError("the answer that held the image is gone or has changed", expired=True) from error
        raise
