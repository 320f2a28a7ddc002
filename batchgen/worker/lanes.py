"""What one key, or one model, has alive at the vendor and may have: by the manifest here, as far as the vendor bears it in ``pace``."""

from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

from batchgen.core.limits import Found

UNLIMITED: Final = 1_000_000
"""So many places are as good as no limit."""
_CUT: Final = 0.7
_GIVEN_BACK: Final = 0.25


class Lane(Protocol):
    """Counts orders and says when there is room for one more; ``now`` is a reading of the monotonic clock."""

    total: int
    """Alive at the vendor, or on the way there."""
    sent: int
    """Orders that have gone out."""

    @property
    def places(self) -> int:
        """Say how many may be alive."""

    @property
    def opens_at(self) -> float:
        """Give the instant from which the next order may go out."""

    @property
    def was_refused(self) -> bool:
        """Say whether a limit of tasks alive was found."""

    def keep_to(self, now: float, *, most: float, most_rate: float) -> None:
        """Go on under other ceilings."""

    def look(self, now: float, *, may_grow: bool) -> None:
        """Let time pass since the last look."""

    def enter(self, now: float) -> None:
        """Count one order as out and take its slot in the rate."""

    def taken(self, now: float, *, asked_at: float) -> None:
        """Note an order that was taken."""

    def throttled(self, now: float, *, asked_at: float) -> None:
        """Note a refused order."""

    def pardon(self) -> None:
        """Forget refusals that were about something else."""

    def scale(self, share: float) -> None:
        """Go on with another part of what was found: others share it from now on, or no more."""

    def found(self, before: Found) -> Found | None:
        """Give what was found, for the next run; None for nothing."""

    def told(self) -> str:
        """Say in a few words how much is found to be allowed; empty for nothing."""


@dataclass(slots=True)
class FixedLane:
    """A lane whose limits the manifest says. A refusal cuts what may be alive, each order that is taken gives a quarter of a place back."""

    most: float = inf
    most_rate: float = inf
    total: int = 0
    sent: int = 0
    opens_at: float = 0.0
    _allowed: float = field(init=False)
    _cut_at: float = -inf

    def __post_init__(self) -> None:
        self._allowed = self.most

    @property
    def places(self) -> int:
        """Say how many may be alive."""
        return int(min(self._allowed, UNLIMITED))

    @property
    def was_refused(self) -> bool:
        """Say no: what is fixed is not found."""
        return False

    def keep_to(self, now: float, *, most: float, most_rate: float) -> None:
        """Go on under other ceilings: at once as many, unless the vendor has made us cut down; no slot lies further off."""
        self._allowed = most if self._allowed >= self.most else min(self._allowed, most)
        self.most, self.most_rate = most, most_rate
        self.opens_at = min(self.opens_at, now + 1.0 / most_rate)

    def look(self, now: float, *, may_grow: bool) -> None:
        """Let time pass, which changes nothing here."""

    def enter(self, now: float) -> None:
        """Count one order as out and take its slot in the rate."""
        self.total += 1
        self.sent += 1
        self.opens_at = max(now, self.opens_at) + 1.0 / self.most_rate

    def taken(self, now: float, *, asked_at: float) -> None:  # noqa: ARG002 - as every lane
        """Give a part of a place back."""
        self._allowed = min(self.most, self._allowed + _GIVEN_BACK)

    def throttled(self, now: float, *, asked_at: float) -> None:
        """Allow fewer than there are; answers to orders that were under way at the last cut do not cut again."""
        if asked_at >= self._cut_at:
            self._allowed = min(self.most, max(1.0, min(self._allowed, float(self.total)) * _CUT))
            self._cut_at = now

    def scale(self, share: float) -> None:
        """Keep what the manifest says."""

    def pardon(self) -> None:
        """Give all places back."""
        self._allowed = self.most

    def found(self, before: Found) -> Found | None:  # noqa: ARG002 - as every lane
        """Find nothing."""
        return None

    def told(self) -> str:
        """Say nothing: the manifest does."""
        return ""
