"""Try inputs on a target, each bounded in time, the whole in memory, and keep the first input of every kind of fault."""

import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

LONGEST_S: Final = 2.0
"""Processor time, so that a busy machine finds no hangs."""
MOST_RSS_KIB: Final = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``make`` gives an input, ``attempt`` tries it; only the errors in ``answers`` may come out."""

    make: Callable[[Random], bytes]
    attempt: Callable[[bytes], None]
    answers: tuple[type[Exception], ...] = ()


class HangError(Exception):
    """An input kept the processor busy for too long."""


@dataclass(slots=True)
class Score:
    """How often a target was tried, and what came out that should not: an input for each kind of fault."""

    executions: int = 0
    findings: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def bounded() -> Iterator[None]:
    """Interrupt what takes two seconds of processor time."""

    def stop(_number: int, _frame: object) -> None:
        raise HangError(f"busy for more than {LONGEST_S} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fault(target: Target, data: bytes, *, most_kib: int = MOST_RSS_KIB) -> str:
    """Try one input; give what is wrong with the way it was answered, or nothing; memory counts from what the process held before."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc_pid_clear_refs(5)
    before_kib = peak_kib()
    try:
        with bounded(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.attempt(data)
    except target.answers:
        pass
    except Exception as error:  # noqa: BLE001 - whatever comes out is what is looked for
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
        return f"{type(error).__name__}{where}"
    return f"more than {most_kib // 1024} MiB" if peak_kib() - before_kib > most_kib else ""


def fuzz(target: Target, *, seconds: float, seed: int) -> Score:
    """Try inputs for so many seconds; of each kind of fault the first input is kept."""
    random, score, end = Random(seed), Score(), monotonic() + seconds
    while monotonic() < end:
        data = target.make(random)
        score.executions += 1
        if wrong := fault(target, data):
            score.findings.setdefault(wrong, data)
    return score


def peak_kib() -> int:
    """Give the most memory that this process held since its peak last began anew."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:", 1)[1].split(maxsplit=1)[0])
