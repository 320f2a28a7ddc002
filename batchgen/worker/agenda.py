"""What is to be done next for the jobs that a run has in its hands: fetches before questions, each no earlier than its time."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from batchgen.core.jobs import Job
from batchgen.core.states import State


@dataclass(slots=True, eq=False)
class Followed:
    """A job with a task at the vendor or an image to fetch, and what this run has tried for it.

    Times are of the monotonic clock; ``ordered_at`` may lie before this process began.
    """

    job: Job
    ordered_at: float
    asked: int = 0
    running_at_s: float | None = None
    forecast_s: float | None = None
    """When the task should end, in seconds since its order, as the first progress that was told has it."""
    troubles: int = 0
    troubled_since: float = 0.0
    not_found: int = 0
    without_url: int = 0
    downloads: int = 0
    fresh_urls: int = 0
    bugs: int = 0
    holds_place: bool = True
    is_parked: bool = False
    is_adopted: bool = False

    @property
    def wants_fetch(self) -> bool:
        """Say whether the next step is a fetch; otherwise it is a question."""
        return self.job.state is State.RENDERED

    @property
    def asks_vendor(self) -> bool:
        """Say whether the next step is a question to the vendor; one about an answer that was kept is answered by the disk."""
        return not self.wants_fetch and not self.job.is_answered


@dataclass(slots=True)
class Agenda:
    """Followed jobs by the time of their next step."""

    _waiting: list[tuple[float, int, Followed]] = field(default_factory=list)
    _fetches: deque[Followed] = field(default_factory=deque)
    _questions: deque[Followed] = field(default_factory=deque)
    _order: Iterator[int] = field(default_factory=count)

    def put(self, followed: Followed, at: float) -> None:
        """Note the next step of a job for the instant ``at``."""
        heapq.heappush(self._waiting, (at, next(self._order), followed))

    def take(self, now: float, *, questions: bool) -> Followed | None:
        """Give the next job whose time has come, fetches first; ``questions`` False leaves questions where they are."""
        self._ripen(now)
        if self._fetches:
            return self._fetches.popleft()
        if questions and self._questions:
            return self._questions.popleft()
        return None

    def has_ripe(self, now: float) -> bool:
        """Say whether a step is due."""
        self._ripen(now)
        return bool(self._fetches or self._questions)

    def next_at(self) -> float | None:
        """Give the instant of the earliest step still ahead."""
        return self._waiting[0][0] if self._waiting else None

    def followed(self) -> Iterator[Followed]:
        """Go through every job on the agenda, in no order."""
        yield from self._fetches
        yield from self._questions
        yield from (followed for _, _, followed in self._waiting)

    def _ripen(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            followed = heapq.heappop(self._waiting)[2]
            (self._questions if followed.asks_vendor else self._fetches).append(followed)
