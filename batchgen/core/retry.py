"""How long to wait, and how often to try. Pure arithmetic: the caller brings the random number."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

UNPROVEN_RESENDS: Final = 2
"""Further orders after an unproven answer, each booked as if billed (RELIABILITY, budgets)."""

REGENERATIONS: Final = 1
"""Further purchases after a task failed for a reason that is known to pass."""

_LATELY: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential back-off with jitter, in seconds."""

    initial_s: float = 5.0
    max_s: float = 900.0

    def delay_s(self, tries: int, chance: float) -> float:
        """Give the wait after the given number of failed tries (from 1); ``chance`` in [0, 1) spreads it over the upper half."""
        ceiling = min(self.max_s, self.initial_s * 2.0 ** min(max(tries, 1) - 1, 30))
        return ceiling * (0.5 + 0.5 * chance)


@dataclass(slots=True)
class Breaker:
    """A pause after repeated trouble: opens after ``threshold`` in a row, or when half of the last twenty failed.

    It waits longer each time and closes on one success.
    """

    threshold: int = 5
    initial_s: float = 30.0
    max_s: float = 600.0
    in_a_row: int = 0
    times_opened: int = 0
    _lately: deque[bool] = field(default_factory=lambda: deque(maxlen=_LATELY))

    def failed(self, *, at_once: bool = False) -> float | None:
        """Count one failure; give the seconds to pause when that opens the breaker (``at_once``: whatever the count), else None.

        Once open, the next single failure (the probe) opens it again at once, for twice as long.
        """
        self.in_a_row += 1
        self._lately.append(True)
        are_many = len(self._lately) == _LATELY and 2 * sum(self._lately) >= _LATELY
        if self.in_a_row < self.threshold and not (self.times_opened or at_once or are_many):
            return None
        self.times_opened += 1
        self._lately.clear()
        return min(self.max_s, self.initial_s * 2.0 ** min(self.times_opened - 1, 30))

    def succeeded(self) -> None:
        """Close the breaker."""
        self.in_a_row = 0
        self.times_opened = 0
        self._lately.append(False)

    @property
    def is_shaky(self) -> bool:
        """Say that the latest two failed, or a quarter of the last twenty: no time to ask for more."""
        return self.in_a_row > 1 or 4 * sum(self._lately) >= _LATELY

    @property
    def is_probing(self) -> bool:
        """Say that only one order may be out until it succeeds."""
        return self.times_opened > 0
