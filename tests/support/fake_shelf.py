"""An output folder in memory."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from batchgen.core.errors import BadImageError, BatchgenError, PathTakenError
from batchgen.core.events import Image
from batchgen.core.jobs import Job


@dataclass(slots=True, kw_only=True)
class FakeDraft:
    """A temporary file of the fake folder."""

    shelf: "FakeShelf"
    path: str
    temp: str
    content: bytes = b""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.content += chunk

    def finish(self, *, length: int | None) -> Image:
        """Describe the image, unless the folder finds it spoiled or the announced length does not fit."""
        if (error := self.shelf.on_finish(self.path)) is not None:
            raise error
        if length not in {None, len(self.content)}:
            raise BadImageError("the file is cut off", reason="truncated")
        self.shelf.temps[self.temp] = self.content
        return Image(
            path=self.path,
            temp=self.temp,
            sha256=hashlib.sha256(self.content).hexdigest(),
            bytes=len(self.content),
            width=1024,
            height=1024,
            media_type="image/png",
        )

    def discard(self) -> None:
        """Drop the temporary file."""
        self.shelf.temps.pop(self.temp, None)


@dataclass(slots=True, kw_only=True)
class FakeShelf:
    """A ``core.ports.Shelf``: ``files`` stand at their paths, ``temps`` under their temporary names.

    A hook gets a path and gives an error to raise, or None.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    temps: dict[str, bytes] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    described: list[str] = field(default_factory=list)
    on_draft: Callable[[str], BatchgenError | None] = lambda _: None
    on_finish: Callable[[str], BatchgenError | None] = lambda _: None
    on_publish: Callable[[str], BatchgenError | None] = lambda _: None
    free: int = 2**40

    def draft(self, job: Job, index: int) -> FakeDraft:
        """Open a temporary file; its final name is one that is free."""
        name = path_of(job, index)
        if (error := self.on_draft(name)) is not None:
            raise error
        path = name if name not in self.files else f"{name}~{job.attempt_id}"
        temp = f".{name}.part"
        self.temps[temp] = b""
        return FakeDraft(shelf=self, path=path, temp=temp)

    def publish(self, image: Image) -> bool:
        """Move the staged file to its path; False when neither name holds its bytes."""
        if (error := self.on_publish(image.path)) is not None:
            raise error
        staged = self.temps.pop(image.temp, None)
        standing = self.files.get(image.path, staged)
        if standing is None or (staged is None and not _is(standing, image)):
            return False
        if not _is(standing, image):
            raise PathTakenError(f"{image.path} holds something else")
        self.files[image.path] = standing
        self.trace.append("published")
        return True

    def describe(self, job: Job, images: Sequence[Image]) -> None:  # noqa: ARG002 - the port's signature
        """Note the sidecar."""
        self.described.extend(image.path for image in images)

    def free_bytes(self) -> int:
        """Say how much room is left."""
        return self.free


def path_of(job: Job, index: int = 0) -> str:
    """Give the path at which an image of the job will stand."""
    return f"{job.key}-{index}.png"


def _is(content: bytes, image: Image) -> bool:
    return hashlib.sha256(content).hexdigest() == image.sha256
