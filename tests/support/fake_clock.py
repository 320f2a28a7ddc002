"""Time that a test turns: a clock, and an event loop that jumps over every wait instead of sitting through it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

T = TypeVar("T")

START: Final = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
_LONGEST_RUN_S: Final = 3 * 24 * 3600.0
_LONGEST_STANDSTILL: Final = 20_000


@dataclass(slots=True)
class FakeClock:
    """A ``core.ports.Clock`` that stands still until it is turned; ``seconds`` counts from an arbitrary start.

    ``wall_ahead_s`` is by how much somebody has set the wall clock.
    """

    seconds: float = 0.0
    wall_ahead_s: float = 0.0

    def now(self) -> datetime:
        """Give the wall clock."""
        return START + timedelta(seconds=self.seconds + self.wall_ahead_s)

    def monotonic(self) -> float:
        """Give the seconds turned so far."""
        return self.seconds

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class _Jumps(selectors.DefaultSelector):
    """Waits for nothing: when no file is ready, the clock moves to the next timer.

    A loop that nothing can wake any more, that never ends, or that spins while time stands still is an AssertionError, not a hang.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock: Final = clock
        self.ends_at: Final = clock.seconds + _LONGEST_RUN_S
        self.standstill = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self.standstill = self.standstill + 1 if ready or timeout == 0 else 0
        assert self.standstill < _LONGEST_STANDSTILL, "the loop spins while time stands still"
        if not ready and timeout != 0:
            assert timeout is not None, "nothing can wake the loop any more"
            assert self.clock.seconds < self.ends_at, "the run never ends"
            self.clock.turn(timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: FakeClock) -> None:
        self._fake_clock = clock
        super().__init__(_Jumps(clock))

    def time(self) -> float:
        return self._fake_clock.seconds


def run_warped(clock: FakeClock, work: Coroutine[Any, Any, T], later: Mapping[float, Callable[[], object]] | None = None) -> T:
    """Run a coroutine in jumping time; ``later`` calls functions so many seconds after the start."""

    async def with_timers() -> T:
        for seconds, function in (later or {}).items():
            asyncio.get_running_loop().call_later(seconds, function)
        return await work

    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(with_timers())
