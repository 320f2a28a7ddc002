"""How a reference image travels with an order. Pure: a plan refuses by it, a run sends by it."""

from typing import Final

from batchgen.core.dialects import Way

MAX_INLINE_BYTES: Final = 256 * 1024
"""A bigger file is uploaded where that can be chosen: no vendor tells how long a request may be."""


def way_for(*, is_address: bool, send: str, ways: frozenset[Way], size_bytes: int | None) -> Way | None:
    """Choose the way of a reference among those that an operation has; None when it can go by none.

    ``send`` is the manifest's word, and only chooses between base64 and upload. A size that nobody knows counts as big.
    """
    if is_address:
        return "url" if "url" in ways else None
    return next((way for way in _preferred(send, size_bytes) if way in ways), None)


def _preferred(send: str, size_bytes: int | None) -> tuple[Way, ...]:
    """Give the ways of a file, the best first."""
    match send:
        case "base64":
            return "file", "base64"
        case "upload":
            return "file", "upload"
        case _ if size_bytes is not None and size_bytes <= MAX_INLINE_BYTES:
            return "file", "base64", "upload"
        case _:
            return "file", "upload", "base64"
