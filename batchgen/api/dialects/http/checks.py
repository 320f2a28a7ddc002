"""What a description alone tells of a combination before it is ordered; models that it does not list pass with a warning."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

from batchgen.api.dialects.http import filling
from batchgen.api.dialects.http.description import Description
from batchgen.core.dialects import Complaint, Reference
from batchgen.core.jobs import Params

_EXAMPLES: Final = {"int": "a whole number such as 28", "number": "a number such as 3.5", "bool": "true or false"}
_NOT_IN_PATHS: Final = frozenset("?#\\")


def complaints(about: Description, params: Params, *, prompt_chars: int, references: Sequence[Reference]) -> Iterator[Complaint]:
    """List what the description rules out; warnings pass."""
    yield from _model(about, params.get("model", ""))
    yield from _values(about, params)
    yield from _references(about, references)
    if prompt_chars == 0 and "prompt" in filling.names(about.submit.body):
        yield Complaint(param="prompt", message=f"{about.name} needs a prompt")


def _model(about: Description, name: str) -> Iterator[Complaint]:
    if not name:
        yield Complaint(param="model", message="no model is named", hint=_listed(tuple(about.prices)))
        return
    paths = [about.submit.path, *(part.path for part in (about.poll, about.result) if part is not None)]
    used = {use for path in paths for use in filling.names(path) if use.partition(".")[0] == "model"}
    if used and not _is_path(name):
        yield Complaint(param="model", message=f"model {name!r} cannot stand in an address", hint="write it as owner/name")
        return
    wanted = max((int(use.partition(".")[2] or 0) + 1 for use in used), default=0)
    if len(name.split("/")) < wanted:
        yield Complaint(param="model", message=f"model {name!r} has fewer than {wanted} parts", hint="write it as owner/name")
    if about.prices and name not in about.prices:
        near = difflib.get_close_matches(name, about.prices, n=1)
        hint = f"did you mean {near[0]}?" if near else ""
        yield Complaint(param="model", message=f"model {name!r} is not in the description", hint=hint, severity="warning")


def _values(about: Description, params: Params) -> Iterator[Complaint]:
    for name, value in params.items():
        kind = about.params.get(name)
        if name == "n":
            yield Complaint(param="n", message="n cannot be set: one row is one image", hint="use samples")
        elif kind is None and name != "model" and name not in about.roles:
            yield Complaint(param=name, message=f"{name!r} is not a parameter of {about.name}", hint=_listed(tuple(about.params)))
        elif kind is not None and not filling.fits(kind, value):
            hint = _listed(kind) if isinstance(kind, tuple) else _EXAMPLES[kind]
            yield Complaint(param=name, message=f"{about.name} does not take {name} {value!r}", hint=hint)


def _references(about: Description, references: Sequence[Reference]) -> Iterator[Complaint]:
    for role in dict.fromkeys(reference.role for reference in references):
        count = sum(reference.role == role for reference in references)
        known = about.roles.get(role)
        if known is None:
            yield Complaint(param=role, message=f"{about.name} takes no reference as {role!r}", hint=_listed(tuple(about.roles)))
        elif known.most is not None and count > known.most:
            yield Complaint(param=role, message=f"{count} references", hint=f"{about.name} takes at most {known.most}")
        if known is not None and "base64" not in known.ways and any(each.role == role and each.facts is not None for each in references):
            yield Complaint(param=role, message=f"{about.name} takes no file as {role!r}", hint="give the reference a url")


def _is_path(name: str) -> bool:
    """Say whether a model's name can stand in a path as it is written."""
    steps = name.split("/")
    return all(step.strip(".") for step in steps) and name.isprintable() and not _NOT_IN_PATHS & set(name)


def _listed(names: tuple[str, ...]) -> str:
    return f"known are {', '.join(names[:20])}" if names else ""
