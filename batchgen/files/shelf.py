"""The shelf: the output folder of one batch, where an image appears whole, checked and durable, or not at all.

Theory of operation. An image takes four steps, and a crash between any two of them leaves something that the next start understands:

1. ``draft`` opens ``.{key8}-a{attempt}-{index}.part`` in the folder where the image will stand, so that the last step needs no
   copy. A temporary file of that name can only be a crash's leftover, since an attempt is fetched by one lane: it is removed.
2. ``finish`` has the bytes checked in a child process under limits (see ``inspector``), for they come from elsewhere and decoders have
   bugs, makes them durable under the temporary name and chooses the final one. The caller then records ImagesStaged: from here on the
   hash in the database says which bytes are meant.
3. ``publish`` links the temporary file to its final name, which fails if anything stands there, drops the temporary name, makes the
   folder durable and reads the hash again. What it finds decides what is left to do, so it may be called again after any crash:
   the final name holds the bytes (done), only the temporary one does (sync it again, since a later draft may have been cut down before
   its own fsync, and link it), something else stands there (PathTakenError: fetch again, and ``finish`` chooses another name), neither
   (False: fetch again). A file is never adopted by its name or size.
4. ``describe`` writes the sidecar by rename. Then the caller records ImagesSaved.

The received bytes are never rewritten: content credentials are signatures over them. A failed fsync is never repeated on the same
file, because the kernel may have dropped the pages and the second call would report success: the draft is thrown away. Every name is
reached through descriptors of its folders, never through a link below the root. Bytes that fail their check are not kept: the vendor's
URL gives them again.

Where the answer to the order is the result itself, no URL gives it again. Such an answer is kept whole in the root before anything is
recorded (see ``answers``), an image inside it is decoded from there into a draft, and it is dropped when the image is saved.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from batchgen.core.dialects import Reply
from batchgen.core.errors import FileError, PathTakenError
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.core.ports import Sink
from batchgen.files import answers, inline, sidecars
from batchgen.files.draft import ImageDraft, Place, Terms, temporary_name
from batchgen.files.folders import (
    Content,
    Root,
    disk_errors,
    measure,
    move_new,
    open_new,
    remove,
    split,
    sync,
    sync_or_remove,
    write_all,
)
from batchgen.files.inspector import Inspector

_PROBE: Final = ".batchgen-probe.part"


class ImageShelf:
    """The output folder of one batch; implements ``core.ports.Shelf``.

    ``stem_for`` names a job's file without its extension, relative to ``root`` with POSIX separators. The inspector judges what was
    received and stays its maker's to close. Safe to use from several threads; a draft belongs to one caller at a time.
    """

    def __init__(
        self,
        root: Path,
        stem_for: Callable[[Job], str],
        *,
        sidecar: bool,
        inspector: Inspector,
        max_bytes: int = 64 * 1024 * 1024,
        max_video_bytes: int = 2 * 1024 * 1024 * 1024,
    ) -> None:
        self._root: Final = Root(root)
        self._stem_for: Final = stem_for
        self._terms: Final = Terms(sidecar=sidecar, max_bytes=max_bytes, max_video_bytes=max_video_bytes, inspector=inspector)

    def prepare(self) -> None:
        """Make the folder and write into it once; raise FileError when images could not be kept there."""
        with disk_errors("write into", self._root, ""), self._root.opened(create=True) as folder:
            os.close(open_new(folder, _PROBE))
            remove(folder, _PROBE)

    def draft(self, job: Job, index: int) -> "ImageDraft":
        """Open an exclusive temporary file beside the place where image ``index`` of the job will stand, making its folders."""
        folders, name = split(self._stem_for(job))
        stem = name if index == 0 else f"{name}~{index + 1}"
        place = Place(folders=folders, stem=stem, temp=temporary_name(job, index))
        with (
            disk_errors("create", self._root, place.temp_path),
            self._root.opened(folders, create=True) as folder,
        ):
            descriptor = open_new(folder, place.temp)
        return ImageDraft(self._root, job, place, self._terms, descriptor)

    def publish(self, image: Image) -> bool:
        """Link the staged file to its final name without clobbering, drop the temporary name, fsync the folder, re-read the hash.

        Idempotent: after a crash it finishes what was begun. False when neither name holds the image any more. Raises PathTakenError
        when other bytes stand at the path, FileError when the disk refuses.
        """
        folders, name = split(image.path)
        _, temp = split(image.temp)
        wanted = Content(image.sha256, image.bytes)
        with disk_errors("publish", self._root, image.path, need=image.bytes):
            try:
                with self._root.opened(folders) as folder:
                    if not self._place(folder, temp, name, image):
                        return False
                    remove(folder, temp)
                    sync(folder)
                    if measure(folder, name) != wanted:
                        raise FileError(f"{self._root.path / image.path} changed while it was being published")
            except FileNotFoundError:  # the folder is gone, and the image with it
                return False
        return True

    def describe(self, job: Job, images: Sequence[Image]) -> None:
        """Write ``{path}.json`` beside each image, if the batch wants it; atomic and durable, overwrites only the job's own.

        Raises PathTakenError when somebody else's file stands at that name.
        """
        if not self._terms.sidecar:
            return
        for index, image in enumerate(images):
            self._write_sidecar(job, image, temporary_name(job, index, sidecars.SUFFIX))

    def answer(self, job: Job) -> answers.KeptAnswer:
        """Open the place for the answer of the job's current attempt, in the root; what an earlier try left there is removed.

        To be called before the order goes out. Raises FileError when the disk refuses.
        """
        return answers.opened(self._root, answers.name_of(job))

    def kept_answer(self, job: Job) -> Reply | None:
        """Give the whole answer that was kept for the job's current attempt, as ``finish`` gave it; None when there is none.

        Half an answer, a link or a folder under its name count as none.
        """
        return answers.read(self._root, answers.name_of(job))

    def drop_answer(self, job: Job) -> None:
        """Remove what was kept for the job's current attempt, if anything; not durable, so a power cut may bring it back."""
        answers.drop(self._root, answers.name_of(job))

    def unpack(self, job: Job, part: tuple[int, int], draft: Sink) -> None:
        """Decode a part of the kept answer from base64 into the draft, in pieces of about 48 KiB.

        Raises BadImageError (``not_base64``), FileError when the answer or the place in it is not there, or what the draft raises; the
        draft is then the caller's to discard.
        """
        for piece in inline.decoded(answers.span(self._root, answers.name_of(job), part)):
            draft.write(piece)

    def free_bytes(self) -> int:
        """Say how much room the file system has for us."""
        with disk_errors("ask the room on", self._root, ""):
            return self._root.free_bytes()

    def _place(self, folder: int, temp: str, name: str, image: Image) -> bool:
        """Make the final name hold the image; the temporary name may remain. False when no name holds it."""
        wanted = Content(image.sha256, image.bytes)
        found = measure(folder, name)
        if found is None:
            if measure(folder, temp) != wanted:
                return False
            sync_or_remove(folder, temp)
            try:
                move_new(folder, temp, name)
            except FileExistsError as error:
                raise self._taken(image.path) from error
        elif found != wanted:
            raise self._taken(image.path)
        return True

    def _write_sidecar(self, job: Job, image: Image, temp: str) -> None:
        text = sidecars.render(job, image)
        path = image.path + sidecars.SUFFIX
        folders, name = split(path)
        with disk_errors("write", self._root, path, need=len(text)), self._root.opened(folders) as folder:
            if not sidecars.may_write(folder, name, job):
                raise self._taken(path)
            descriptor = open_new(folder, temp)
            try:
                write_all(descriptor, text)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)
            sync(folder)

    def _taken(self, path: str) -> PathTakenError:
        return PathTakenError(f"{self._root.path / path} holds something else and was left alone")
