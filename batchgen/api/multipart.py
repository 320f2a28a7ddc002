"""Forms with files (RFC 7578): a pure encoder that shares large contents instead of copying them.

Knows nothing of a vendor's fields. The same fields and boundary give the same bytes each time, so a body's hash can stand for the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Final

_ESCAPES: Final = str.maketrans({"\n": "%0A", "\r": "%0D", '"': "%22"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One part of a form. Text has neither filename nor media type; a file has both, and its media type comes from us alone."""

    name: str
    content: bytes
    filename: str | None = None
    media_type: str | None = None


def encode(fields: Sequence[Field], *, boundary: str) -> tuple[tuple[bytes, ...], str]:
    """Give the body in pieces, each content the very object that was given, and the content type.

    ``boundary`` is made of up to 60 letters, digits and hyphens, derived from the job's key. Where a content holds it, it is lengthened,
    the same way each time.
    """
    chosen = _absent(boundary, fields)
    pieces: list[bytes] = []
    for field in fields:
        pieces += (_head(field, chosen), field.content, b"\r\n")
    pieces.append(f"--{chosen}--\r\n".encode())
    return tuple(pieces), f"multipart/form-data; boundary={chosen}"


def _absent(boundary: str, fields: Sequence[Field]) -> str:
    """Lengthen the boundary until no content holds it; contents are finite, so one of the numbers is missing in them."""
    tries = chain((boundary,), (f"{boundary}-{number}" for number in count()))
    return next(candidate for candidate in tries if not any(candidate.encode() in field.content for field in fields))


def _head(field: Field, boundary: str) -> bytes:
    filename = "" if field.filename is None else f'; filename="{_escaped(field.filename)}"'
    media_type = "" if field.media_type is None else f"\r\nContent-Type: {field.media_type}"
    text = f'--{boundary}\r\nContent-Disposition: form-data; name="{_escaped(field.name)}"{filename}{media_type}\r\n\r\n'
    return text.encode("utf-8", "replace")


def _escaped(name: str) -> str:
    """Write a name for its place between quotes as browsers do: quotes and line breaks percent-encoded, all else as it is."""
    return name.translate(_ESCAPES)
