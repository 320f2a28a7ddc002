"""An output folder in memory."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batchgen.core.dialects import Reply
from batchgen.core.errors import BadImageError, BatchgenError, FileError, PathTakenError
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.core.ports import Draft
from batchgen.files.carving import Carver
from batchgen.files.inline import decoded


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
class FakeAnswer:
    """An answer on its way into the fake folder."""

    shelf: "FakeShelf"
    name: str
    reply: Reply | None = None
    body: bytes = b""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Note the head."""
        self.reply = Reply(status=status, headers=dict(headers))

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self.reply is None:
            raise FileError(f"{self.name} has no head yet")
        self.body += chunk

    def finish(self) -> Reply:
        """Keep the answer, unless the folder finds that the disk refuses."""
        if (error := self.shelf.on_answer(self.name)) is not None:
            raise error
        if self.reply is None:
            raise FileError(f"{self.name} has no head yet")
        self.shelf.answers[self.name] = (self.reply, self.body)
        return _carved(self.reply, self.body)

    def discard(self) -> None:
        """Drop the answer."""
        self.shelf.answers.pop(self.name, None)


@dataclass(slots=True, kw_only=True)
class FakeShelf:
    """A ``core.ports.Shelf``: ``files`` stand at their paths, ``temps`` under their temporary names, ``answers`` have a head and a body.

    A hook gets a path and gives an error to raise, or None.
    """

    answers: dict[str, tuple[Reply, bytes]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    temps: dict[str, bytes] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    described: list[str] = field(default_factory=list)
    on_draft: Callable[[str], BatchgenError | None] = lambda _: None
    on_finish: Callable[[str], BatchgenError | None] = lambda _: None
    on_publish: Callable[[str], BatchgenError | None] = lambda _: None
    on_answer: Callable[[str], BatchgenError | None] = lambda _: None
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

    def answer(self, job: Job) -> FakeAnswer:
        """Open the place for an answer; an older one of its name is gone."""
        self.answers.pop(answer_of(job), None)
        return FakeAnswer(shelf=self, name=answer_of(job))

    def kept_answer(self, job: Job) -> Reply | None:
        """Give a finished answer again."""
        kept = self.answers.get(answer_of(job))
        return None if kept is None else _carved(*kept)

    def drop_answer(self, job: Job) -> None:
        """Forget the answer."""
        self.answers.pop(answer_of(job), None)

    def unpack(self, job: Job, part: tuple[int, int], draft: Draft) -> None:
        """Decode a part of an answer; places count from the body's start, as the fake keeps no head beside it."""
        _, body = self.answers.get(answer_of(job), (None, b""))
        if not 0 <= part[0] <= part[1] <= len(body):
            raise FileError(f"{answer_of(job)} has no such place")
        for piece in decoded([body[part[0] : part[1]]]):
            draft.write(piece)

    def free_bytes(self) -> int:
        """Say how much room is left."""
        return self.free


def path_of(job: Job, index: int = 0) -> str:
    """Give the path at which an image of the job will stand."""
    return f"{job.key}-{index}.png"


def answer_of(job: Job) -> str:
    """Name the answer to the job's current attempt."""
    return f"{job.key}-a{job.attempt_id}.answer"


def _carved(reply: Reply, body: bytes) -> Reply:
    carver = Carver(0)
    carver.feed(body)
    skeleton, parts = carver.carved()
    return replace(reply, body=skeleton, parts=parts)


def _is(content: bytes, image: Image) -> bool:
    return hashlib.sha256(content).hexdigest() == image.sha256
