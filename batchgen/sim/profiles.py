"""Name mixtures of faults: how often each fault of `faults.FAULTS` occurs under a profile.

The order within a point matters: a draw walks the rates in it, so that a new fault goes behind those of its point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Name a mixture of faults; `balance` and `revoke_after` are limits that end a run in the middle."""

    meaning: str
    rates: Mapping[str, float] = field(default_factory=dict)
    balance: Decimal = Decimal(1000)
    revoke_after: int | None = None


_ROUGH = {
    "post.429": 0.005,
    "post.429_retry_after": 0.03,
    "post.too_frequent": 0.005,
    "post.server_error": 0.03,
    "sync.escaped_slashes": 0.02,
    "sync.both": 0.02,
    "upload.500": 0.02,
    "upload.reset": 0.01,
    "upload.garbage": 0.01,
    "task.slow": 0.05,
    "poll.429": 0.005,
    "poll.server_error": 0.01,
    "poll.500": 0.02,
    "poll.502": 0.02,
    "poll.garbage": 0.01,
    "poll.reset": 0.02,
    "result.stale_url": 0.02,
    "download.truncated": 0.02,
    "download.short": 0.01,
    "download.html": 0.015,
    "download.wrong_type": 0.01,
    "download.zeroed_tail": 0.015,
    "download.expired": 0.01,
    "download.502": 0.01,
    "download.reset": 0.01,
}
_DOUBT = {
    "post.accept_then_reset": 0.03,
    "post.accept_then_502": 0.02,
    "post.accept_then_garbage": 0.02,
    "post.accept_then_cut": 0.01,
    "post.accept_then_empty": 0.01,
    "post.accept_then_hang": 0.01,
    "post.reset": 0.01,
}
_ODDITIES = {
    "post.accept_then_504": 0.02,
    "post.accept_then_no_id": 0.01,
    "post.429_odd_retry_after": 0.01,
    "post.500": 0.02,
    "post.502": 0.01,
    "post.string_code": 0.05,
    "post.zero_code": 0.05,
    "post.bare": 0.05,
    "sync.moderated": 0.03,
    "sync.bad_base64": 0.01,
    "sync.data_uri": 0.02,
    "upload.no_url": 0.02,
    "upload.hang": 0.01,
    "task.moderated": 0.03,
    "task.failed_transient": 0.02,
    "task.failed_unknown": 0.02,
    "task.canceled": 0.01,
    "poll.too_frequent": 0.01,
    "poll.not_found": 0.02,
    "poll.unknown_status": 0.03,
    "poll.bare": 0.05,
    "poll.string_code": 0.05,
    "result.no_url": 0.02,
    "result.relative_url": 0.02,
    "result.backwards": 0.02,
    "result.success_word": 0.05,
    "download.empty": 0.02,
    "download.not_found": 0.02,
    "download.500": 0.02,
    "download.drip": 0.02,
}

PROFILES: dict[str, Profile] = {
    "calm": Profile(meaning="no faults"),
    "rough": Profile(meaning="about one request in ten fails; no paid image is put at risk", rates=_ROUGH),
    "doubt": Profile(meaning="one submit in ten is billed without a usable answer", rates=_DOUBT),
    "broke": Profile(meaning="the balance ends after 1.00 coin", balance=Decimal("1.00")),
    "revoked": Profile(meaning="the key is revoked after its 20th submit", revoke_after=20),
    "storm": Profile(
        meaning="everything at once, at twice the usual rates",
        rates={name: rate * 2 for name, rate in (_ROUGH | _DOUBT).items()} | _ODDITIES,
    ),
}
