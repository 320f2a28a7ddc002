"""Look at saved pictures again, for people: is the file what was saved, what does it show, and a thumbnail of it.

Theory of operation. Each file is opened once; the hash of its bytes, and the look at them in a child under limits (see ``inspector``), are
both of that open file. What was seen depends on the bytes alone, so it is kept by their SHA-256 in ``looks.jsonl`` beside the
thumbnails, and a second look costs a hash. Not even that is paid for a file that has the size and the time of change that were noted
when its hash was last taken: whoever changes a file and sets its time back is noticed by ``verify``, not here.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from batchgen.core.errors import BadImageError, FileError
from batchgen.files.folders import make_folder, open_regular
from batchgen.files.inspector import Inspector
from batchgen.files.placing import new_file
from batchgen.files.sights import Sight, sight_of
from batchgen.files.stock import File, Stock

Problem = Literal["", "missing", "changed", "not_decodable", "video"]

_WORKERS: Final = min(2, os.cpu_count() or 1)
_AHEAD: Final = 4
"""How many pictures a worker may be ahead of whoever takes the looks."""
_KEPT: Final = "looks.jsonl"
_HEAD: Final = {"schema": "batchgen.looks/1"}
_NAME_CHARS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One saved picture to look at; ``path`` is absolute, or below ``stock`` where its pictures are not files of this machine."""

    key: str
    path: Path
    sha256: str
    stock: Stock | None = None

    def opened(self) -> File | None:
        """Open the picture; None if there is none."""
        return _opened(self.path) if self.stock is None else self.stock.opened(self.path.as_posix())


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found of one picture.

    ``problem`` is empty, or says why there is nothing to show: the file is ``missing``, its bytes have ``changed``, they are
    ``not_decodable`` within the limits, or they are a ``video``, of which no frame is decoded. Only a look without a problem, and one at a
    video, tells more; numbers are 0 and texts empty elsewhere. Width and height are those of the upright picture. For ``dhash`` see
    ``sights``. ``has_credentials`` says that C2PA credentials are there, never that they hold. ``thumbnail`` is a name in the folder.
    """

    key: str
    problem: Problem
    width: int = 0
    height: int = 0
    media_type: str = ""
    dhash: int | None = None
    is_blank: bool = False
    has_credentials: bool = False
    thumbnail: str = ""
    thumb_width: int = 0
    thumb_height: int = 0


def look_at(pictures: Iterable[Wanted], thumbs: Path, *, workers: int = _WORKERS) -> Iterator[Look]:
    """Give a look for each picture, in their order; thumbnails are in the folder, which is made, by the time their look is given.

    Only a few pictures are under way at any time. A thumbnail that is there is never written again. Raises FileError when the folder
    cannot be written, when a file cannot be read for another reason than that it is not there, or when no child can be started.
    """
    album = _Album(thumbs)
    try:
        with closing(Inspector(children=workers)) as inspector, ThreadPoolExecutor(workers, "looks") as threads:
            waiting: deque[Future[Look]] = deque()
            for wanted in pictures:
                waiting.append(threads.submit(album.look, wanted, inspector))
                if len(waiting) > workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        album.keep()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was seen of some bytes, and the size and time of change of the file that was last found to hold them."""

    sight: Sight
    stamp: tuple[int, int]


class _Album:
    """A folder of thumbnails and what is kept of earlier looks. Used from several threads: each dictionary access is one step."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder: Final = folder
        self._kept: Final = dict(_read(folder / _KEPT))
        self._placing: Final = Lock()
        self._is_new = False

    def look(self, wanted: Wanted, inspector: Inspector) -> Look:
        """Look at one picture."""
        try:
            stamp = None if wanted.stock is None else wanted.stock.stamp(wanted.path.as_posix())
            if stamp is not None and (known := self._known(wanted, stamp)) is not None:
                return known  # what would have to be fetched first is not fetched
            file = wanted.opened()
            if file is None:
                return Look(key=wanted.key, problem="missing")
            with file:
                return self._look(wanted, file, inspector, stamp)
        except OSError as error:
            raise FileError(f"cannot read {wanted.path}: {error.strerror}") from error

    def keep(self) -> None:
        """Note what was seen for the next time, unless all of it was known."""
        if self._is_new:
            lines = [_HEAD, *map(_line, *zip(*self._kept.items(), strict=True))]
            with new_file(self._folder / _KEPT, replaces=True) as file:
                file.writelines(f"{json.dumps(line)}\n".encode() for line in lines)

    def _known(self, wanted: Wanted, stamp: tuple[int, int]) -> Look | None:
        kept, name = self._kept.get(wanted.sha256), _name(wanted)
        if kept is None or kept.stamp != stamp or not self._has_thumb(kept, name):
            return None
        return _told(wanted, kept.sight, name)

    def _has_thumb(self, kept: _Kept, name: str) -> bool:
        return not kept.sight.thumb_width or (self._folder / name).is_file()

    def _look(self, wanted: Wanted, file: File, inspector: Inspector, stamp: tuple[int, int] | None) -> Look:
        status = os.fstat(file.fileno())
        stamp = stamp or (status.st_size, status.st_mtime_ns)
        kept = self._kept.get(wanted.sha256)
        if (kept is None or kept.stamp != stamp) and hashlib.file_digest(file, "sha256").hexdigest() != wanted.sha256:
            return Look(key=wanted.key, problem="changed")
        name = _name(wanted)
        if kept is not None and self._has_thumb(kept, name):
            sight = kept.sight
        else:
            try:
                sight, thumbnail = inspector.look(file.fileno(), size_bytes=status.st_size)
            except BadImageError:
                return Look(key=wanted.key, problem="not_decodable")
            self._place(name, thumbnail)
        self._note(wanted.sha256, _Kept(sight, stamp))
        return _told(wanted, sight, name)

    def _place(self, name: str, thumbnail: bytes) -> None:
        with self._placing:  # the same bytes may come under two keys at once
            if thumbnail and not (self._folder / name).exists():
                with new_file(self._folder / name, replaces=True) as file:
                    file.write(thumbnail)

    def _note(self, sha256: str, kept: _Kept) -> None:
        if self._kept.get(sha256) != kept:
            self._kept[sha256] = kept
            self._is_new = True


def _name(wanted: Wanted) -> str:
    return f"{wanted.sha256[:_NAME_CHARS]}.webp"


def _told(wanted: Wanted, sight: Sight, name: str) -> Look:
    return Look(
        key=wanted.key,
        problem="video" if sight.media_type.startswith("video/") else "",
        width=sight.width,
        height=sight.height,
        media_type=sight.media_type,
        dhash=sight.dhash,
        is_blank=sight.is_blank,
        has_credentials=sight.has_credentials,
        thumbnail=name if sight.thumb_width else "",
        thumb_width=sight.thumb_width,
        thumb_height=sight.thumb_height,
    )


def _opened(path: Path) -> FileIO | None:
    """Open a regular file, never through a link in its last component and never waiting on a pipe; None if there is none."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return open_regular(folder, path.name)
        finally:
            os.close(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _line(sha256: str, kept: _Kept) -> dict[str, object]:
    return {"sha256": sha256, "stamp": kept.stamp, "sight": asdict(kept.sight)}


def _read(path: Path) -> Iterator[tuple[str, _Kept]]:
    """Give what was kept; a file that cannot be read, or is of another version, holds nothing, and a damaged line neither."""
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    if _parsed(head) != _HEAD:
        return
    for line in lines:
        match _parsed(line):
            case {"sha256": str(sha256), "stamp": [int(size), int(at)], "sight": seen} if (sight := sight_of(seen)) is not None:
                yield sha256, _Kept(sight, (size, at))


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
