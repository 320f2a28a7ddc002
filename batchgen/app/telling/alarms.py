"""Which events of a run under way are due, each once for each cause. Pure: it is shown snapshots, with the monotonic clock's reading."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from batchgen.app.reports import Snapshot
from batchgen.planning.manifest import Event

AMBIGUOUS_EVERY_S: Final = 600.0
"""A vendor that loses answers loses many: the first is told at once, the others in bundles."""
_SHARE: Final = (4, 5)
"""The part of the budget that is worth a notice, as a fraction: money is counted in whole numbers."""


@dataclass(slots=True, kw_only=True)
class Alarms:
    """The causes that one receiver has been told of in this run; ``saved_at`` is when the last image came, or the run began."""

    stalled_after_s: float
    saved: int
    saved_at: float
    ambiguous: int
    ambiguous_at: float | None = None
    is_stalled: bool = False
    is_budget_told: bool = False

    @classmethod
    def since(cls, seen: Snapshot, now: float, *, stalled_after_s: float) -> Self:
        """Begin with what the run found: orders that were ambiguous before it are no news, a budget that was nearly spent is."""
        return cls(stalled_after_s=stalled_after_s, saved=seen.saved, saved_at=now, ambiguous=seen.ambiguous)

    def due(self, seen: Snapshot, now: float) -> Iterator[Event]:
        """Give the events whose cause has come up since the last look."""
        if self._stalls(seen, now):
            yield "stalled"
        if self._doubts(seen, now):
            yield "ambiguous"
        if self._spends(seen):
            yield "budget"

    def _stalls(self, seen: Snapshot, now: float) -> bool:
        """Say whether nothing has come for too long, though there is something to wait for; the next image ends the cause."""
        if seen.saved != self.saved:
            self.saved, self.saved_at, self.is_stalled = seen.saved, now, False
        is_waiting = bool(seen.in_flight or seen.pause)
        if self.is_stalled or not is_waiting or now - self.saved_at < self.stalled_after_s:
            return False
        self.is_stalled = True
        return True

    def _doubts(self, seen: Snapshot, now: float) -> bool:
        """Say whether more orders are ambiguous than were told of; what has been settled meanwhile is no longer counted as told."""
        self.ambiguous = min(self.ambiguous, seen.ambiguous)
        is_early = self.ambiguous_at is not None and now - self.ambiguous_at < AMBIGUOUS_EVERY_S
        if seen.ambiguous == self.ambiguous or is_early:
            return False
        self.ambiguous, self.ambiguous_at = seen.ambiguous, now
        return True

    def _spends(self, seen: Snapshot) -> bool:
        part, whole = _SHARE
        if self.is_budget_told or not seen.cap or seen.spent is None or seen.spent * whole < seen.cap * part:
            return False
        self.is_budget_told = True
        return True
