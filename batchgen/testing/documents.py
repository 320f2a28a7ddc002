"""JSON answers taken apart and put together again, changed in one place."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from batchgen.core.dialects import Reply

Path = tuple[str | int, ...]
GONE: Final = object()
"""Stands for the removal of a value."""


def document(reply: Reply) -> Any:  # JSON of a foreign vendor
    """Read a reply's JSON; None when it is none."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def places(value: object, at: Path = ()) -> Iterator[tuple[Path, object]]:
    """Give every value below the top, containers too, with its path."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in below:
        yield (*at, step), inner
        yield from places(inner, (*at, step))


def leaves(value: object) -> Iterator[tuple[Path, object]]:
    """Give every value that holds no other."""
    return ((path, inner) for path, inner in places(value) if not isinstance(inner, dict | list) or not inner)


def changed(value: Any, path: Path, new: object) -> Any:  # JSON of a foreign vendor
    """Give a copy in which another value stands at the path, or none with ``GONE``."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if not rest and new is GONE:
        return (
            {key: inner for key, inner in value.items() if key != step}
            if isinstance(value, dict)
            else [inner for place, inner in enumerate(value) if place != step]
        )
    if isinstance(value, dict):
        return {key: changed(inner, rest, new) if key == step else inner for key, inner in value.items()}
    return [changed(inner, rest, new) if place == step else inner for place, inner in enumerate(value)]


def with_body(reply: Reply, value: object) -> Reply:
    """Give the reply with another JSON body; what JSON lacks is written as Python does."""
    return replace(reply, body=json.dumps(value).encode())


def everywhere(reply: Reply, is_meant: Callable[[object], bool], new: object) -> Reply | None:
    """Change every leaf that is meant; None when the reply is no JSON or holds no such leaf."""
    value = document(reply)
    found = [path for path, leaf in leaves(value) if is_meant(leaf)]
    for path in reversed(found):
        value = changed(value, path, new)
    return with_body(reply, value) if found else None
