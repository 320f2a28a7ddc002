"""What stands in a JSON answer: values found by pointer, and taken only where they can be used.

Pure; knows no vendor. Must not raise, whatever an answer holds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final

from batchgen.api.envelope import part_of
from batchgen.core.money import Micros, to_micros
from batchgen.core.readings import Delivered

MAX_IMAGES: Final = 16
"""More results than that are not a result but a flood."""

_MAX_ID_CHARS: Final = 256
_MAX_URL_CHARS: Final = 8192
_URL: Final = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_DATA_URL: Final = re.compile(r"data:[^,]{0,100};base64,(.*)", re.IGNORECASE | re.DOTALL)


def found(value: object, pointer: str) -> Iterator[object]:
    """Give the values at a JSON pointer (RFC 6901), where the step ``*`` also means every item of a list."""
    places = [value]
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        places = [inner for place in places for inner in _below(place, name)]
    yield from places


def usable_id(value: object) -> str | None:
    """Give a task's id: a short printable text that is no path, or a number above 0."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    if not isinstance(value, str) or len(value) > _MAX_ID_CHARS:
        return None
    return value if value.isprintable() and value.strip(" .") and "\ufffd" not in value else None


def usable_urls(values: Iterable[object]) -> tuple[str, ...]:
    """Give the absolute http(s) URLs among the values, without repeats, at most 16."""
    texts = (value.strip() for value in values if isinstance(value, str))
    return tuple(dict.fromkeys(text for text in texts if _is_url(text)))[:MAX_IMAGES]


def delivered(base64: Iterable[object], urls: Iterable[object], *, parts: int) -> Delivered | None:
    """Give the images that an answer holds, or None: parts that were cut out of it, else short base64 and data URLs, else URLs."""
    base64, urls = list(base64), list(urls)
    numbers = (part_of(value) for value in (*base64, *urls))
    cut = tuple(dict.fromkeys(number for number in numbers if number is not None and number < parts))[:MAX_IMAGES]
    if cut:
        return Delivered(parts=cut)
    inline = tuple(dict.fromkeys(_inline(base64, urls)))[:MAX_IMAGES] or usable_urls(urls)
    return Delivered(urls=inline) if inline else None


def amount(value: object) -> Micros | None:
    """Give an amount of money, or None for nothing and for nonsense."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        return to_micros(value)
    except ValueError:
        return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read how long the vendor asks to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as an HTTP date.

    A date is measured against the reply's own ``date``. Past, naive or junk is None.
    """
    milliseconds, text = (headers.get(name, "").strip() for name in ("retry-after-ms", "retry-after"))
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", milliseconds):
        return float(milliseconds) / 1000
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        return float(text)
    until, sent = (_moment(stamp) for stamp in (text, headers.get("date", "")))
    if until is None or sent is None or until < sent:
        return None
    return (until - sent).total_seconds()


def _below(place: object, name: str) -> Iterable[object]:
    match place:
        case dict() if name in place:
            return (place[name],)
        case list() if name == "*":
            return place
        case list() if name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(place):
            return (place[int(name)],)
        case _:
            return ()


def _inline(base64: Iterable[object], urls: Iterable[object]) -> Iterator[str]:
    """Give as data URLs what stands in the answer itself."""
    for text in _texts(base64):
        yield from _data_url(text if _DATA_URL.fullmatch(text) else f"data:;base64,{text}")
    for text in _texts(urls):
        yield from _data_url(text)


def _texts(values: Iterable[object]) -> Iterator[str]:
    """Give the texts among the values without any white space, which base64 and URLs have none of."""
    yield from ("".join(value.split()) for value in values if isinstance(value, str))


def _data_url(text: str) -> Iterator[str]:
    match = _DATA_URL.fullmatch(text)
    if match is not None and _BASE64.fullmatch(match[1]):
        yield text


def _is_url(text: str) -> bool:
    return len(text) <= _MAX_URL_CHARS and text.isprintable() and _URL.match(text) is not None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment
