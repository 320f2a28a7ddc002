"""Whether the machine has slept: what the clock that waiting is measured with does not show."""

import time


def suspended_s() -> float:
    """Give the seconds that this machine has slept since it booted; 0 where the system does not tell (Linux: clock_gettime(2))."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if boot is None else time.clock_gettime(boot) - time.clock_gettime(time.CLOCK_MONOTONIC)
