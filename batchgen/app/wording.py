"""Words that several answers share: counted things, and money of which a part may be unknown."""

import re
from collections.abc import Mapping

from batchgen.core.money import shown
from batchgen.store.queries import Doubts, Totals


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def file_name(batch: str) -> str:
    """Give a name for files of ours that tells the batch's, whatever characters that has."""
    return re.sub(r"[^\w.-]+", "-", batch).lstrip(".")


def duration(seconds: float) -> str:
    """Write a duration for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def between(low_micros: int, high_micros: int, unit: str) -> str:
    """Write an amount, or the range that it lies in."""
    return shown(high_micros, unit) if low_micros == high_micros else f"{shown(low_micros, '')} to {shown(high_micros, unit)}"


def at_least(known_micros: int, unit: str, *, unpriced: str) -> str:
    """Write a sum to which something without a price belongs, as ``unpriced`` says; where nothing else does, it is unknown, never 0."""
    return f"at least {shown(known_micros, unit)} ({unpriced})" if known_micros else f"unknown ({unpriced})"


def unpriced(rows: Mapping[str, int]) -> str:
    """Say which rows, by model, are not ordered because no limit of cost could be kept for them, and the ways on."""
    named = ", ".join(f"{counted(count, 'row')} of {model}" for model, count in sorted(rows.items()))
    way_on = "name it under provider.prices, or order such rows one at a time with --allow-unpriced"
    return f"no cost limit can be kept while a price is unknown ({named}): {way_on}"


def money(totals: Totals, doubts: Doubts, unit: str) -> str:
    """Write what a batch has spent, with what is reserved or in doubt where there is any."""
    unknown = f"{counted(doubts.unpriced, 'order')} without a price"
    bought = f"cost {at_least(totals.spent, unit, unpriced=unknown)}" if doubts.unpriced else f"spent {shown(totals.spent, unit)}"
    reserved = f", reserved {shown(totals.reserved, unit)}" if totals.reserved else ""
    return bought + reserved + (f", in doubt {shown(totals.held, unit)}" if totals.held else "")
