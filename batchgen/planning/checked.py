"""Check a tree against the manifest model and tell every mismatch in words for people.

What does not fit is left out and the rest is checked again, so that the later checks (files, templates, combinations) can still
report what they find. ``Checked.is_whole`` says which parts lost something, because an absence there proves nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from batchgen.planning.findings import Findings, did_you_mean
from batchgen.planning.manifest import SHORT_FORM, TAGS, Item, Manifest, Provider, Section
from batchgen.planning.reader import Node, Path
from batchgen.planning.scalars import kind_of

_SECRET_KEYS: Final = frozenset({"api_key", "apikey", "key", "token", "secret", "password", "authorization", "bearer"})
_SHAPES: Final = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
_SHAPING_KEYS: Final = frozenset({*SHORT_FORM, "params", "defaults", "operation", "sweeps", "references", "references_root"}) - {"samples"}


@dataclass(slots=True)
class Checked:
    """A manifest as far as it could be read; ``lost`` holds the paths that were left out of it."""

    manifest: Manifest
    lost: set[Path] = field(default_factory=set)

    def is_whole(self, under: Path, keys: Collection[str]) -> bool:
        """Say whether nothing was left out at one of these keys below a path."""
        depth = len(under)
        return not any(path[:depth] == under and len(path) > depth and path[depth] in keys for path in self.lost)


def check(tree: Node, findings: Findings) -> Checked | None:
    """Build the manifest; None when not even its outline is there."""
    top = tree.value
    if not isinstance(top, dict):
        findings.error("E103", f"a manifest must be a mapping, not {kind_of(tree.plain())}")
        return None
    _refuse_both_forms(tree, top, findings)
    lost: set[Path] = set()
    while True:  # every round takes something away from the tree, so there is a last one
        try:
            return Checked(Manifest.model_validate(tree.plain()), lost)
        except ValidationError as error:
            details = _meant(error.errors(include_url=False, include_input=False))
        for detail in details:
            _tell(detail, tree, findings, lost)
        for detail in reversed(details):
            _leave_out(detail, tree, top, lost)


def _refuse_both_forms(tree: Node, top: Mapping[str, Node], findings: Findings) -> None:
    for key in SHORT_FORM if "sweeps" in top else ():
        if key in top:
            message = f"{key!r} and 'sweeps' cannot stand together"
            findings.error("E111", message, (key,), on_key=True, hint="move it into a sweep")
            tree.drop(key)


def _meant(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where it only is because its items are wrong."""
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(other is not detail and other["loc"][: len(detail["loc"])] == detail["loc"] for other in details)
    ]


def _tell(detail: ErrorDetails, tree: Node, findings: Findings, lost: set[Path]) -> None:
    path = _path(detail)
    kind = detail["type"]
    context = detail.get("ctx", {})
    match kind:
        case "missing":
            parent = tree.find(path[:-1])
            if path not in lost and not (parent and path[-1] in parent.gaps):
                findings.error("E105", f"the key {path[-1]!r} is missing", path[:-1])
        case "extra_forbidden":
            _tell_unknown(detail, findings, path)
        case "literal_error":
            choices = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            word = str(_value(tree, path))[:40]
            lead = "one of " if "," in choices else ""
            findings.error("E103", f"must be {lead}{choices}", path, hint=did_you_mean(word, choices.split(", ")))
        case "too_short":
            if not any(gone[: len(path)] == path for gone in lost):
                findings.error("E105", "must not be empty", path)
        case "E105" if (found := tree.find(path)) is not None and found.gaps:
            return  # the key that is missed was there, and has been told of
        case _ if kind in _SHAPES:
            findings.error("E103", f"must be {_SHAPES[kind]}, not {kind_of(_value(tree, path))}", path)
        case _:
            message, hint = str(context.get("message", detail["msg"])), str(context.get("hint", ""))
            findings.error(kind if kind.startswith("E") else "E103", message, path, hint=hint)


def _tell_unknown(detail: ErrorDetails, findings: Findings, path: Path) -> None:
    section = _section(detail["loc"][:-1])
    key = str(path[-1])
    if section is Provider and key.casefold().replace("-", "_") in _SECRET_KEYS:
        hint = "put the key into an environment variable and its name under api_key_env"
        findings.error("E110", f"{key!r} must not stand in a manifest", path, on_key=True, hint=hint)
        return
    known = [*section.model_fields, *(("file", "template") if section is Item else ())]
    findings.error("E104", f"unknown key {key!r}", path, on_key=True, hint=did_you_mean(key, known))


def _leave_out(detail: ErrorDetails, tree: Node, top: dict[str, Node], lost: set[Path]) -> None:
    """Drop the node at fault, or, for a missing key, what cannot be without it."""
    path = _path(detail)
    if detail["type"] == "missing":
        lost.add(path)
        path = path[:-1]
    if not path:
        _stand_in(top, str(detail["loc"][-1]))
        return
    if detail["type"] == "extra_forbidden":
        near = did_you_mean(str(path[-1]), _SHAPING_KEYS).removeprefix("did you mean '").removesuffix("'?")
        lost.add((*path[:-1], near or path[-1]))
    else:
        lost.add(path)
    nodes = list(tree.walk(path))
    nodes[-2].drop(path[len(nodes) - 2])


def _stand_in(top: dict[str, Node], key: str) -> None:
    """Put a value in the place of a top-level key that must be there."""
    top[key] = Node("1" if key == "version" else "batch", 1, 1)


def _value(tree: Node, path: Path) -> object:
    node = tree.find(path)
    return node.plain() if node is not None else ""


def _path(detail: ErrorDetails) -> Path:
    """Give the path in the tree: choices leave a tag in the location, single values an index that is not there."""
    return tuple(step for step in detail["loc"] if not (isinstance(step, str) and step in _TAGS))


_TAGS: Final = frozenset({*TAGS, "<text>", "<list>", "<word>"})


def _section(location: tuple[str | int, ...]) -> type[Section]:
    """Find the section that a location leads to, by walking the model's annotations."""
    here: Any = Manifest  # annotations have no common type
    for step in location:
        if isinstance(step, str) and step in TAGS:
            here = TAGS[step]
        elif isinstance(here, type) and issubclass(here, Section):
            here = _inner(here.model_fields[str(step)].annotation)
        else:
            here = _inner(get_args(here)[0 if isinstance(step, int) else 1])
    return here if isinstance(here, type) and issubclass(here, Section) else Manifest


def _inner(annotation: Any) -> Any:  # annotations have no common type
    """Take away Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _inner(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return _inner(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation
