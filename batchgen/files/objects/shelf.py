"""The shelf of a batch whose images are kept in an object storage: each is there whole, checked and confirmed, or not at all.

Theory of operation. The steps are those of a folder (see ``files.shelf``), and a crash between any two leaves something that the next
start understands. The received bytes are first a file of this machine, in the *spool*: counted, checked by the child, made durable under
their temporary name. ``finish`` then chooses a key at which the storage has nothing else. ``publish`` uploads the file in one request
that the storage refuses where an object stands (If-None-Match: *), with the SHA-256 of the bytes, which it is to check. It then asks the
storage what it has: the size, and its own entity tag, which is the MD5 of the bytes where the storage makes it so. Where it is none, the
object is read back and hashed. Only then is the spooled file removed, and the job saved.

After a crash: file and no object, upload it; file and object of the same bytes, remove the file; no file and the object, done; neither,
fetch again, as where the file lies in the spool of another machine that has died. Another object at the key is never touched.

A kept answer, the journal of orders and the lock are in the spool too. Nothing is ever deleted in the storage.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePosixPath
from typing import Final

from batchgen.core.dialects import Reply
from batchgen.core.errors import FileError, PathTakenError
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.core.ports import Draft, Sink
from batchgen.files import sidecars
from batchgen.files.answers import KeptAnswer
from batchgen.files.draft import names_of
from batchgen.files.folders import Content, Root, disk_errors, file_below, remove, split
from batchgen.files.inspector import Inspector
from batchgen.files.objects.bucket import Bucket
from batchgen.files.shelf import ImageShelf

_PROBE: Final = ".batchgen-probe"
_PROBE_TEXT: Final = b"batchgen wrote this to see that the storage never replaces an object unasked\n"
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}
_JSON: Final = {"Content-Type": "application/json"}


class ObjectShelf:
    """The objects of one batch; implements ``core.ports.Shelf``. Safe to use from several threads; a draft belongs to one caller at a time.

    ``stem_for`` names a job's object without its extension, relative to the bucket's address.
    """

    def __init__(
        self, bucket: Bucket, spool: Path, stem_for: Callable[[Job], str], *, sidecar: bool, inspector: Inspector
    ) -> None:  # fmt: skip
        self._bucket: Final = bucket
        self._root: Final = Root(spool)
        self._spool: Final = ImageShelf(spool, lambda job: job.key, sidecar=False, inspector=inspector)
        self._stem_for: Final = stem_for
        self._sidecar: Final = sidecar

    def prepare(self) -> None:
        """Make the spool, write an object, and see that the storage refuses to replace it; raise FileError when it does not.

        Raises StorageRefusedError when the credentials are refused.
        """
        self._spool.prepare()
        is_new = self._bucket.put_new(_PROBE, _PROBE_TEXT, _TEXT)
        if is_new and self._bucket.put_new(_PROBE, _PROBE_TEXT, _TEXT):
            raise FileError(
                f"{self._bucket.address} replaces objects unasked (If-None-Match is not heeded), so no image would be safe there"
            )

    def draft(self, job: Job, index: int) -> "ObjectDraft":
        """Open an exclusive temporary file for image ``index`` of the job, in the spool."""
        return ObjectDraft(self, job, index, self._spool.draft(job, index))

    def publish(self, image: Image) -> bool:
        """Upload the spooled file unless an object stands there, have the storage confirm it, and drop the file.

        Idempotent: after a crash it finishes what was begun. False when neither spool nor storage holds the image any more. Raises
        PathTakenError when another object stands at the path, FileError when spool or storage refuse.
        """
        staged = self._staged(image)
        if staged is None:
            return self._stands(image)
        tag = hashlib.md5(staged, usedforsecurity=False).hexdigest()
        if self._bucket.put_new(image.path, staged, {"Content-Type": image.media_type, "sha256": image.sha256}):
            self._require_kept(image, tag)
        elif not self._stands(image):
            raise FileError(f"{self._bucket.named(image.path)} vanished while it was being published")
        with disk_errors("remove", self._root, image.temp), self._root.opened() as folder:
            remove(folder, image.temp)
        return True

    def describe(self, job: Job, images: Sequence[Image]) -> None:
        """Write ``{path}.json`` beside each image, if the batch wants it; replaces only the job's own.

        Raises PathTakenError when somebody else's object stands at that name.
        """
        for image in images if self._sidecar else ():
            path, text = image.path + sidecars.SUFFIX, sidecars.render(job, image)
            if self._bucket.put_new(path, text, _JSON):
                continue
            if not self._may_describe(path, job):
                raise self._taken(path)
            self._bucket.replace(path, text, _JSON)

    def answer(self, job: Job) -> KeptAnswer:
        """Open the place for the answer of the job's current attempt, in the spool."""
        return self._spool.answer(job)

    def kept_answer(self, job: Job) -> Reply | None:
        """Give the whole answer that was kept on this machine for the job's current attempt, or None."""
        return self._spool.kept_answer(job)

    def drop_answer(self, job: Job) -> None:
        """Remove what was kept for the job's current attempt, if anything."""
        self._spool.drop_answer(job)

    def unpack(self, job: Job, part: tuple[int, int], draft: Sink) -> None:
        """Decode a part of the kept answer from base64 into the draft; raise BadImageError or FileError."""
        self._spool.unpack(job, part, draft)

    def free_bytes(self) -> int:
        """Say how much room the spool has."""
        return self._spool.free_bytes()

    def free_path(self, job: Job, index: int, image: Image) -> str:
        """Choose the first path at which nothing else stands, image or sidecar."""
        stem = self._stem_for(job) if index == 0 else f"{self._stem_for(job)}~{index + 1}"
        suffix = PurePosixPath(image.path).suffix
        return next(path for path in names_of(stem, suffix, job) if self._is_free(path, image, job))

    def _is_free(self, path: str, image: Image, job: Job) -> bool:
        split(path)
        found = self._bucket.head(path)
        if found is not None and (found.bytes != image.bytes or self._bucket.content(path) != Content(image.sha256, image.bytes)):
            return False
        return not self._sidecar or self._may_describe(path + sidecars.SUFFIX, job)

    def _may_describe(self, path: str, job: Job) -> bool:
        """Say whether a path is free or holds a sidecar of this very job."""
        found = self._bucket.head(path)
        if found is None:
            return True
        chunks = self._bucket.chunks(path) if found.bytes <= sidecars.MAX_BYTES else None
        return chunks is not None and sidecars.is_of(job, b"".join(chunks))

    def _staged(self, image: Image) -> mmap | None:
        """Map the spooled file, if it holds the image: what is uploaded is what was hashed, and is held in memory only by the system."""
        file = file_below(self._root, image.temp)
        if file is None:
            return None
        with disk_errors("read", self._root, image.temp), file:
            if image.bytes == 0 or file.seek(0, 2) != image.bytes:
                return None
            found = mmap(file.fileno(), image.bytes, access=ACCESS_READ)
        return found if hashlib.sha256(found).hexdigest() == image.sha256 else None

    def _stands(self, image: Image) -> bool:
        """Say whether the image stands at its path; raise PathTakenError where something else does."""
        found = self._bucket.content(image.path)
        if found is not None and found != Content(image.sha256, image.bytes):
            raise self._taken(image.path)
        return found is not None

    def _require_kept(self, image: Image, tag: str) -> None:
        """Have the storage say that it holds these bytes; raise FileError when it does not."""
        kept = self._bucket.head(image.path)
        if kept is not None and kept.bytes == image.bytes and kept.tag == tag:
            return
        if self._bucket.content(image.path) != Content(image.sha256, image.bytes):
            raise FileError(f"{self._bucket.named(image.path)} is not what was uploaded there")

    def _taken(self, path: str) -> PathTakenError:
        return PathTakenError(f"{self._bucket.named(path)} holds something else and was left alone")


class ObjectDraft:
    """A temporary file in the spool; implements ``core.ports.Draft``."""

    def __init__(self, shelf: ObjectShelf, job: Job, index: int, inner: Draft) -> None:
        self._shelf: Final = shelf
        self._job: Final = job
        self._index: Final = index
        self._inner: Final = inner

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; raise BadImageError when there are too many, FileError when the disk refuses."""
        self._inner.write(chunk)

    def finish(self, *, length: int | None) -> Image:
        """Check the image, make it durable in the spool, and choose its path; raise BadImageError or FileError, and it is gone then."""
        image = self._inner.finish(length=length)
        try:
            return replace(image, path=self._shelf.free_path(self._job, self._index, image))
        except BaseException:
            self._inner.discard()
            raise

    def discard(self) -> None:
        """Remove the temporary file; safe to call twice and after ``finish``."""
        self._inner.discard()
