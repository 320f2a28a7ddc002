"""The image inside an answer: from the raw content of a JSON string to bytes, piece by piece.

Vendors write base64 with and without padding, line breaks, a ``data:`` prefix and JSON's escapes; each of these is undone, and anything
else is refused. Where one piece ends and the next begins makes no difference.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final

from batchgen.core.errors import BadImageError

_WHITESPACE: Final = b" \t\r\n\f\v"
_ESCAPED_CHARACTER: Final = re.compile(rb"\\u00([0-9a-fA-F]{2})")
_LONGEST_ESCAPE: Final = len(rb"\u002f")
_MAX_PREFIX: Final = 1024
_URLSAFE: Final = bytes.maketrans(b"-_", b"+/")


def decoded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the decoded bytes as they come; raise BadImageError (``not_base64``) at the first thing that is not base64.

    What was given before the error is to be thrown away. An empty text gives nothing.
    """
    return _decoded(_in_one_alphabet(_without_prefix(_unescaped(pieces))))


def _unescaped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        text = rest + piece
        end = _end_of_whole_escapes(text)
        yield _plain(text[:end])
        rest = text[end:]
    yield _plain(rest)


def _end_of_whole_escapes(text: bytes) -> int:
    at = text.rfind(b"\\", max(0, len(text) + 1 - _LONGEST_ESCAPE))
    return at if at >= 0 and text[at + 1 : at + 2] in {b"", b"u"} else len(text)


def _plain(text: bytes) -> bytes:
    """Undo the escapes that can stand in base64 and drop white space; a backslash that is left is refused by the decoder."""
    if b"\\" in text:
        text = text.replace(b"\\/", b"/").replace(b"\\n", b"").replace(b"\\r", b"").replace(b"\\t", b"")
        text = _ESCAPED_CHARACTER.sub(lambda found: bytes.fromhex(found[1].decode()), text)
    return text.translate(None, _WHITESPACE)


def _without_prefix(texts: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for text in texts:
        head += text
        if not _may_be_half_a_prefix(head):
            break
    if _has_prefix(head):
        label, comma, head = head.partition(b",")
        if not comma or not label.lower().endswith(b";base64"):
            raise _refused("a data URL without base64")
    yield head
    yield from texts


def _has_prefix(head: bytes) -> bool:
    return head[:5].lower() == b"data:"


def _may_be_half_a_prefix(head: bytes) -> bool:
    return len(head) < 5 or (_has_prefix(head) and b"," not in head and len(head) < _MAX_PREFIX)


def _in_one_alphabet(texts: Iterator[bytes]) -> Iterator[bytes]:
    """Turn the URL-safe alphabet into the standard one; a text that uses both was damaged on its way."""
    is_standard = is_urlsafe = False
    for text in texts:
        is_standard |= b"+" in text or b"/" in text
        is_urlsafe |= b"-" in text or b"_" in text
        if is_standard and is_urlsafe:
            raise _refused("two alphabets in one text")
        yield text.translate(_URLSAFE) if is_urlsafe else text


def _decoded(texts: Iterator[bytes]) -> Iterator[bytes]:
    rest, padding = b"", 0
    for text in texts:
        letters, equals, after = text.partition(b"=")
        if (padding and letters) or after.strip(b"="):
            raise _refused("text behind the padding")
        padding += len(equals) + len(after)
        rest += letters
        whole = len(rest) // 4 * 4
        if whole:
            yield _bytes_of(rest[:whole])
            rest = rest[whole:]
    missing = -len(rest) % 4
    if padding > missing:
        raise _refused("too much padding")
    if rest:
        yield _bytes_of(rest + b"=" * missing)


def _bytes_of(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise _refused(str(error)) from error


def _refused(what: str) -> BadImageError:
    return BadImageError(f"the image inside the answer is not base64: {what}", reason="not_base64")
