"""Vendors that other packages bring: entry points of the group ``batchgen.dialects``, each a dialect or a class of one.

A plugin is loaded only when it is wanted. One that cannot be loaded never stops anything: it is told, and every other vendor works.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from batchgen.core.dialects import Dialect, Model

GROUP: Final = "batchgen.dialects"
DESCRIBED: Final = "http"
"""The word of vendors that a description makes; no plugin can have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A dialect from elsewhere: the word for ``provider.use``, the package it comes from, and why it cannot be used, if so."""

    use: str
    origin: str
    dialect: Dialect | None = None
    trouble: str = ""


def names() -> tuple[str, ...]:
    """List the words under which plugins stand, without loading any."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load(use: str) -> Plugin | None:
    """Load the plugin of that word; None when there is none. Whatever the plugin does on loading ends as its ``trouble``."""
    found = [point for point in entry_points(group=GROUP) if point.name == use]
    if not found:
        return None
    origin = _origin(found[0])
    if use == DESCRIBED:
        return Plugin(use=use, origin=origin, trouble="the word is batchgen's own, for vendors that a file describes")
    if len(found) > 1:
        others = ", ".join(sorted({_origin(point) for point in found}))
        return Plugin(use=use, origin=origin, trouble=f"several packages bring it: {others}")
    return _loaded(found[0], origin)


def load_all() -> Iterator[Plugin]:
    """Load every plugin, in the order of their words."""
    for name in names():
        if (plugin := load(name)) is not None:
            yield plugin


def lacks(dialect: object) -> list[str]:
    """Name what a dialect must have and this object does not."""
    wanted = {name for part in Dialect.__mro__ for name in (*vars(part), *getattr(part, "__annotations__", {})) if not name.startswith("_")}
    return sorted(name for name in wanted if not hasattr(dialect, name))


def _loaded(point: EntryPoint, origin: str) -> Plugin:
    try:
        with redirect_stdout(sys.stderr):  # what a plugin says while it is loaded is no part of a command's answer
            brought = point.load()
            dialect = brought() if isinstance(brought, type) else brought
            trouble = _trouble(dialect)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code: whatever it raises is its own trouble, not ours
        return Plugin(use=point.name, origin=origin, trouble=f"{type(error).__name__}: {error}")
    return Plugin(use=point.name, origin=origin, trouble=trouble) if trouble else Plugin(use=point.name, origin=origin, dialect=dialect)


def _trouble(dialect: Dialect) -> str:
    """Say what is wrong with what a plugin brought, as far as a look at it tells; empty when nothing is."""
    missing = lacks(dialect)
    if missing:
        return f"it is no dialect: it lacks {', '.join(missing)}"
    given: Iterable[object] = dialect.models()
    stranger = next((model for model in given if not isinstance(model, Model)), None)
    return "" if stranger is None else f"models() gives {stranger!r:.80}, which is no Model"


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
