"""The real clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from batchgen.api.suspension import suspended_s

_WORTH_TELLING_S: Final = 30.0


@dataclass(slots=True)
class ClockWatch:
    """Notices that the machine slept, or that somebody set its clock, by how far the clocks have come apart since the last look."""

    wall_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    suspended_s: Callable[[], float] = suspended_s
    _before: tuple[float, float] | None = None

    def look(self) -> str:
        """Say what happened to the clocks since the last look; empty where nothing did that matters."""
        slept_s = self.suspended_s()
        ahead_s = self.wall_s() - self.monotonic_s() - slept_s
        before, self._before = self._before or (slept_s, ahead_s), (slept_s, ahead_s)
        if slept_s - before[0] >= _WORTH_TELLING_S:
            return f"the machine slept for {slept_s - before[0]:.0f} s"
        if abs(ahead_s - before[1]) >= _WORTH_TELLING_S:
            return f"the wall clock was set by {ahead_s - before[1]:+.0f} s"
        return ""


@dataclass(slots=True)
class SharedClock:
    """The wall clock of a database server, as far as it was last compared, so that all who work on it read the same; monotonic is ours."""

    _ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """Give the server's time, aware, in UTC."""
        return datetime.now(UTC) + self._ahead

    def monotonic(self) -> float:
        """Give seconds that never run backwards."""
        return time.monotonic()

    def compare(self, at: datetime) -> None:
        """Take the server's time, as it was told just now."""
        self._ahead = at - datetime.now(UTC)


class SystemClock:
    """Time as the system tells it."""

    def now(self) -> datetime:
        """Give the wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never run backwards."""
        return time.monotonic()
