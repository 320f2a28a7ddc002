"""A journal of orders in memory."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from batchgen.core.errors import FileError
from batchgen.core.ports import Intent, Settled


@dataclass(slots=True, kw_only=True)
class FakeJournal:
    """Intents and outcomes by attempt; ``fails`` may name an error for ``intent``, ``outcome`` or ``sync``, and as ``settled`` is asked."""

    intents: dict[int, Intent] = field(default_factory=dict)
    outcomes: dict[int, Settled] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    syncs: int = 0
    fails: Callable[[str], FileError | None] = lambda _: None

    def intend(self, intent: Intent) -> None:
        """Keep the intent."""
        self._may_fail("intent")
        self.intents[intent.attempt_id] = replace(intent)

    def settle(self, attempt_id: int, settled: Settled) -> None:
        """Keep the outcome."""
        self._may_fail("outcome")
        self.outcomes[attempt_id] = settled

    def settled(self, attempt_id: int) -> Settled | None:
        """Give the outcome."""
        self._may_fail("settled")
        return self.outcomes.get(attempt_id)

    def recall(self, attempt_ids: Collection[int]) -> dict[int, Settled]:
        """Give the outcomes."""
        return {attempt_id: self.outcomes[attempt_id] for attempt_id in attempt_ids if attempt_id in self.outcomes}

    def recorded(self, attempt_id: int) -> None:
        """Count the order as known to the table."""
        self.known.add(attempt_id)

    def sync(self) -> None:
        """Count."""
        self._may_fail("sync")
        self.syncs += 1

    def _may_fail(self, line: str) -> None:
        if (error := self.fails(line)) is not None:
            raise error
