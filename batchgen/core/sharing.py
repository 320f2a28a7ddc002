"""How the runs of one batch divide its limits, so that together they never pass one. Pure.

Theory of operation. Each run has a share: what it may have alive, or still has. A run aims at an even part of the limit, may take no more
than the shares of the others leave, and gives up at once what is above its part, as far as nothing alive holds it back. So the sum of the
shares never passes the limit, whoever comes or goes; a run that died holds its share until its lease has run out, as its tasks hold the
vendor. A newcomer gets its part as the others shrink to theirs, within a second or two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from batchgen.core.limits import Limits, Pace

LEAST_RATE: Final = 1e-6
"""What stands for no rate at all, so that a wait can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one run may have alive and send; None where there is no limit to divide, nor a number of its own."""

    in_flight: int | None = None
    submits_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which of how many runs: ``rank`` counts from 0 in the order in which they began."""

    rank: int
    members: int


def places_for(limit: int, part: Part, others: Sequence[Share]) -> int:
    """Give how many tasks a run may have alive of a limit that others share."""
    even = limit // part.members + (part.rank < limit % part.members)
    return max(0, min(even, limit - sum(other.in_flight or 0 for other in others)))


def rate_for(limit: float, part: Part, others: Sequence[Share]) -> float:
    """Give how many orders a second a run may send of a limit that others share."""
    left = limit - sum(other.submits_per_s or 0.0 for other in others)
    return max(LEAST_RATE, min(limit / part.members, left))


def larger(one: Share, other: Share) -> Share:
    """Give of each the larger; what is no limit stays none."""
    return Share(
        in_flight=None if one.in_flight is None else max(one.in_flight, other.in_flight or 0),
        submits_per_s=None if one.submits_per_s is None else max(one.submits_per_s, other.submits_per_s or 0.0),
    )


def divided(limits: Limits, part: Part, others: Mapping[str, Sequence[Share]], *, most: int | None = None) -> dict[str, Share]:
    """Give what a run may take of every limit that has a number, by model; "" stands for all, of which it wants at most ``most``."""
    return {model: _share(pace, part, others.get(model, ()), most=None if model else most) for model, pace in paces_of(limits).items()}


def nothing_of(limits: Limits) -> dict[str, Share]:
    """Give what a newcomer may take before it has met the others."""
    return {
        model: Share(in_flight=None if pace.in_flight is None else 0, submits_per_s=None if pace.submits_per_s is None else LEAST_RATE)
        for model, pace in paces_of(limits).items()
    }


def paces_of(limits: Limits) -> dict[str, Pace]:
    """Give the limits of all models together, under "", and those of single models."""
    return {"": limits.pace, **limits.per_model}


def _share(pace: Pace, part: Part, others: Sequence[Share], *, most: int | None) -> Share:
    places = most if pace.in_flight is None else places_for(pace.in_flight, part, others)
    return Share(
        in_flight=places if places is None or most is None else min(places, most),
        submits_per_s=None if pace.submits_per_s is None else rate_for(pace.submits_per_s, part, others),
    )
