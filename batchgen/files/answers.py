"""The answer to a paid order, kept whole on disk before anybody reads it: an image inside it exists nowhere else.

Theory of operation. ``opened`` makes ``.{key8}-a{attempt}.answer.part`` in the output folder before the order goes out, so a disk that
refuses costs nothing. Head and body are written as they come, an HTTP message that a person can read. ``finish`` makes the bytes
durable and only then gives the file its name without ``.part``: whatever bears that name is whole. ``read`` gives the same Reply after
any crash, since nothing but the file goes into it. A half-written answer is never adopted. When the disk refuses in the middle, the
temporary file is left for a person to look at: its bytes are paid for, and no second request brings them back.

Long strings stay in the file and nowhere else (see ``carving``); ``span`` gives one of them in pieces.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from typing import Final

from batchgen.core.dialects import Reply
from batchgen.core.errors import BadImageError, FileError
from batchgen.core.jobs import Job
from batchgen.files.carving import Carver
from batchgen.files.folders import Root, disk_errors, open_new, open_regular, remove, sync, write_all

_MAX_BODY_BYTES: Final = 128 * 1024 * 1024
_MAX_HEAD_BYTES: Final = 1 << 16
_READ_BYTES: Final = 1 << 16
_TEMP: Final = ".part"
_HEAD: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3})\r\n((?:[^\r\n:]+: [^\r\n]*\r\n)*)\r\n")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SECRETS: Final = frozenset({"set-cookie", "set-cookie2", "cookie", "authorization", "proxy-authorization"})


def name_of(job: Job) -> str:
    """Name the answer to the job's current attempt, in the root of the output folder."""
    return f".{job.key[:8]}-a{job.attempt_id or 0}.answer"


class KeptAnswer:
    """An answer on its way to disk; implements ``core.ports.Answer``. ``begin`` once, ``write`` often, then ``finish`` or ``discard``."""

    def __init__(self, root: Root, name: str, descriptor: int, *, max_bytes: int) -> None:
        self._root: Final = root
        self._name: Final = name
        self._descriptor: int | None = descriptor
        self._max_bytes: Final = max_bytes
        self._status = 0
        self._headers: dict[str, str] = {}
        self._carver: Carver | None = None
        self._body_bytes = 0

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Write the message's head; call it once, before the first byte.

        Left out are cookies, credentials, names that are no names, control characters, and what passes 64 KiB.
        """
        self._status, self._headers = status, _readable(headers)
        head = _head(status, self._headers)
        self._append(head)
        self._carver = Carver(len(head))

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body; raise BadImageError (``too_big``) beyond the cap, FileError when the disk refuses.

        After an error nothing more is taken and ``finish`` fails: an answer with a gap must not look whole.
        """
        carver = self._begun()
        self._body_bytes += len(chunk)
        if self._body_bytes > self._max_bytes:
            self._close()
            raise BadImageError(f"the answer is larger than the {self._max_bytes} bytes allowed", reason="too_big")
        self._append(chunk)
        carver.feed(chunk)

    def finish(self) -> Reply:
        """Make the answer durable under its own name and give it as a Reply whose ``body`` is the skeleton.

        Says nothing about its meaning. When it raises FileError, the temporary file is still there and is never adopted; a failed
        fsync is not repeated, because the kernel may have dropped the pages and the second call would report success.
        """
        carver = self._begun()
        with disk_errors("keep", self._root, self._name, need=self._body_bytes):
            try:
                os.fsync(self._open_descriptor())
            finally:
                self._close()
            with self._root.opened() as folder:
                os.rename(self._name + _TEMP, self._name, src_dir_fd=folder, dst_dir_fd=folder)
                sync(folder)
        return _reply(self._status, self._headers, carver)

    def discard(self) -> None:
        """Remove the answer, finished or not; safe to call twice. What the disk does not give up is never adopted or is overwritten."""
        with suppress(OSError, FileError):
            self._close()
        with suppress(FileError):
            drop(self._root, self._name)

    def _append(self, content: bytes) -> None:
        with disk_errors("write", self._root, self._name + _TEMP, need=self._body_bytes):
            try:
                write_all(self._open_descriptor(), content)
            except OSError:
                self._close()
                raise

    def _begun(self) -> Carver:
        if self._carver is None:
            raise FileError(f"{self._root.path / self._name} has no head yet")
        return self._carver

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise FileError(f"{self._root.path / self._name} is already closed")
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def opened(root: Root, name: str, *, max_bytes: int = _MAX_BODY_BYTES) -> KeptAnswer:
    """Open an exclusive file for an answer that is still to come, 128 MiB at most; leftovers of that name are gone, durably.

    The order has not gone out yet, so a finished answer of its name belongs to another life of the database.
    """
    with disk_errors("create", root, name), root.opened(create=True) as folder:
        if _remove_if_there(folder, name):
            sync(folder)
        return KeptAnswer(root, name, open_new(folder, name + _TEMP), max_bytes=max_bytes)


def read(root: Root, name: str) -> Reply | None:
    """Give a finished answer again; None when there is none, or no file, or one without the head that ``begin`` writes."""
    with disk_errors("read", root, name), _found(root, name) as file:
        head = _HEAD.match(file.read(_MAX_HEAD_BYTES)) if file else None
        if file is None or head is None:
            return None
        carver = Carver(head.end())
        file.seek(head.end())
        while chunk := file.read(_READ_BYTES):
            carver.feed(chunk)
    return _reply(int(head[1]), _headers_of(head[2]), carver)


def span(root: Root, name: str, part: tuple[int, int]) -> Iterator[bytes]:
    """Give the bytes of a part in pieces of 64 KiB; raise FileError when the answer is gone or has no such place."""
    start, end = part
    with disk_errors("read", root, name), _found(root, name) as file:
        if file is None or not 0 <= start <= end <= os.fstat(file.fileno()).st_size:
            raise FileError(f"{root.path / name} holds no answer with bytes {start} to {end}")
        file.seek(start)
        while start < end:
            piece = file.read(min(_READ_BYTES, end - start))
            if not piece:
                raise FileError(f"{root.path / name} ended while it was being read")
            yield piece
            start += len(piece)


def drop(root: Root, name: str) -> None:
    """Remove the answer, finished or not; nothing happens where there is none.

    Not made durable: a power cut may bring the file back, and the next ``opened`` of that name removes it.
    """
    with disk_errors("remove", root, name), suppress(FileNotFoundError), root.opened() as folder:
        remove(folder, name + _TEMP)
        remove(folder, name)


@contextmanager
def _found(root: Root, name: str) -> Iterator[FileIO | None]:
    """Open the finished answer; None when the name or the folder is not there, or the name holds no regular file."""
    try:
        with root.opened() as folder:
            file = open_regular(folder, name)
    except FileNotFoundError:
        file = None
    if file is None:
        yield None
        return
    with file:
        yield file


def _remove_if_there(folder: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


# --- heads ---


def _readable(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers exactly as they will be read again."""
    kept: dict[str, str] = {}
    room = _MAX_HEAD_BYTES - len(_head(200, {}))
    for given, text in headers.items():
        name = given.lower()
        value = _CONTROLS.sub("", text).strip().encode("utf-8", "replace").decode()
        room -= len(f"{name}: {value}\r\n".encode("utf-8", "replace"))
        if room >= 0 and _HEADER_NAME.fullmatch(name) and name not in _SECRETS:
            kept[name] = value
    return kept


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status:03d}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def _headers_of(lines: bytes) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in lines.decode("utf-8", "replace").split("\r\n") if line)
    return {name: value for name, value in pairs}  # noqa: C416 - dict() does not know that the lists have two items


def _reply(status: int, headers: Mapping[str, str], carver: Carver) -> Reply:
    skeleton, parts = carver.carved()
    return Reply(status=status, headers=headers, body=skeleton, parts=parts)
