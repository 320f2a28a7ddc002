"""The vendors by the word that stands under ``provider.use`` in a manifest; a plugin cannot take the place of one of our own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from batchgen.api.dialects import plugins
from batchgen.api.dialects.http import HttpDialect
from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.api.dialects.jimmyai_video import JimmyAIVideo
from batchgen.api.dialects.openai import OpenAI
from batchgen.core.dialects import Dialect

BUILT_IN: Final[Mapping[str, Dialect]] = MappingProxyType(
    {**dict.fromkeys(("jimmyai", "sim"), JimmyAI()), "jimmyai-video": JimmyAIVideo(), "openai": OpenAI()}
)
_DESCRIBED: Final = "http"


def dialect_for(use: str, vendor: Mapping[str, object] | None = None) -> Dialect | None:
    """Give our own dialect of a ``provider.use`` word, or None; ``sim`` speaks like ``jimmyai``, ``http`` like its description."""
    if use == _DESCRIBED:
        return None if vendor is None else HttpDialect(vendor)
    return BUILT_IN.get(use)


def known_uses() -> tuple[str, ...]:
    """List every word that ``provider.use`` takes."""
    return (*BUILT_IN, _DESCRIBED, *(name for name in plugins.names() if name not in {*BUILT_IN, _DESCRIBED}))
