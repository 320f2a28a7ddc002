"""How a secret may be written down: what to look for where it must not stand, and what to leave out of words of others. Pure."""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

_QUERY: Final = re.compile(r"\?[\w.%+\[\]-]+=[^\s\"'<>`]*")
_URL_SAFE: Final = str.maketrans("+/", "-_")


def spellings(secret: str) -> frozenset[str]:
    """Give the secret as it is, percent-quoted, and as base64 of either alphabet holds it, alone or among other bytes.

    Of base64 only the letters are given that the secret alone decides; what stands around it in the same bytes changes the others.
    """
    return frozenset({secret, quote(secret, safe=""), *_in_base64(secret.encode())})


def without_queries(text: str) -> str:
    """Give the text without the queries of the addresses in it, where signatures stand; host and path stay."""
    return _QUERY.sub("?…", text)


def _in_base64(secret: bytes) -> Iterator[str]:
    for bytes_before, letters_before in ((0, 0), (1, 2), (2, 3)):
        whole_letters = (bytes_before + len(secret)) * 8 // 6
        text = b64encode(bytes(bytes_before) + secret).decode()[letters_before:whole_letters]
        yield text
        yield text.translate(_URL_SAFE)
