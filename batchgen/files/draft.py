"""One image on its way to disk: written, counted, hashed, checked and made durable under a temporary name."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

from batchgen.core.errors import BadImageError, FileError
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.files import sidecars
from batchgen.files.folders import Root, disk_errors, joined, measure, open_regular, remove, write_all
from batchgen.files.inspector import MAX_PIXELS, Inspector
from batchgen.files.sniff import Picture

_VIDEO: Final = "video"
"""The operation whose result is a video; every other one gives a picture."""


def temporary_name(job: Job, index: int, suffix: str = "") -> str:
    """Name the temporary file of image ``index`` of the job's current attempt."""
    return f".{job.key[:8]}-a{job.attempt_id or 0}-{index}{suffix}.part"


def names_of(stem: str, suffix: str, job: Job) -> Iterator[str]:
    """Give the names for an image in the order in which they are tried: the plan's, then ``~a{attempt}``, and so on without end."""
    yield stem + suffix
    beside = f"{stem}~a{job.attempt_id or 0}"
    yield beside + suffix
    yield from (f"{beside}.{number}{suffix}" for number in count(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for every image of a shelf; ``max_video_bytes`` takes the place of ``max_bytes`` where a video was ordered."""

    sidecar: bool
    max_bytes: int
    max_video_bytes: int
    inspector: Inspector


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one image goes: folders below the root, the name without extension, and the temporary name beside it."""

    folders: tuple[str, ...]
    stem: str
    temp: str

    @property
    def temp_path(self) -> str:
        """The temporary file's path from the root."""
        return joined(self.folders, self.temp)


class ImageDraft:
    """A temporary file in its final folder; implements ``core.ports.Draft``."""

    def __init__(self, root: Root, job: Job, place: Place, terms: Terms, descriptor: int) -> None:
        self._root: Final = root
        self._job: Final = job
        self._place: Final = place
        self._terms: Final = terms
        self._is_video: Final = job.operation == _VIDEO
        self._descriptor: int | None = descriptor
        self._hash: Final = hashlib.sha256()
        self._bytes = 0

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; raise BadImageError when there are too many, FileError when the disk refuses."""
        allowed = self._terms.max_video_bytes if self._is_video else self._terms.max_bytes
        if self._bytes + len(chunk) > allowed:
            raise BadImageError(f"the {self._job.operation} is larger than the {allowed} bytes allowed", reason="too_big")
        with disk_errors("write", self._root, self._place.temp_path, need=self._bytes + len(chunk)):
            write_all(self._open_descriptor(), chunk)
        self._hash.update(chunk)
        self._bytes += len(chunk)

    def finish(self, *, length: int | None) -> Image:
        """Check length, type, end and content, fsync, choose the final name, and describe the image.

        When it returns, the bytes are durable under the temporary name. When it raises BadImageError (``reason`` says why) or
        FileError, the temporary file is gone.
        """
        try:
            image = self._staged(length)
        except BaseException:
            self.discard()
            raise
        self._close()
        return image

    def discard(self) -> None:
        """Remove the temporary file; safe to call twice and after ``finish``. A name that the disk does not give up stays."""
        self._close()
        with suppress(OSError, FileError), self._root.opened(self._place.folders) as folder:
            remove(folder, self._place.temp)

    def _staged(self, length: int | None) -> Image:
        self._check_length(length)
        descriptor = self._open_descriptor()
        with disk_errors("read back", self._root, self._place.temp_path):
            picture = self._picture(descriptor)
        with disk_errors("fsync", self._root, self._place.temp_path, need=self._bytes):
            os.fsync(descriptor)
        sha256 = self._hash.hexdigest()
        return Image(
            path=joined(self._place.folders, self._free_name(picture.suffix, sha256)),
            temp=self._place.temp_path,
            sha256=sha256,
            bytes=self._bytes,
            width=picture.width,
            height=picture.height,
            media_type=picture.media_type,
        )

    def _check_length(self, length: int | None) -> None:
        if self._bytes == 0:
            raise BadImageError("the answer was empty", reason="empty")
        if length is not None and length != self._bytes:
            raise BadImageError(f"received {self._bytes} of {length} announced bytes", reason="truncated")

    def _picture(self, descriptor: int) -> Picture:
        """Have the file judged through a second descriptor, which can only be read from."""
        with self._root.opened(self._place.folders) as folder:
            file = open_regular(folder, self._place.temp)
        if file is None:
            raise self._replaced()
        with file:
            if not os.path.sameopenfile(file.fileno(), descriptor):
                raise self._replaced()
            return self._terms.inspector.inspect(file.fileno(), size_bytes=self._bytes, max_pixels=MAX_PIXELS, is_video=self._is_video)

    def _replaced(self) -> FileError:
        return FileError(f"{self._root.path / self._place.temp_path} was replaced by another file while it was in use")

    def _free_name(self, suffix: str, sha256: str) -> str:
        """Choose the first name that nothing else stands at: the plan's, then ``~a{attempt}``, and so on."""
        with disk_errors("look for", self._root, self._place.temp_path), self._root.opened(self._place.folders) as folder:
            names = names_of(self._place.stem, suffix, self._job)
            return next(name for name in names if self._is_free(folder, name, sha256))

    def _is_free(self, folder: int, name: str, sha256: str) -> bool:
        found = measure(folder, name)
        if found is not None and found.sha256 != sha256:
            return False
        return not self._terms.sidecar or sidecars.may_write(folder, name + sidecars.SUFFIX, self._job)

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise FileError(f"{self._root.path / self._place.temp_path} is already closed")
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
