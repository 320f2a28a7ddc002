"""Gather broken promises: each once, with the first thing that broke it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

T = TypeVar("T")

_MAX_CHARS: Final = 300


@dataclass(slots=True)
class Findings:
    """Broken promises of one dialect. ``where`` names the example that is being looked at."""

    name: str
    where: str = ""
    _seen: dict[str, list[str]] = field(default_factory=dict)

    def note(self, promise: str, evidence: str = "") -> None:
        """Note that a promise was broken, and by what."""
        place = f"[{self.where}] " if self.where else ""
        self._seen.setdefault(promise, []).append(f"{place}{evidence}"[:_MAX_CHARS])

    def unless(self, is_kept: object, promise: str, evidence: str = "") -> None:
        """Note the promise unless it was kept."""
        if not is_kept:
            self.note(promise, evidence)

    def attempt(self, what: str, call: Callable[[], T], evidence: str = "") -> T | None:
        """Call foreign code; whatever it raises is a finding, and then there is no result."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the code under test is foreign, and raising is what it must not do
            self.note(f"{what} never raises", f"{type(error).__name__}: {error}, on {evidence or 'an example'}")
            return None

    def conclude(self) -> None:
        """Raise AssertionError with every broken promise, or return."""
        if not self._seen:
            return
        lines = [f"  - {promise}{_told(evidence)}" for promise, evidence in self._seen.items()]
        raise AssertionError(
            "\n".join([f"the dialect {self.name!r} breaks {len(lines)} {'promise' if len(lines) == 1 else 'promises'}:", *lines])
        )


def shown(content: bytes) -> str:
    """Show the beginning of an answer's body."""
    return repr(content[:100])


def _told(evidence: list[str]) -> str:
    more = f" (and {len(evidence) - 1} times more)" if len(evidence) > 1 else ""
    return f": {evidence[0]}{more}" if evidence[0] else more
