"""The real clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the system tells it."""

    def now(self) -> datetime:
        """Give the wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never run backwards."""
        return time.monotonic()
