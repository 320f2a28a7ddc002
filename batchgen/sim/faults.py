"""Decide, by seed and ordinal alone, which request meets which fault.

A fault is named `point.what`. Each point (`post`, `task`, `poll`, `result`, `download`) counts its own occurrences from 1,
and the n-th occurrence draws from a hash of (seed, point, n): the same seed gives the same sequence in every process,
whatever the clients' timing at the other points. This module decides; `misbehaviour.py` carries out.
"""

import difflib
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Self, get_args

Point = Literal["post", "task", "poll", "result", "download"]
POINTS: tuple[Point, ...] = get_args(Point)

FAULTS: dict[str, str] = {
    # A submit that is refused or lost. Nothing is billed.
    "post.429": "HTTP 429 without Retry-After",
    "post.429_retry_after": "HTTP 429 with Retry-After: 1",
    "post.429_odd_retry_after": "HTTP 429 with a Retry-After that is negative, junk, long past or absurdly long",
    "post.too_frequent": "HTTP 200 with code 40000, the rate limit in a message",
    "post.server_error": "HTTP 200 with code -1 'server error'",
    "post.500": "HTTP 500 with code -1 in the usual envelope",
    "post.no_balance": "HTTP 200 with code -1, balance too low",
    "post.quota": "HTTP 200 with code -1, key quota exhausted",
    "post.unauthorized": "HTTP 200 with code 20001",
    "post.bad_parameters": "HTTP 200 with code 20002",
    "post.redirect": "HTTP 307 to another loopback address",
    "post.502": "HTTP 502 with an HTML body; the client cannot know that nothing was billed",
    "post.reset": "connection reset before the body is read; the client cannot know that nothing was billed",
    # A submit that is accepted and billed, and whose answer is of no use.
    "post.accept_then_reset": "accepted and billed, then the connection is reset",
    "post.accept_then_502": "accepted and billed, then HTTP 502 with an HTML body",
    "post.accept_then_504": "accepted and billed, then HTTP 504 with an HTML body",
    "post.accept_then_garbage": "accepted and billed, then a body that is not JSON",
    "post.accept_then_cut": "accepted and billed, then half of the answer and the connection closes",
    "post.accept_then_empty": "accepted and billed, then an empty body",
    "post.accept_then_no_id": "accepted and billed, then a success without a task id",
    "post.accept_then_hang": "accepted and billed, then no answer until the client gives up",
    # A submit that is accepted, in one of the documented dialects.
    "post.string_code": "accepted, the code is the string '20000'",
    "post.zero_code": "accepted, the code is 0",
    "post.bare": "accepted, the task stands without an envelope",
    # What becomes of the task.
    "task.slow": "the task takes five times as long",
    "task.stuck": "the task stays in processing for a week",
    "task.moderated": "the task fails with PROVIDER_MODERATION_ERROR and is refunded",
    "task.failed_transient": "the task fails with 'Read timed out' and is refunded",
    "task.failed_unknown": "the task fails with a message nobody has seen and is refunded",
    "task.canceled": "the task ends as canceled and is refunded",
    # A poll.
    "poll.429": "HTTP 429 with Retry-After: 1",
    "poll.too_frequent": "HTTP 200 with code 40000",
    "poll.server_error": "HTTP 200 with code -1",
    "poll.500": "HTTP 500 with code -1",
    "poll.502": "HTTP 502 with an HTML body",
    "poll.garbage": "HTTP 200 with JSON cut in half",
    "poll.reset": "connection reset before an answer",
    "poll.hang": "no answer until the client gives up",
    "poll.not_found": "code -1, task unknown, although it exists",
    "poll.unauthorized": "code 20001",
    "poll.unknown_status": "status 'prompt_checking'",
    "poll.bare": "the task stands without an envelope",
    "poll.string_code": "the code is the string '20000'",
    # A poll that would have told of a completed task.
    "result.stale_url": "the image URL has already expired; the next poll signs a fresh one",
    "result.no_url": "completed, but the image URL is empty",
    "result.relative_url": "completed, but the image URL is a bare storage key",
    "result.backwards": "the completed task is told as processing again",
    "result.success_word": "the status is 'success' and the URL stands in mediaUrl",
    # A download.
    "download.truncated": "the connection closes before Content-Length is reached",
    "download.short": "half of the picture under a matching Content-Length",
    "download.empty": "HTTP 200 with no bytes",
    "download.html": "HTTP 200 with an HTML page",
    "download.wrong_type": "HTTP 200, image/png announced, SVG with a script delivered",
    "download.zeroed_tail": "the last third of the picture is zero bytes",
    "download.expired": "HTTP 403 as if the URL had expired",
    "download.not_found": "HTTP 404",
    "download.500": "HTTP 500",
    "download.502": "HTTP 502 with an HTML body",
    "download.reset": "connection reset before an answer",
    "download.drip": "the picture arrives in crumbs over a second",
    "download.redirect_inside": "HTTP 302 to a cloud metadata address",
    "download.bomb": "a valid PNG of 20,000 x 20,000 pixels in 50 KB",
}


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


class FaultError(ValueError):
    """Report a fault or profile that does not exist, or a rate that cannot be meant."""


def share(seed: int, *parts: object) -> float:
    """Return a number in [0, 1) that depends on nothing but the seed and the parts."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64


def known(name: str, names: Iterable[str], *, what: str) -> str:
    """Return the name unchanged; raise FaultError with the nearest known one otherwise."""
    candidates = tuple(names)
    if name in candidates:
        return name
    near = difflib.get_close_matches(name, candidates, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise FaultError(f"unknown {what} '{name}'{hint}")


class FaultPlan:
    """Hand out faults, one draw for each occurrence of a point."""

    def __init__(self, seed: int, rates: Mapping[str, float] | None = None, exact: Mapping[str, frozenset[int]] | None = None) -> None:
        self._seed = seed
        self._rates = dict(rates or {})
        self._exact = dict(exact or {})
        self._ordinals: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        for point in POINTS:
            total = math.fsum(rate for name, rate in self._rates.items() if _point(name) == point)
            if total > 1:
                raise FaultError(f"the rates of '{point}' faults add up to {total:g}, more than 1")

    @classmethod
    def of(cls, seed: int, profile: str, singles: Iterable[str] = ()) -> Self:
        """Return the plan of a profile with single faults (`name`, `name=0.05` or `name@3`) laid over it.

        Raises FaultError for an unknown name or a rate outside 0..1.
        """
        rates = dict(PROFILES[known(profile, PROFILES, what="profile")].rates)
        exact: dict[str, frozenset[int]] = {}
        for single in singles:
            name, rate, ordinal = parse_single(single)
            if ordinal is None:
                rates[name] = rate
            else:
                exact[name] = exact.get(name, frozenset()) | {ordinal}
        return cls(seed, rates, exact)

    def draw(self, point: Point) -> str | None:
        """Count one more occurrence of the point and return the fault it meets, if any."""
        self._ordinals[point] += 1
        ordinal = self._ordinals[point]
        name = self._by_ordinal(point, ordinal) or self._by_rate(point, ordinal)
        if name:
            self.met[name] += 1
        return name

    @property
    def occurrences(self) -> dict[str, int]:
        """Return how often each point has been drawn."""
        return dict(self._ordinals)

    def _by_ordinal(self, point: Point, ordinal: int) -> str | None:
        return next((name for name, at in self._exact.items() if _point(name) == point and ordinal in at), None)

    def _by_rate(self, point: Point, ordinal: int) -> str | None:
        left = share(self._seed, point, ordinal)
        for name, rate in self._rates.items():
            if _point(name) == point:
                if left < rate:
                    return name
                left -= rate
        return None


def parse_single(text: str) -> tuple[str, float, int | None]:
    """Return (name, rate, ordinal) of `name`, `name=rate` or `name@ordinal`; a bare name means always."""
    name, at, ordinal = text.partition("@")
    if at:
        return known(name, FAULTS, what="fault"), 0.0, _ordinal(ordinal, text)
    name, equals, rate = text.partition("=")
    return known(name, FAULTS, what="fault"), _rate(rate, text) if equals else 1.0, None


def _ordinal(text: str, whole: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise FaultError(f"'{whole}': an ordinal is a whole number from 1")
    return int(text)


def _rate(text: str, whole: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= 1:
        raise FaultError(f"'{whole}': a rate is a number from 0 to 1")
    return rate


def _point(name: str) -> str:
    return name.partition(".")[0]
