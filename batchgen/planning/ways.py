"""Say which reference images cannot travel in an operation. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from batchgen.core.dialects import Complaint, Reference, Rules, Way
from batchgen.core.references import way_for
from batchgen.planning.settings import ReferenceSettings

_WORDS: Final[Mapping[Way, str]] = {"url": "addresses", "base64": "content", "upload": "uploads", "file": "files"}


def stranded(
    references: Sequence[Reference], declared: Mapping[str, ReferenceSettings], *, operation: str, rules: Rules
) -> list[Complaint]:
    """Complain about every reference of a row that cannot travel in the row's operation."""
    ways = rules.ways(operation)
    if not ways:
        return [_unwanted(role, operation, rules) for role in dict.fromkeys(reference.role for reference in references)]
    return [
        _stranded(reference, declared[reference.name], operation, ways)
        for reference in references
        if _way_of(declared[reference.name], ways) is None
    ]


def _way_of(reference: ReferenceSettings, ways: frozenset[Way]) -> Way | None:
    return way_for(is_address=reference.path is None, send=reference.send, ways=ways, size_bytes=reference.bytes)


def _unwanted(role: str, operation: str, rules: Rules) -> Complaint:
    takers = [name for name in rules.operations if rules.ways(name)]
    hint = f"leave {role!r} out" + (f"; {', '.join(takers)} take some" if takers else "")
    return Complaint(param=role, message=f"operation {operation} takes no reference images", hint=hint)


def _stranded(reference: Reference, declared: ReferenceSettings, operation: str, ways: frozenset[Way]) -> Complaint:
    name = reference.name
    sends = f"operation {operation} sends {', '.join(word for way, word in _WORDS.items() if way in ways)}"
    if declared.path is None:
        thing, advice = f"the address of the reference {name!r}", f"give the reference {name!r} as a path"
    elif ways == {"url"}:
        thing, advice = f"the file of the reference {name!r}", f"give the reference {name!r} as a url"
    else:
        thing, advice = f"the reference {name!r} by `send: {declared.send}`", f"write `send: auto` for the reference {name!r}"
    return Complaint(param=reference.role, message=f"operation {operation} cannot take {thing}", hint=f"{sends}: {advice}")
