"""Prompt files of texts or objects: jsonl, json and yaml. Numbers stay as they are written."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from json import JSONDecodeError
from pathlib import Path
from typing import Final

from batchgen.planning.opening import content_of, lines_of, open_regular, without_end
from batchgen.planning.reader import MAX_BYTES, MAX_DEPTH, Report
from batchgen.planning.reader import read as read_yaml
from batchgen.planning.tables import Getter, Row, itself, say_nothing

_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_ITEMS_HINT: Final = "name the place of the list with `items: /key`"


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Structure(str):
    """A JSON list or object, as compact JSON: good for a label, not for a prompt."""

    __slots__ = ()


def _refuse_constant(word: str) -> object:
    raise JSONDecodeError(f"{word} is not JSON", word, 0)


_DECODER: Final = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant)


class ObjectTable:
    """A stream of texts or objects."""

    is_fixed = False

    def __init__(self, read: Callable[[Path, Report], Iterator[tuple[int, object]]], path: Path, report: Report) -> None:
        self._read = read
        self._path = path
        self._report = report
        _, first = next(read(path, say_nothing), (0, None))
        self._is_bare = isinstance(first, str)
        self.columns: tuple[str, ...] | None = None if self._is_bare else tuple(first) if isinstance(first, dict) else ()

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Give every row with its line."""
        for line, item in self._read(self._path, self._report):
            if isinstance(item, str if self._is_bare else dict):
                yield line, item
            else:
                wanted = "a text" if self._is_bare else "an object"
                self._report("E203", f"must be {wanted} like the first row", line, 1)

    def getter(self, column: str) -> Getter | None:
        """Give the getter of a key or pointer."""
        if self._is_bare:
            return None
        steps = pointer(column)
        return lambda row: as_text(at_pointer(row, steps))

    def default_getter(self) -> Getter | None:
        """Give the getter of the prompt."""
        if not self.columns:
            return itself
        likely = [name for name in self.columns or () if name.casefold() in {"prompt", "text"}]
        return self.getter(likely[0]) if len(likely) == 1 else None


def pointer(column: str) -> tuple[str, ...]:
    """Read a key, or a JSON pointer when it begins with a slash, as steps."""
    if not column.startswith("/"):
        return (column,)
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in column[1:].split("/"))


def at_pointer(value: object, steps: Iterable[str]) -> object:
    """Follow the steps into a JSON value; None where they lead nowhere."""
    for step in steps:
        match value:
            case dict() if step in value:
                value = value[step]
            case list() if step.isdecimal() and len(step) < 10 and int(step) < len(value):
                value = value[int(step)]
            case _:
                return None
    return value


def as_text(value: object) -> str | None:
    """Give a JSON value as text: texts and numbers as they stand there, lists and objects as compact JSON, null as nothing."""
    if isinstance(value, dict | list):
        return Structure(_compact(value))
    return str(value) if isinstance(value, str) else None if value is None else _compact(value)


def _compact(value: object) -> str:
    match value:
        case _Number():
            return str(value)
        case dict():
            return "{" + ",".join(f"{_compact(key)}:{_compact(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_compact, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def json_lines(path: Path, report: Report) -> Iterator[tuple[int, object]]:
    """Give the value of every line that is not blank."""
    for number, line in lines_of(path, report):
        if line.isspace():
            continue
        text = without_end(line)
        with suppress(_NotJsonError):
            yield number, _parsed(text, report, number)


class _NotJsonError(Exception):
    """A text is not JSON; it was reported."""


def _parsed(text: str, report: Report, line: int = 1) -> object:
    try:
        value = _DECODER.decode(text)
    except JSONDecodeError as error:
        report("E203", f"not JSON: {error.msg}", line + error.lineno - 1, error.colno)
    except RecursionError:
        report("E203", "the JSON is nested too deeply", line, 1)
    else:
        if text.count("[") + text.count("{") < MAX_DEPTH or not _is_deep(value):
            return value
        report("E203", f"the JSON is nested too deeply ({MAX_DEPTH})", line, 1)
    raise _NotJsonError


def _is_deep(value: object) -> bool:
    """Say whether a value is nested deeper than the later steps, which recurse, should go."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level if isinstance(item, dict | list) for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


def json_items(path: Path, report: Report, items: str) -> Iterator[tuple[int, object]]:
    """Give the items of a JSON list, at the top or at a pointer, each with the line it begins in."""
    text = content_of(path, report)
    if text is None:
        return
    with suppress(_NotJsonError):
        steps = pointer(items) if items else ()
        value = at_pointer(_parsed(text, report), steps)
        if isinstance(value, list):
            yield from zip(_lines(text, steps), value, strict=True)
        else:
            report("E203", f"must be a list of texts or objects{_where(items)}", 1, 1, hint=_ITEMS_HINT)


def _lines(text: str, steps: Iterable[str]) -> Iterator[int]:
    """Give the line of every item of the list that the steps lead to, in a text that is known to be JSON."""
    at = _past_blanks(text, 0)
    for step in steps:
        at = [place for name, place in _members(text, at) if name == step][-1]
    line, before = 1, 0
    for _, place in _members(text, at):
        line += text.count("\n", before, place)
        before = place
        yield line


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Give the name (a list's: the number) and the offset of every member of the list or object at an offset."""
    is_object, number = text[at] == "{", 0
    at = _past_blanks(text, at + 1)
    while text[at] not in "]}":
        name = str(number)
        if is_object:
            name, at = _DECODER.raw_decode(text, at)
            at = _past_blanks(text, _past_blanks(text, at) + 1)
        yield name, at
        at = _past_blanks(text, _DECODER.raw_decode(text, at)[1])
        at = _past_blanks(text, at + 1) if text[at] == "," else at
        number += 1


def _past_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found is not None else at


def yaml_items(path: Path, report: Report, items: str) -> Iterator[tuple[int, object]]:
    """Give the items of a YAML list, at the top or at a pointer."""
    with open_regular(path) as file:
        node = read_yaml(file.read(MAX_BYTES + 1), _inside_file(report))
    if node is None:
        return
    found = node.find(pointer(items) if items else ())
    if found is not None and isinstance(found.value, list):
        yield from ((item.line, item.plain()) for item in found.value)
    else:
        report("E203", f"must be a list of texts or objects{_where(items)}", node.line, node.column, hint=_ITEMS_HINT)


def _where(items: str) -> str:
    return f" at {items!r}" if items else ""


def _inside_file(report: Report) -> Report:
    """Report the YAML reader's problems as problems of a prompt file."""

    def tell(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        report("E202" if code == "E109" else "E203", message, line, column, hint=hint)

    return tell
