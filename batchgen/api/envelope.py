"""Strict JSON for answers that cost money: one reading or none, whatever the bytes.

Knows nothing of a vendor's fields. Must not raise on any input.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn

from batchgen.core.secrets import without_queries

MAX_BYTES: Final = 1 << 20
"""A longer answer is not read at all."""

_MAX_DIGITS: Final = 64
_EXCERPT_CHARS: Final = 300
_HALVES: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89a-fA-F][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?")
_PART: Final = re.compile(r"\x00part:(0|[1-9][0-9]{0,5})")


def parse(body: bytes) -> Mapping[str, object] | None:
    """Read a JSON object, or give None when there is none or more than one way to understand it.

    Numbers with a fraction are Decimals; a number of more than 64 digits or beyond their range counts as null, so that a senseless amount
    does not hide the id beside it. A UTF-8 byte order mark is dropped; other encodings, repeated keys, NaN, nesting beyond the
    interpreter's stack and bodies over 1 MiB are refused.
    """
    if len(body) > MAX_BYTES:
        return None
    try:
        read = json.loads(
            _encodable(body.decode("utf-8-sig")),
            object_pairs_hook=_unique,
            parse_float=_fraction,
            parse_int=_whole,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def excerpt(body: bytes, chars: int = _EXCERPT_CHARS) -> str:
    """Give the beginning of a body as text on one line, for a person to recognise it; no address in it keeps its query."""
    text = without_queries(" ".join(body[: 4 * chars].decode("utf-8", "replace").split()))
    return text[:chars] if text else "empty body"


def part_of(value: object) -> int | None:
    """Give the number of the part that was cut out where this value stands, or None for anything else."""
    found = _PART.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else int(found[1])


def _encodable(text: str) -> str:
    """Put U+FFFD in the place of escaped halves of pairs: a text that holds one can be stored and printed nowhere."""
    return _HALVES.sub(_whole_pair, text) if "\\ud" in text or "\\uD" in text else text


def _whole_pair(found: re.Match[str]) -> str:
    before, first, second = found.groups()
    if second is not None and first[1] in "89abAB":
        return found[0]
    return before + "\\ufffd" * (1 if second is None else 2)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) != len(pairs):
        msg = "repeated key"
        raise ValueError(msg)
    return read


def _fraction(text: str) -> Decimal | None:
    try:
        return Decimal(text) if len(text) <= _MAX_DIGITS else None
    except InvalidOperation:
        return None


def _whole(text: str) -> int | None:
    return int(text) if len(text) <= _MAX_DIGITS else None


def _refuse(text: str) -> NoReturn:
    msg = f"{text} is not JSON"
    raise ValueError(msg)
