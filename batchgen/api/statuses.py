"""What an HTTP status alone proves about an order, whichever vendor sent it.

Knows nothing of bodies: a dialect reads the vendor's own words first, and asks here where they say nothing. Must not be asked about an
answer that names a task or holds a result: that proves the order, whatever status stands beside it.
"""

from batchgen.core.readings import Busy, Rejected, Stopped, SubmitReading, Throttled, Unproven


def refusal(status: int, message: str, *, retry_after_s: float | None = None) -> SubmitReading | None:
    """Say what a status proves about an order that names no task, or None where it says nothing.

    The failures of servers and gateways (5xx) say nothing: the work may still run behind them. Nor does a success.
    """
    if 300 <= status < 400:
        return Stopped(kind="config", message=message)
    match status:
        case 400 | 413 | 422:
            return Rejected(reason="refused", message=message)
        case 401 | 403:
            return Stopped(kind="auth", message=message)
        case 402:
            return Stopped(kind="balance", message=message)
        case 404 | 405:
            return Stopped(kind="config", message=message)
        case 408:
            return Unproven(message=message, retry_after_s=retry_after_s)
        case 421 | 425:
            return Busy(message=message, retry_after_s=retry_after_s)
        case 429:
            return Throttled(message=message, retry_after_s=retry_after_s)
        case _:
            return None
