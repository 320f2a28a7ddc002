"""What a run has done so far, for whoever watches it."""

from collections import deque
from dataclasses import dataclass, field

from batchgen.core.states import State


@dataclass(slots=True)
class Progress:
    """Counters of this run; the loop writes them, a view reads them at any time.

    ``by_state`` holds every job of the batch by state, kept in step with the records of this run.
    """

    by_state: dict[State, int] = field(default_factory=dict)
    saved: int = 0
    failed: int = 0
    ambiguous: int = 0
    orders: int = 0
    polls: int = 0
    throttled: int = 0
    throttled_s: float = 0.0
    """How long rows waited while the vendor's answers that it was asked too often kept orders back."""
    saved_bytes: int = 0
    spent: int | None = None
    """Micros spent by the batch as far as answers named a cost; None while none did."""
    saved_at: deque[float] = field(default_factory=lambda: deque(maxlen=512))
    problems: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    unrecorded: dict[int, str] = field(default_factory=dict)
    """Accepted orders, by attempt, that the job table has not taken: which task, and where it is kept."""
    parked: int = 0
    pause: str = ""
    stopping: str = ""
    _throttled_since: float | None = None

    def moved(self, before: State, after: State) -> None:
        """Count one job from one state to another."""
        if before is not after:
            self.by_state[before] = self.by_state.get(before, 0) - 1
            self.by_state[after] = self.by_state.get(after, 0) + 1

    def look(self, now: float, *, is_throttled: bool) -> None:
        """Let time pass since the last look; it was lost if throttling kept rows waiting then."""
        if self._throttled_since is not None:
            self.throttled_s += now - self._throttled_since
        self._throttled_since = now if is_throttled else None

    def images_per_minute(self, now: float) -> float:
        """Give the recent rate, over the last minute or since the first image when that is shorter."""
        recent = [at for at in self.saved_at if at > now - 60]
        if len(recent) < 2:
            return 0.0
        return 60 * len(recent) / max(1.0, now - recent[0])
