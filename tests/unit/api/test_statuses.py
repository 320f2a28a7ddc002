"""What an HTTP status alone proves about an order."""

import pytest

from batchgen.api.statuses import refusal
from batchgen.core.readings import Busy, Rejected, Stopped, Throttled, Unproven

REFUSED = Rejected(reason="refused", message="m")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Stopped(kind="config", message="m")) for status in (300, 301, 302, 303, 304, 307, 308, 399, 404, 405)),
        *((status, REFUSED) for status in (400, 413, 422)),
        *((status, Stopped(kind="auth", message="m")) for status in (401, 403)),
        (402, Stopped(kind="balance", message="m")),
        (408, Unproven(message="m", retry_after_s=7.0)),
        *((status, Busy(message="m", retry_after_s=7.0)) for status in (421, 425)),
        (429, Throttled(message="m", retry_after_s=7.0)),
        *((status, None) for status in (-1, 0, 100, 101, 103, 200, 201, 204, 299, 406, 409, 410, 418, 451, 499)),
        *((status, None) for status in (500, 501, 502, 503, 504, 505, 511, 520, 521, 522, 523, 524, 525, 599, 600, 999)),
    ],
)
def test_a_status_proves_a_refusal_or_nothing(status: int, expected: object) -> None:
    """S9 to S14: clear refusals are named; successes, gateways and strange numbers say nothing of the order."""
    assert expected == refusal(status, "m", retry_after_s=7.0)
