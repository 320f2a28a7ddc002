"""Read the description of a vendor, inline or from its own file, and tell everything that is wrong with it, each at its place.

The answer is a plain JSON mapping that is stored with the plan, so that a resume needs neither the manifest nor the file.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from batchgen.planning.findings import SECRET, Findings, did_you_mean
from batchgen.planning.manifest import Section
from batchgen.planning.opening import UnreadableError, open_regular
from batchgen.planning.reader import Node, Path
from batchgen.planning.reader import read as read_yaml
from batchgen.planning.scalars import kind_of
from batchgen.planning.vendors import (
    Auth,
    ErrorRule,
    ModelPrice,
    Poll,
    Result,
    Role,
    StatusWords,
    Submit,
    Vendor,
    has_stray_braces,
    placeholders,
)

MAX_BYTES: Final = 64 * 1024

_AT: Final = ("provider", "vendor")
_SECTIONS: Final[Mapping[str, type[Section]]] = {
    "auth": Auth,
    "models": ModelPrice,
    "references": Role,
    "submit": Submit,
    "poll": Poll,
    "words": StatusWords,
    "result": Result,
    "errors": ErrorRule,
}
_SHAPES: Final = {"model_type": "a mapping", "dict_type": "a mapping", "tuple_type": "a list"}
_KEY_LIKE: Final = re.compile(r"(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9_-]{20,}")
_KEY_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key", "x-key", "cookie"})
_OUR_HEADERS: Final = frozenset({"host", "content-type", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_KEY_HINT: Final = "write {key} under auth, and the name of the key's variable under provider.api_key_env"
_WORD: Final = re.compile(r"[a-z0-9-]{1,64}")
_ALWAYS: Final = frozenset({"model", "sample", "key"})
_PHASES: Final = ("running", "done", "failed", "canceled")


class _Told:
    """Where the problems of one description go: to lines and columns of the file that it stands in."""

    def __init__(self, findings: Findings, node: Node, shown: str) -> None:
        self.node: Final = node
        self.errors = 0
        self._findings = findings
        self._shown = shown

    def error(self, code: str, message: str, at: Path = (), *, on_key: bool = False, hint: str = "") -> None:
        """Record an error at a path of the description."""
        self.errors += 1
        self._findings.elsewhere(code, message, self._shown, *self.node.place(at, on_key=on_key), hint=hint)


def read_vendor(
    written: str | Mapping[str, object], findings: Findings, folder: FilePath, *, shipped: FilePath | None, taken: Collection[str]
) -> dict[str, Any] | None:
    """Give the description as plain JSON, or None after telling what is wrong; ``taken`` are names that it must not have.

    A bare word such as ``fal-queue`` means the description of that name in ``shipped``; anything else is a path from ``folder``.
    """
    told = _from_file(written, findings, folder, shipped) if isinstance(written, str) else _inline(findings)
    vendor = None if told is None else _built(told)
    if told is None or vendor is None:
        return None
    _check(vendor, told, taken)
    plain: dict[str, Any] = vendor.model_dump(mode="json", by_alias=True)
    if len(json.dumps(plain)) > MAX_BYTES:
        told.error("E108", f"the description is bigger than {MAX_BYTES // 1024} KiB")
    return None if told.errors else plain


def _inline(findings: Findings) -> _Told | None:
    node = findings.tree.find(_AT) if findings.tree is not None else None
    return None if node is None else _Told(findings, node, findings.shown_path)


def _from_file(written: str, findings: Findings, folder: FilePath, shipped: FilePath | None) -> _Told | None:
    """Read the file beside the manifest, or the shipped one that a bare word names."""
    path, shown = folder / written, (FilePath(findings.shown_path).parent / written).as_posix()
    if shipped is not None and _WORD.fullmatch(written):
        path = shipped / f"{written}.yaml"
        if not path.is_file():
            there = sorted(found.stem for found in shipped.glob("*.yaml"))
            hint = did_you_mean(written, there) or f"there are {', '.join(there)}; a file needs its ending"
            findings.error("E103", f"no description called {written!r} is shipped", _AT, hint=hint)
            return None
    try:
        with open_regular(path) as file:
            source = file.read(MAX_BYTES + 1)
    except UnreadableError as error:
        findings.error("E100", f"the description {written!r} {error}", _AT)
        return None
    if len(source) > MAX_BYTES:
        findings.elsewhere("E108", f"the file is bigger than {MAX_BYTES // 1024} KiB", shown, 1, 1)
        return None

    def report(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        findings.elsewhere(code, message, shown, line, column, hint=hint)

    before = findings.errors
    node = read_yaml(source, report)
    if node is None or findings.errors > before:
        return None
    told = _Told(findings, node, shown)
    for at in (at for at, text in _texts_of(node.plain(), ()) if SECRET.search(text)):
        told.error("E110", "this looks like a key; a key must not stand in a description", at, hint=_KEY_HINT)
    return told


def _built(told: _Told) -> Vendor | None:
    plain = told.node.plain()
    if not isinstance(plain, dict):
        told.error("E103", f"a description must be a mapping, not {kind_of(plain)}")
        return None
    try:
        return Vendor.model_validate(plain)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            _tell(detail, told)
        return None


def _tell(detail: ErrorDetails, told: _Told) -> None:
    """Tell one mismatch in words for people."""
    at, kind, context = tuple(step for step in detail["loc"] if step != "[key]"), detail["type"], detail.get("ctx", {})
    on_key = "[key]" in detail["loc"]
    match kind:
        case "missing":
            parent = told.node.find(at[:-1])
            if parent is None or at[-1] not in parent.gaps:
                told.error("E105", f"the key {at[-1]!r} is missing", at[:-1])
        case "extra_forbidden":
            known = _known_keys(at[:-1])
            told.error("E104", f"unknown key {at[-1]!r}", at, on_key=True, hint=did_you_mean(str(at[-1]), known))
        case "literal_error":
            choices = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            node = told.node.find(at)
            word = str(node.plain())[:40] if node is not None else ""
            told.error("E103", f"must be one of {choices}", at, hint=did_you_mean(word, choices.split(", ")))
        case "too_short":
            told.error("E105", "must not be empty", at)
        case _ if kind in _SHAPES:
            node = told.node.find(at)
            told.error("E103", f"must be {_SHAPES[kind]}, not {kind_of(node.plain() if node else '')}", at)
        case _:
            message, hint = str(context.get("message", detail["msg"])), str(context.get("hint", ""))
            told.error(kind if kind.startswith("E") else "E103", message, at, on_key=on_key, hint=hint)


def _known_keys(at: Path) -> list[str]:
    """List the keys of the section at a path."""
    name = "words" if at[:2] == ("poll", "words") else str(at[0]) if at else ""
    section: type[Section] = _SECTIONS.get(name, Vendor)
    return [field.alias or name for name, field in section.model_fields.items()]


def _check(vendor: Vendor, told: _Told, taken: Collection[str]) -> None:
    """Check what no single value shows."""
    if vendor.name in taken:
        told.error("E103", f"the name {vendor.name!r} belongs to a built-in provider", ("name",))
    _check_auth(vendor.auth, told)
    _check_headers(vendor, told)
    _check_shape(vendor, told)
    _check_words(vendor, told)
    _check_templates(vendor, told)
    _check_uses(vendor, told)


def _check_auth(auth: Auth, told: _Told) -> None:
    rest = auth.value.replace("{key}", " ")
    if auth.value.count("{key}") != 1 or "{{" in auth.value:
        told.error("E110", "must hold {key} exactly once, in the key's place", ("auth", "value"), hint=_KEY_HINT)
    elif _is_secret(rest):
        told.error("E110", "this looks like a key; only {key} may stand for it", ("auth", "value"), hint=_KEY_HINT)
    if auth.header.lower() in _OUR_HEADERS:
        told.error("E103", f"the header {auth.header!r} is set by batchgen itself", ("auth", "header"))


def _check_headers(vendor: Vendor, told: _Told) -> None:
    for name, value in vendor.submit.headers.items():
        at, lowered = ("submit", "headers", name), name.lower()
        if lowered == vendor.auth.header.lower() or lowered in _KEY_HEADERS or _is_secret(value):
            told.error("E110", "a header that shows a key stands under auth only", at, on_key=True, hint=_KEY_HINT)
        elif lowered in _OUR_HEADERS:
            told.error("E103", f"the header {name!r} is set by batchgen itself", at, on_key=True)


def _is_secret(text: str) -> bool:
    return bool(SECRET.search(text)) or any(_KEY_LIKE.fullmatch(word) for word in text.split())


def _check_shape(vendor: Vendor, told: _Told) -> None:
    """Check that the parts make one whole: tasks that are polled, or answers that are results."""
    submit, poll = vendor.submit, vendor.poll
    gives = bool(submit.urls or submit.base64)
    if submit.task_id is None and not gives:
        told.error("E105", "needs 'task_id', or 'urls' or 'base64' of a synchronous answer", ("submit",))
    if submit.task_id is not None and gives:
        told.error("E111", "'task_id' cannot stand beside 'urls' and 'base64'", ("submit", "task_id"), on_key=True)
    if submit.task_id is not None and poll is None:
        told.error("E105", "the key 'poll' is missing: tasks are asked after")
    if submit.task_id is None and poll is not None:
        told.error("E111", "'poll' needs 'submit.task_id'", ("poll",), on_key=True)
    if vendor.result is not None and (poll is None or poll.urls):
        told.error("E111", "'result' needs a 'poll' without 'urls'", ("result",), on_key=True)
    if poll is not None and vendor.result is None and not poll.urls:
        told.error("E105", "needs 'urls', or a 'result' beside it", ("poll",))
    for number, rule in enumerate(vendor.errors):
        if not rule.status and not rule.matches:
            told.error("E105", "needs 'status' or 'matches'", ("errors", number))


def _check_words(vendor: Vendor, told: _Told) -> None:
    if vendor.poll is None:
        return
    seen: set[str] = set()
    words: StatusWords = vendor.poll.words
    if not words.done:
        told.error("E105", "must not be empty", ("poll", "words", "done"))
    for phase in _PHASES:
        for number, word in enumerate(getattr(words, phase)):
            if word.strip().lower() in seen:
                told.error("E103", f"the status word {word!r} stands twice", ("poll", "words", phase, number))
            seen.add(word.strip().lower())


def _check_templates(vendor: Vendor, told: _Told) -> None:
    """Check every placeholder: orders know the row, questions the task, and only bodies the prompt and the images."""
    row = {*_ALWAYS, *vendor.params}
    _check_template(vendor.submit.path, ("submit", "path"), row, {"model"}, told)
    for name, value in vendor.submit.headers.items():
        _check_template(value, ("submit", "headers", name), row, {"model"}, told)
    for at, value in _texts_of(vendor.submit.body, ("submit", "body")):
        _check_template(value, at, {*row, *vendor.references, "prompt"}, {"model", *vendor.references}, told)
    for key, part in (("poll", vendor.poll), ("result", vendor.result)):
        if part is None:
            continue
        _check_template(part.path, (key, "path"), {*row, "task_id"}, {"model"}, told)
        if "task_id" not in {name for name, _ in placeholders(part.path)}:
            told.error("E105", "must name {{ task_id }}", (key, "path"))


def _check_template(template: str, at: Path, known: Collection[str], parted: Collection[str], told: _Told) -> None:
    if has_stray_braces(template):
        told.error("E501", "holds braces that are no placeholder", at, hint="write {{ name }} or {{ name.0 }}")
    for name, is_part in placeholders(template):
        if name not in known:
            told.error("E502", f"unknown placeholder {name!r}", at, hint=did_you_mean(name, known))
        elif is_part and name not in parted:
            told.error("E502", f"{name!r} has no parts", at, hint=f"write {{{{ {name} }}}}")


def _check_uses(vendor: Vendor, told: _Told) -> None:
    """Check that everything declared is sent: what nothing names would be paid for and never arrive."""
    texts = [vendor.submit.path, *vendor.submit.headers.values(), *(text for _, text in _texts_of(vendor.submit.body, ()))]
    used = {name for template in texts for name, _ in placeholders(template)}
    for key, names in (("params", vendor.params), ("references", vendor.references)):
        for name in names:
            if name not in used:
                told.error("E103", f"nothing under submit names {{{{ {name} }}}}", (key, name), on_key=True)
    for name in vendor.references:
        if name in vendor.params:
            told.error("E111", f"{name!r} is a parameter and a reference", ("references", name), on_key=True)
    if "prompt" not in used:
        told.error("E105", "must name {{ prompt }}", ("submit", "body"))


def _texts_of(value: object, at: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield at, value
        case dict():
            for key, inner in value.items():
                yield from _texts_of(inner, (*at, key))
        case list():
            for number, inner in enumerate(value):
                yield from _texts_of(inner, (*at, number))
        case _:
            pass  # numbers, booleans and nothing hold no text
