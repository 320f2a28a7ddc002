"""What a run makes of the signals that end it: the first drains it, the second leaves at once, and none breaks into its last words."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_late: Final[list[int]] = []
"""Signals that came into a run's last words, for a process that would go on with something else."""


@contextmanager
def draining(interrupt: Callable[[int], None]) -> Iterator[None]:
    """Give each signal's number to ``interrupt`` in the running loop; a hangup that is ignored, as ``nohup`` has it, stays ignored.

    Afterwards signals break into nothing until ``heed_again``: one in the middle of the report would leave a reader behind that keeps the
    end of the run from being recorded. They are for the next run of the process, or for ``awaited``.
    """
    loop = asyncio.get_running_loop()
    heeded = _heeded()
    for number in heeded:
        loop.add_signal_handler(number, interrupt, number)
    while _late:
        loop.call_soon(interrupt, _late.pop())
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
            signal.signal(number, lambda late, _frame: _late.append(late))


@contextmanager
def noted() -> Iterator[list[int]]:
    """Have Ctrl-C noted in a list, instead of breaking into whatever is being read just then, until the block ends."""
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: told.append(number))
    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def deferred() -> Iterator[None]:
    """Keep signals that would end the process until ``awaited`` asks for them, in this block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _heeded())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def awaited(seconds: float) -> int | None:
    """Wait that long for a signal that ends the process; give its number, or None when none came. One that came late is there at once."""
    if _late:
        return _late.pop()
    with deferred():
        told = signal.sigtimedwait(_heeded(), seconds)
    return None if told is None else told.si_signo


def heed_again() -> None:
    """Let signals end the process as they do any other; called where a run may also have failed before ``draining``."""
    for number in _heeded():
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


def _heeded() -> list[signal.Signals]:
    return [number for number in _SIGNALS if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN]
