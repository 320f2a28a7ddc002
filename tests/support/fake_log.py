"""A diary that can be read back."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Line(NamedTuple):
    """One line of the diary."""

    level: str
    event: str
    facts: dict[str, object]


@dataclass(slots=True)
class FakeLog:
    """A ``core.ports.Log`` that keeps its lines."""

    lines: list[Line] = field(default_factory=list)

    def info(self, event: str, **facts: object) -> None:
        """Keep what happened."""
        self.lines.append(Line("info", event, facts))

    def warning(self, event: str, **facts: object) -> None:
        """Keep what an operator should see."""
        self.lines.append(Line("warning", event, facts))

    def error(self, event: str, **facts: object) -> None:
        """Keep what stops the run or loses something."""
        self.lines.append(Line("error", event, facts))

    def called(self, event: str) -> list[Line]:
        """Give the lines of one event."""
        return [line for line in self.lines if line.event == event]
