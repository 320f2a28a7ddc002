"""What the vendor is known to refuse, before anything is spent; unknown models pass with a warning where their path is known."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from batchgen.api.dialects.jimmyai.capability import Capability
from batchgen.api.dialects.jimmyai.capability import complaints as capability_complaints
from batchgen.api.dialects.jimmyai.models import ALIASES, CAPABILITIES, FIELDS
from batchgen.api.dialects.jimmyai.references import IMAGES, MASK
from batchgen.core.dialects import Complaint, Reference
from batchgen.core.jobs import Params

OPERATIONS: Final = tuple(FIELDS)
ROLES: Final = (IMAGES, MASK)
PARAMS: Final = tuple(dict.fromkeys(chain.from_iterable(FIELDS.values())))

_TOOLS: Final = frozenset({"upscale", "remove-bg"})
_INSTEAD: Final = {
    ("image", "size"): "use ratio and resolution",
    ("generate", "ratio"): "use size, such as 1024x1024",
    ("generate", "resolution"): "use size, such as 1024x1024",
    ("edit", "ratio"): "use size, such as 1024x1024",
    ("edit", "resolution"): "use size, such as 1024x1024",
}
_BY_OPERATION: Final[Mapping[str, Mapping[str, Capability]]] = {
    operation: {entry.model.name: entry for entry in CAPABILITIES if operation in entry.model.operations} for operation in OPERATIONS
}


def complaints(params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
    """List what the vendor is known to refuse in this combination; warnings pass."""
    known = _BY_OPERATION.get(operation)
    if known is None:
        message = f"{operation!r} is not an operation of jimmyai"
        return [Complaint(param="operation", message=message, hint=f"use {', '.join(OPERATIONS)}")]
    name = params.get("model", "")
    capability = known.get(ALIASES.get(name, name))
    if capability is None:
        return [_without_capability(name, operation), *_misplaced(params, operation)]
    return [
        *_strangers(params, references),
        *_misplaced(params, operation),
        *capability_complaints(capability, _placed(params, operation), prompt_chars=prompt_chars, references=references),
    ]


def _without_capability(name: str, operation: str) -> Complaint:
    if not name:
        return Complaint(param="model", message="no model is named", hint=f"set model, such as {next(iter(_BY_OPERATION[operation]))}")
    elsewhere = [word for word in OPERATIONS if ALIASES.get(name, name) in _BY_OPERATION[word]]
    if elsewhere:
        message = f"model {name!r} is not for operation {operation}"
        return Complaint(param="model", message=message, hint=f"use operation: {' or '.join(elsewhere)}")
    if operation in _TOOLS:
        hint = f"use {', '.join(_BY_OPERATION[operation])}"
        return Complaint(param="model", message=f"model {name!r} is not for operation {operation}", hint=hint)
    return _unknown(name, operation)


def _unknown(name: str, operation: str) -> Complaint:
    near = difflib.get_close_matches(name, [*_BY_OPERATION[operation], *ALIASES], n=1)
    message = f"model {name!r} is unknown; its parameters are not checked"
    return Complaint(param="model", message=message, hint=f"did you mean {near[0]}?" if near else "", severity="warning")


def _strangers(params: Params, references: Sequence[Reference]) -> Iterator[Complaint]:
    for name in params:
        if name == "n":
            yield Complaint(param="n", message="n cannot be set: one row is one image", hint="use samples")
        elif name not in PARAMS and name not in ROLES:
            yield Complaint(param=name, message=f"{name!r} is not a parameter of jimmyai", hint=f"known are {', '.join(PARAMS)}")
    for role in dict.fromkeys(reference.role for reference in references):
        if role not in ROLES:
            yield Complaint(param=role, message=f"{role!r} is not a role of a reference", hint=f"known are {', '.join(ROLES)}")


def _misplaced(params: Params, operation: str) -> Iterator[Complaint]:
    """Name the parameters that only other operations have, whatever the model."""
    for name in params:
        if name in PARAMS and name not in FIELDS[operation]:
            hint = _INSTEAD.get((operation, name), f"with {operation} only {', '.join(FIELDS[operation])}")
            yield Complaint(param=name, message=f"{name} is not a field of operation {operation}", hint=hint)


def _placed(params: Params, operation: str) -> Params:
    return {name: value for name, value in params.items() if name in FIELDS[operation]}
