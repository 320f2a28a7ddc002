"""The child in which bytes are judged: a small interpreter under limits that sees one open file at a time and nothing else of ours.

Started by ``inspector`` as ``python -m batchgen.files.inspecting SOCKET MEMORY_BYTES CPU_S``. Over the socket it says that it is ready,
then answers questions one by one. Standard input is a pipe that only the parent holds open and nobody writes to: when it closes, the
kernel ends this process, whatever it is busy with. It ignores the signals that make the parent drain.
"""

import base64
import fcntl
import json
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from io import BufferedReader, FileIO
from typing import Any, BinaryIO, Final

from batchgen.core.errors import BadImageError
from batchgen.files import imagecheck, videocheck
from batchgen.files.looks import looking

_READY: Final = {"ready": True}
_TURN: Final = {"turn": True}
"""Asks the parent for the turn at a large picture; any answer grants it."""
_MESSAGE_BYTES: Final = 4096

_READ_BYTES: Final = 1 << 16
_LIFELINE: Final = 0
_MOST_DESCRIPTORS: Final = 16
_LONGEST_SENTENCE: Final = 300


def main(words: Sequence[str]) -> None:
    """Answer questions until one of them was too much, or the parent has no more."""
    number, memory_bytes, cpu_s = map(int, words)
    for drained in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(drained, signal.SIG_IGN)
    _die_with_parent()
    _limit(memory_bytes)
    with socket.socket(fileno=number) as link:
        _tell(link, _READY)
        while True:
            message, descriptors, _, _ = socket.recv_fds(link, _MESSAGE_BYTES, 1)
            if not message:
                return
            _allow_cpu(cpu_s)
            with BufferedReader(FileIO(descriptors[0]), _READ_BYTES) as file:
                answer = _answer(file, json.loads(message), lambda: _wait_turn(link))
            _tell(link, answer)
            if "broke" in answer:
                return


def _answer(file: BinaryIO, question: Mapping[str, Any], wait_turn: Callable[[], None]) -> Mapping[str, object]:
    """Judge a file, and put into words what came of it: what was found, a refusal, an error of the disk, or that the check itself broke."""
    try:
        return _found(file, wait_turn=wait_turn, **question)
    except BadImageError as error:
        return {"refused": str(error)[:_LONGEST_SENTENCE], "reason": error.reason}
    except OSError as error:
        return {"errno": error.errno}
    except Exception as error:  # noqa: BLE001 - the top of this process: memory, recursion, and bugs of ours
        return {"broke": type(error).__name__}


def _found(file: BinaryIO, *, ask: str, size_bytes: int, max_pixels: int, wait_turn: Callable[[], None]) -> Mapping[str, object]:
    match ask:
        case "look":
            sight, thumbnail = looking.look(file, size_bytes=size_bytes, max_pixels=max_pixels, wait_turn=wait_turn)
            return {"sight": asdict(sight), "thumbnail": base64.b64encode(thumbnail).decode()}
        case "video":
            return {"picture": asdict(videocheck.check(file, size_bytes=size_bytes))}
        case _:
            return {"picture": asdict(imagecheck.check(file, size_bytes=size_bytes, max_pixels=max_pixels, wait_turn=wait_turn))}


def _tell(link: socket.socket, message: Mapping[str, object]) -> None:
    link.send(json.dumps(message).encode())


def _wait_turn(link: socket.socket) -> None:
    _tell(link, _TURN)
    link.recv(_MESSAGE_BYTES)


def _die_with_parent() -> None:
    """Have SIGIO sent to this process when the other end of standard input closes; it is deadly unless somebody catches it."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(_LIFELINE, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_LIFELINE, fcntl.F_SETFL, fcntl.fcntl(_LIFELINE, fcntl.F_GETFL) | os.O_ASYNC)


def _limit(memory_bytes: int) -> None:
    """Bound the whole process for good."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _MOST_DESCRIPTORS),
    ):
        allowed = _within(most, resource.getrlimit(kind)[1])
        resource.setrlimit(kind, (allowed, allowed))


def _allow_cpu(cpu_s: int) -> None:
    """Give the next picture its own seconds of CPU; after them the kernel ends the process."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = _within(math.ceil(spent.ru_utime + spent.ru_stime) + cpu_s, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _within(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


if __name__ == "__main__":
    main(sys.argv[1:])
