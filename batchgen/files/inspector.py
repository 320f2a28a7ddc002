"""Where bytes from elsewhere are judged: in child processes under limits, so that no picture can harm the run that bought it.

Theory of operation. At most two children, unless more are asked for, each started when a picture first needs it and used again for the
next. A child begins as a fresh interpreter with an environment of its own (no key in it), in a session of its own (no Ctrl-C), and is
handed the open file over a socket, never a path. Its answer is believed only as far as it is one of ours: the suffix of a file's name is
not taken from it. It cannot write anywhere: what it draws of a picture comes back in its answer. A child that dies, or is not done in
time, costs this one picture its check, and the next picture has a new child. When this process ends, however it ends, the kernel
closes the pipes that its children live by. A fork has no children: it starts its own.
"""

import base64
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import LifoQueue
from threading import Lock
from typing import Final, TypeVar

from batchgen.core.errors import BadImageError, FileError
from batchgen.files.sights import LONGEST_SIDE, Sight, sight_of
from batchgen.files.sniff import SUFFIXES, Picture

MAX_PIXELS: Final = 64_000_000
"""The largest picture that the bounds below leave room for."""

_MOST_CHILDREN: Final = min(2, os.cpu_count() or 1)
_START_S: Final = 60.0
_MESSAGE_BYTES: Final = 2**18
_NONSENSE: Final = "its answer makes no sense"

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the check of one file may cost. The dearest picture allowed, a WebP of 64 million pixels, takes 1.04 GiB and about 5 s."""

    memory_bytes: int = 1536 * 2**20
    cpu_s: int = 20
    wall_s: float = 30.0


class Inspector:
    """Judges files in child processes. Safe to use from several threads; whoever made it closes it."""

    def __init__(self, bounds: Bounds | None = None, *, children: int = _MOST_CHILDREN) -> None:
        self._bounds: Final = bounds or Bounds()
        self._children: Final = children
        # Last in, first out: a caller that is alone finds the child that is there, and starts no second one.
        self._seats: Final[LifoQueue[_Child | None]] = LifoQueue()
        for _ in range(self._children):
            self._seats.put(None)
        # A decoded pixel takes four bytes and more: two large pictures at once would double the peak of the whole program.
        self._large_turn: Final = Lock()

    def inspect(self, descriptor: int, *, size_bytes: int, max_pixels: int, is_video: bool = False) -> Picture:
        """Check the whole file in a child and describe the picture or video; the descriptor should be good for reading only.

        Raises BadImageError for what is refused and for what broke its check (``too_costly``, ``check_failed``), the OSError of a disk
        that failed while the child read, and FileError when no child can be started, which is no fault of the file.
        """
        ask = "video" if is_video else "picture"
        return self._found(descriptor, {"ask": ask, "size_bytes": size_bytes, "max_pixels": max_pixels}, _picture_of)

    def look(self, descriptor: int, *, size_bytes: int, max_pixels: int = MAX_PIXELS) -> tuple[Sight, bytes]:
        """Have a picture checked, described and drawn small in a child: give what was seen, and a WebP, empty for a video.

        Raises what ``inspect`` raises.
        """
        return self._found(descriptor, {"ask": "look", "size_bytes": size_bytes, "max_pixels": max_pixels}, _look_of)

    def close(self) -> None:
        """End the children once the checks under way are done; safe to call twice."""
        for child in [self._seats.get() for _ in range(self._children)]:
            if child is not None:
                child.end()
            self._seats.put(None)

    @contextmanager
    def _seated(self) -> Iterator["_Child"]:
        """Lend a child; one that was left in the middle of its answer is ended, for its next answer would be this one."""
        child = self._seats.get()
        try:
            if child is not None and child.is_over():
                child.end()
                child = None
            child = child or _started(self._bounds)
            yield child
        except BaseException:
            if child is not None:
                child.end()
                child = None
            raise
        finally:
            self._seats.put(child)

    def _found(self, descriptor: int, question: Mapping[str, object], read: Callable[[object], _Found | None]) -> _Found:
        with self._seated() as child:
            verdict = _verdict(self._answer(child, descriptor, question), self._bounds, read)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def _answer(self, child: "_Child", descriptor: int, question: Mapping[str, object]) -> object:
        child.ask(question, descriptor)
        told = child.answer(self._bounds.wall_s)
        if told != {"turn": True}:
            return told
        with self._large_turn:
            child.ask({})
            return child.answer(self._bounds.wall_s)


@dataclass(frozen=True, slots=True)
class _Child:
    """One child process and the socket that leads to it."""

    process: subprocess.Popen[bytes]
    link: socket.socket

    def is_over(self) -> bool:
        """Say whether the process has ended, which is also said of every process that this one did not start, as after a fork."""
        return self.process.poll() is not None

    def ask(self, question: Mapping[str, object], *descriptors: int) -> None:
        """Send a question, with an open file if it is about one."""
        try:
            socket.send_fds(self.link, [json.dumps(question).encode()], descriptors)
        except OSError as error:
            raise self._dead() from error

    def answer(self, wall_s: float) -> object:
        """Wait for what the child says; raise BadImageError when it dies or takes too long."""
        try:
            self.link.settimeout(wall_s)
            message = self.link.recv(_MESSAGE_BYTES)
        except TimeoutError as error:
            raise _costly(f"{wall_s:g} s") from error
        except OSError as error:
            raise self._dead() from error
        if not message:
            raise self._dead()
        try:
            return json.loads(message)
        except (ValueError, RecursionError) as error:
            raise _failed(_NONSENSE) from error

    def end(self) -> None:
        """Kill the process, unless it is over, and wait until nothing is left of it; safe to call twice."""
        self.link.close()
        self.process.kill()
        with self.process:
            pass

    def _dead(self) -> BadImageError:
        self.process.kill()
        code = self.process.wait()
        return _costly("the CPU time allowed") if code == -signal.SIGXCPU else _failed(f"its process ended with {code}")


def _started(bounds: Bounds) -> _Child:
    """Start a child and wait until it is ready; raise FileError when it does not come so far."""
    try:
        child = _spawned(bounds)
    except OSError as error:
        raise FileError(f"the check of images cannot be started: {error.strerror}") from error
    try:
        child.answer(_START_S)
    except BadImageError as error:
        child.process.kill()
        last_words = child.process.communicate()[1].decode(errors="backslashreplace").strip().rpartition("\n")[2]
        child.end()
        raise FileError(f"the check of images cannot be started: {last_words or error}") from error
    except BaseException:
        child.end()
        raise
    if child.process.stderr is not None:
        child.process.stderr.close()  # nobody reads it any more, and a pipe that fills up would hold the child
    return child


def _spawned(bounds: Bounds) -> _Child:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        # Without the site module and with our own path, imports are found where ours were, and nothing else of this place is read.
        command = [sys.executable, "-S", "-P", "-m", "batchgen.files.inspecting"]
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*command, str(theirs.fileno()), str(bounds.memory_bytes), str(bounds.cpu_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    return _Child(process, ours)


def _verdict(told: object, bounds: Bounds, read: Callable[[object], _Found | None]) -> _Found | BadImageError | OSError:
    """Read an answer; raise BadImageError when the check broke, or when the answer is none of ours."""
    if (found := read(told)) is not None:
        return found
    match told:
        case {"refused": str(message), "reason": str(reason)} if reason.isidentifier():
            return BadImageError(message, reason=reason)
        case {"errno": int(number)} if number in errno.errorcode:
            return OSError(number, os.strerror(number))
        case {"broke": "MemoryError"}:
            raise _costly(f"{bounds.memory_bytes // 2**20} MiB of memory")
        case {"broke": str(name)} if name.isidentifier():
            raise _failed(f"it ended with {name}")
        case _:
            raise _failed(_NONSENSE)


def _picture_of(told: object) -> Picture | None:
    match told:
        case {"picture": {"media_type": str(media_type), "width": int(width), "height": int(height), "has_alpha": bool(has_alpha)}} if (
            media_type in SUFFIXES and max(width, height) <= LONGEST_SIDE
        ):
            return Picture(media_type=media_type, suffix=SUFFIXES[media_type], width=width, height=height, has_alpha=has_alpha)
        case _:
            return None


def _look_of(told: object) -> tuple[Sight, bytes] | None:
    match told:
        case {"sight": seen, "thumbnail": str(text)} if (sight := sight_of(seen)) is not None:
            thumbnail = _webp_of(text)
            return None if thumbnail is None or bool(thumbnail) != bool(sight.thumb_width) else (sight, thumbnail)
        case _:
            return None


def _webp_of(text: str) -> bytes | None:
    """Give the bytes of a WebP, or none of them; None for anything else."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return content if not content or (content.startswith(b"RIFF") and content[8:12] == b"WEBP") else None


def _costly(limit: str) -> BadImageError:
    return BadImageError(f"the check of the file was given up: it takes more than {limit}", reason="too_costly")


def _failed(how: str) -> BadImageError:
    return BadImageError(f"the check of the file failed: {how}", reason="check_failed")
