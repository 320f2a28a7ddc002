"""Fill a description's placeholders: ``{{ name }}`` and, for lists and the parts of a model's name, ``{{ name.0 }}``.

Whatever is filled in, a path stays below its host: every value is percent-quoted, and only a model's own slashes stay.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from batchgen.api.paths import step
from batchgen.core.dialects import Attachment
from batchgen.core.jobs import Job

Values = Mapping[str, object]
"""What a placeholder may stand for, by its name: texts, numbers, booleans and lists of texts. A name that is missing was not set."""

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)(?:\.([0-9]{1,2}))?\s*\}\}")
_INT: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_HEADER_SAFE: Final = "".join(map(chr, range(0x20, 0x7F)))


class _Missing:
    """The place of a value that is not set."""


_MISSING: Final = _Missing()


def values(job: Job, attachments: Sequence[Attachment], *, params: Mapping[str, object], roles: Sequence[str]) -> Values:
    """Give what the placeholders stand for in the calls about a job; ``params`` are the declared parameters and their types."""
    typed = {name: wire(kind, job.params[name]) for name, kind in params.items() if name in job.params}
    images = {role: [each.address for each in attachments if each.role == role] for role in roles}
    return {
        **typed,
        **{role: addresses for role, addresses in images.items() if addresses},
        "prompt": job.prompt,
        "model": job.model,
        "sample": job.sample,
        "key": job.key,
        "task_id": job.task_id or "",
    }


def wire(kind: object, text: str) -> object:
    """Give a parameter's text as its wire type; a text that is none of the type stays what it is."""
    match kind:
        case "int" if _INT.fullmatch(text):
            return int(text)
        case "number" if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        case "bool" if text in {"true", "false"}:
            return text == "true"
        case _:
            return text


def fits(kind: object, text: str) -> bool:
    """Say whether a parameter's text is of its type, or one of the values that it may have."""
    if isinstance(kind, tuple):
        return text in kind
    return kind == "text" or not isinstance(wire(kind, text), str)


def names(template: object) -> set[str]:
    """Name every placeholder in a template, with its index where it has one: ``prompt``, ``images.0``."""
    match template:
        case str():
            return {match[1] if match[2] is None else f"{match[1]}.{match[2]}" for match in _PLACEHOLDER.finditer(template)}
        case Mapping():
            return {name for inner in template.values() for name in names(inner)}
        case list():
            return {name for inner in template for name in names(inner)}
        case _:
            return set()


def body(template: Mapping[str, Any], known: Values) -> dict[str, object]:
    """Fill a body in; whatever names a value that is not set is left out, and so is what thereby became empty."""
    filled = _filled(template, known)
    return filled if isinstance(filled, dict) else {}


def path(template: str, known: Values) -> str:
    """Fill a path in; values are quoted so that none can name another path."""

    def quoted(match: re.Match[str]) -> str:
        value = _value(match, known)
        text = "" if isinstance(value, _Missing) else _text(value)
        keeps_slashes = match[1] == "model" and match[2] is None
        return "/".join(map(step, text.split("/"))) if keeps_slashes else step(text)

    return _PLACEHOLDER.sub(quoted, template)


def headers(templates: Mapping[str, str], known: Values) -> dict[str, str]:
    """Fill headers in; one that names a value that is not set is left out, and what is not printable ASCII is quoted."""
    filled = {name: _filled(template, known) for name, template in templates.items()}
    return {name: quote(_text(value), safe=_HEADER_SAFE, errors="replace") for name, value in filled.items() if value is not _MISSING}


def _filled(template: object, known: Values) -> object:
    match template:
        case str():
            return _filled_text(template, known)
        case Mapping():
            pairs = {key: _filled(inner, known) for key, inner in template.items()}
            kept: object = {key: value for key, value in pairs.items() if value is not _MISSING}
        case list():
            kept = [value for inner in template if (value := _filled(inner, known)) is not _MISSING]
        case _:
            return template
    return _MISSING if template and not kept else kept


def _filled_text(template: str, known: Values) -> object:
    """Fill a text in; a placeholder that stands alone keeps its type."""
    alone = _PLACEHOLDER.fullmatch(template)
    if alone is not None:
        return _value(alone, known)
    if any(isinstance(_value(match, known), _Missing) for match in _PLACEHOLDER.finditer(template)):
        return _MISSING
    return _PLACEHOLDER.sub(lambda match: _text(_value(match, known)), template)


def _value(match: re.Match[str], known: Values) -> object:
    value = known.get(match[1], _MISSING)
    if match[2] is None:
        return value
    if isinstance(value, str):
        value = value.split("/")
    index = int(match[2])
    return value[index] if isinstance(value, list) and index < len(value) else _MISSING


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ",".join(map(str, value))
        case _:
            return str(value)
