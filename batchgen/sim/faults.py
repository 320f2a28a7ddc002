"""Decide, by seed and ordinal alone, which request meets which fault.

A fault is named `point.what`. Each point (`post`, `sync`, `upload`, `task`, `poll`, `result`, `download`) counts its own
occurrences from 1, and the n-th occurrence draws from a hash of (seed, point, n): the same seed gives the same sequence in every process,
whatever the clients' timing at the other points. This module decides; `misbehaviour.py` carries out.
"""

import difflib
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, Self, get_args

from batchgen.sim.profiles import PROFILES

Point = Literal["post", "sync", "upload", "task", "poll", "result", "download"]
POINTS: tuple[Point, ...] = get_args(Point)

FAULTS: dict[str, str] = {
    # A paid call, be it a submit or synchronous, that is refused or lost. Nothing is billed.
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
    # A paid call that is accepted and billed, and whose answer is of no use.
    "post.accept_then_reset": "accepted and billed, then the connection is reset",
    "post.accept_then_502": "accepted and billed, then HTTP 502 with an HTML body",
    "post.accept_then_504": "accepted and billed, then HTTP 504 with an HTML body",
    "post.accept_then_garbage": "accepted and billed, then a body that is not JSON",
    "post.accept_then_cut": "accepted and billed, then half of the answer and the connection closes",
    "post.accept_then_empty": "accepted and billed, then an empty body",
    "post.accept_then_no_id": "accepted and billed, then a success without a task id or without an image",
    "post.accept_then_hang": "accepted and billed, then no answer until the client gives up",
    # A paid call that is accepted, in one of the documented dialects.
    "post.string_code": "accepted, the code is the string '20000'",
    "post.zero_code": "accepted, the code is 0",
    "post.bare": "accepted, the task or the images stand without an envelope",
    # A synchronous image call that was let in; all but the refusal are billed.
    "sync.moderated": "refused by moderation after the full wait, not billed",
    "sync.bad_base64": "b64_json, whatever was asked for, that is not base64",
    "sync.data_uri": "b64_json, whatever was asked for, with a data: prefix",
    "sync.escaped_slashes": "the JSON writes every slash with a backslash before it",
    "sync.both": "url and b64_json side by side",
    # An upload. It is free.
    "upload.500": "HTTP 500 with code -1",
    "upload.reset": "connection reset after the body is read",
    "upload.hang": "no answer until the client gives up",
    "upload.garbage": "HTTP 200 with JSON cut in half",
    "upload.no_url": "a success whose url is empty",
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
