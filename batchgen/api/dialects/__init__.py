"""The vendors by the word that stands under ``provider.use`` in a manifest."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.ports import Dialect

_BY_USE: Final[Mapping[str, Dialect]] = MappingProxyType(dict.fromkeys(("jimmyai", "sim"), JimmyAI()))


def dialect_for(use: str) -> Dialect | None:
    """Give the dialect of a ``provider.use`` word, or None; ``sim`` speaks the language of ``jimmyai``."""
    return _BY_USE.get(use)


def known_uses() -> tuple[str, ...]:
    """List every word that ``provider.use`` takes."""
    return tuple(_BY_USE)
