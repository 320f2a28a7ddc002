"""Coerce the texts of a manifest into values: texts, counts, durations, rates, amounts. The YAML reader resolves nothing.

Each validator raises a pydantic error whose type is our own code, with a sentence for people and, where one helps, a hint.
"""

import re
from datetime import datetime, time
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from batchgen.core.money import to_micros
from batchgen.planning.reader import Null

Value = str | tuple[str, ...]
"""A parameter's value: a text, or a list of names where reference images are meant."""

_SCALAR_SCHEMA: Final[dict[str, object]] = {"type": ["string", "number", "boolean"]}
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|m|min|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_RATE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*/\s*(s|sec|second|m|min|minute|h|hour)")
_CLOCK_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_LONGEST_NAME: Final = 200


def wrong(message: str, *, code: str = "E103", hint: str = "") -> PydanticCustomError:
    """Build the error that becomes a located problem with this code, message and hint."""
    return PydanticCustomError(code, "{message}", {"message": message, "hint": hint})


def kind_of(value: object) -> str:
    """Name what stands in the manifest, for a message."""
    match value:
        case Null():
            return "nothing"
        case str():
            return "a text"
        case dict():
            return "a mapping"
        case _:
            return "a list"


def text(value: object) -> str:
    """Take any scalar as the text that was written."""
    if not isinstance(value, str) or isinstance(value, Null):
        raise wrong(f"must be a text, not {kind_of(value)}")
    return value


def literal_text(value: object) -> str:
    """Take a prompt: as ``text``, and the words ``null`` and ``~`` are ordinary texts here."""
    return str(value) if isinstance(value, Null) and value else text(value)


def name(value: object) -> str:
    """Take a short printable text that names something."""
    word = text(value)
    if not word.strip() or not word.isprintable() or len(word) > _LONGEST_NAME:
        raise wrong(f"must be a printable name of at most {_LONGEST_NAME} characters")
    return word


def count(value: object) -> int:
    """Take a whole number from 1."""
    word = text(value)
    if not _COUNT.fullmatch(word) or int(word) < 1:
        raise wrong(f"must be a whole number from 1, not {_shown(word)}")
    return int(word)


def count_or_auto(value: object) -> int | None:
    """Take a whole number from 1, or the word ``auto`` for None."""
    word = text(value)
    if word != "auto" and (not _COUNT.fullmatch(word) or int(word) < 1):
        raise wrong(f"must be a whole number from 1, or auto, not {_shown(word)}")
    return None if word == "auto" else int(word)


def whole(value: object) -> int:
    """Take a whole number from 0."""
    word = text(value)
    if not _COUNT.fullmatch(word):
        raise wrong(f"must be a whole number, not {_shown(word)}")
    return int(word)


def duration_s(value: object) -> float:
    """Take a duration such as ``180s``, ``30m``, ``2h`` or ``500ms`` as seconds."""
    word = text(value)
    match = _DURATION.fullmatch(word)
    if not match or float(match[1]) == 0:
        raise wrong(f"must be a duration such as 180s, 30m or 2h, not {_shown(word)}")
    return float(match[1]) * _SECONDS[match[2]]


def rate(value: object) -> float:
    """Take a rate such as ``60/min`` or ``2/s`` as events a second."""
    word = text(value)
    match = _RATE.fullmatch(word)
    if not match or float(match[1]) == 0:
        raise wrong(f"must be a rate such as 60/min or 2/s, not {_shown(word)}")
    return float(match[1]) / _SECONDS[match[2][0]]


def amount(value: object) -> str:
    """Take a decimal amount of the provider's unit; it stays text, exactly as written."""
    word = text(value)
    try:
        to_micros(Decimal(word) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", word) else "")
    except ValueError:
        raise wrong(f"must be an amount such as 40 or 12.50, not {_shown(word)}") from None
    return word


def deadline(value: object) -> str:
    """Take a local time of day such as ``07:30``, or an ISO instant."""
    word = text(value)
    if not _CLOCK_TIME.fullmatch(word):
        try:
            datetime.fromisoformat(word)
        except ValueError:
            raise wrong(f"must be a time such as 07:30 or 2026-11-22T07:30:00Z, not {_shown(word)}") from None
    return word


def clock_time(word: str) -> time | None:
    """Read a local time of day; None when the word is an instant."""
    match = _CLOCK_TIME.fullmatch(word)
    return time(int(match[1]), int(match[2])) if match else None


def value(item: object) -> Value:
    """Take one parameter value: a text, or a list of texts (which only reference images may have)."""
    return tuple(text(part) for part in item) if isinstance(item, list) else text(item)


def words_of(item: Value) -> tuple[str, ...]:
    """Give a value's texts: itself, or those of the list."""
    return (item,) if isinstance(item, str) else item


def as_list(item: object) -> object:
    """Take a single value for a list of one."""
    return item if isinstance(item, list) else [item]


def _shown(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:40] + "…")


Text = Annotated[str, BeforeValidator(text), WithJsonSchema(_SCALAR_SCHEMA)]
Literally = Annotated[str, BeforeValidator(literal_text), WithJsonSchema(_SCALAR_SCHEMA)]
Name = Annotated[str, BeforeValidator(name), WithJsonSchema({**_SCALAR_SCHEMA, "minLength": 1, "maxLength": 200})]
Count = Annotated[int, BeforeValidator(count), WithJsonSchema({"type": "integer", "minimum": 1})]
AutoCount = Annotated[
    int | None,
    BeforeValidator(count_or_auto),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}], "default": "auto"}),
]
Whole = Annotated[int, BeforeValidator(whole), WithJsonSchema({"type": "integer", "minimum": 0})]
Duration = Annotated[float, BeforeValidator(duration_s), WithJsonSchema({"type": "string", "pattern": rf"^{_DURATION.pattern}$"})]
Rate = Annotated[float, BeforeValidator(rate), WithJsonSchema({"type": "string", "pattern": rf"^{_RATE.pattern}$"})]
Amount = Annotated[str, BeforeValidator(amount), WithJsonSchema({"type": ["number", "string"], "minimum": 0})]
Deadline = Annotated[str, BeforeValidator(deadline), WithJsonSchema({"type": "string"})]
OneValue = Annotated[
    Value,
    PlainValidator(value),
    WithJsonSchema({"anyOf": [_SCALAR_SCHEMA, {"type": "array", "items": {"type": "string"}}]}),
]
Values = Annotated[
    tuple[OneValue, ...],
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [_SCALAR_SCHEMA, {"type": "array", "minItems": 1}]}),
]
Texts = Annotated[
    tuple[Text, ...],
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [_SCALAR_SCHEMA, {"type": "array", "items": _SCALAR_SCHEMA, "minItems": 1}]}),
]
