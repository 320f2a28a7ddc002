"""How long tasks took, ranked."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How many seconds tasks took: half of them up to ``p50_s``, 95 of 100 up to ``p95_s`` (nearest rank: values that were seen)."""

    tasks: int
    p50_s: float
    p95_s: float

    @classmethod
    def of(cls, durations: Iterable[float]) -> Self | None:
        """Rank durations; None where there is none."""
        ranked = sorted(durations)
        if not ranked:
            return None
        p50_s, p95_s = (ranked[ceil(share * len(ranked)) - 1] for share in (0.5, 0.95))
        return cls(tasks=len(ranked), p50_s=p50_s, p95_s=p95_s)

    def as_object(self) -> dict[str, Any]:
        """Give the figures as JSON."""
        return {"tasks": self.tasks, "p50_s": round(self.p50_s, 3), "p95_s": round(self.p95_s, 3)}

    def __str__(self) -> str:
        return f"half took up to {self.p50_s:.1f} s, 95 % up to {self.p95_s:.1f} s"
