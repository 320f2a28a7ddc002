"""Read YAML into a tree of texts with places: the only home of PyYAML.

No value is resolved: a plain ``16:9``, ``no`` or ``010`` stays the text that was written, and the schema decides what it means
(PyYAML's own resolvers follow YAML 1.1 and turn ``16:9`` into 969). The tree is built from the parser's events with an explicit
stack, so depth costs no recursion, and what is refused (aliases, merge keys, tags) is refused before anything is built from it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import yaml

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 64

Path = tuple[str | int, ...]
"""Keys and indices from the root to a node."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_PRINTABLE: Final = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_UNUSABLE: Final = re.compile("[\\0\\ud800-\\udfff]")
_CORE: Final = "tag:yaml.org,2002:"
_CORE_TAGS: Final = frozenset(_CORE + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map"))
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_MOST_CHARACTERS: Final = 5


class Report(Protocol):
    """Where a reader tells what it cannot accept; lines and columns count from 1."""

    def __call__(self, code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        """Take one problem."""


class Null(str):
    """A plain ``null``, ``~`` or nothing at all, as it was written."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place and, inside a mapping, the place of its key. ``gaps`` names keys that were refused and left out."""

    value: "str | dict[str, Node] | list[Node]"
    line: int
    column: int
    key_line: int = 0
    key_column: int = 0
    is_refused: bool = False
    gaps: set[str] = field(default_factory=set)

    def plain(self) -> object:
        """Give the value as plain dicts, lists and texts."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def walk(self, path: Path) -> "Iterator[Node]":
        """Give the nodes along the path, this one first, as far as they exist."""
        node = self
        yield node
        for step in path:
            match node.value:
                case dict() as mapping if step in mapping:
                    node = mapping[str(step)]
                case list() as items if isinstance(step, int) and step < len(items):
                    node = items[step]
                case _:
                    return
            yield node

    def find(self, path: Path) -> "Node | None":
        """Give the node at the path, or None."""
        nodes = list(self.walk(path))
        return nodes[-1] if len(nodes) == len(path) + 1 else None

    def place(self, path: Path, *, on_key: bool = False) -> tuple[int, int]:
        """Give line and column of the node at the path, or of the deepest one above it."""
        *_, node = self.walk(path)
        return (node.key_line, node.key_column) if on_key and node.key_line else (node.line, node.column)

    def drop(self, step: str | int) -> None:
        """Leave a child out, so that the rest can still be checked."""
        match self.value:
            case dict() as mapping:
                mapping.pop(str(step), None)
                self.gaps.add(str(step))
            case list() as items if isinstance(step, int):
                del items[step]


def read(source: bytes, report: Report) -> Node | None:
    """Parse one YAML document; None when nothing can be made of it.

    Problems go to ``report``: syntax, encoding, size and depth end the reading, refused nodes are left out and reading goes on.
    """
    if len(source) > MAX_BYTES:
        report("E108", f"the file is bigger than {MAX_BYTES // 1024 // 1024} MiB", 1, 1, hint="move the prompts to files")
        return None
    text = _decoded(source, report)
    if text is None:
        return None
    builder = _Builder(report)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not builder.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        _report_syntax(error, report)
        return None
    if builder.root is None:
        report("E101", "the file holds no YAML document", 1, 1)
    return None if builder.root is None or builder.root.is_refused else builder.root


def _decoded(source: bytes, report: Report) -> str | None:
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(source[: error.start].decode("utf-8", "replace"))
        report("E109", "the file is not UTF-8", line, column, hint="save it as UTF-8")
        return None
    bad = list(_first(_NOT_PRINTABLE.finditer(text), _MOST_CHARACTERS))
    for match in bad:
        line, column = _position(text[: match.start()])
        report("E109", f"the character U+{ord(match.group()):04X} must not occur", line, column, hint="remove it")
    return None if bad else text


def _first(matches: "Iterator[re.Match[str]]", most: int) -> "Iterator[re.Match[str]]":
    for _, match in zip(range(most), matches, strict=False):
        yield match


def _position(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _report_syntax(error: yaml.MarkedYAMLError, report: Report) -> None:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "not well-formed"
    hint = next((advice for words, advice in _ADVICE.items() if words in problem), "")
    code = next((code for words, code in _CODES_OF_SYNTAX.items() if words in problem), "E101")
    report(code, problem, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, hint=hint)


_CODES_OF_SYNTAX: Final = {"Unicode character escape": "E109", "maximum nesting depth": "E108"}
"""Some versions of libyaml have a bound of their own on depth, far above ours, that its look-ahead meets first."""
_ADVICE: Final = {
    "maximum nesting depth": "flatten the structure",
    "mapping values are not allowed": "quote a text that contains ': '",
    "cannot start any token": "indent with spaces, and quote a text that begins with a special character",
    "did not find expected key": "check the indentation, and quote a text that begins with a quote or a bracket",
    "did not find expected ',' or": "close the bracket, and quote a text that contains brackets or commas",
}


class _Builder:
    """Turn parse events into nodes with a stack of open collections."""

    def __init__(self, report: Report) -> None:
        self.root: Node | None = None
        self._report = report
        self._open: list[Node] = []
        self._keys: list[Node | None] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """Take one event; false when reading must end."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._refuse(event, "E101", "the file holds several documents", "keep one document a file")
                    return False
            case yaml.AliasEvent():
                self._refuse(event, "E106", "aliases are not read", "write the value out")
                self._add(self._node(event, "", is_refused=True))
            case yaml.ScalarEvent():
                self._add(self._scalar(event))
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                return self._enter(event, {} if isinstance(event, yaml.MappingStartEvent) else [])
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._open.pop()
                self._keys.pop()
            case _:
                pass  # stream and document ends say nothing
        return True

    def _enter(self, event: yaml.CollectionStartEvent, value: "dict[str, Node] | list[Node]") -> bool:
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event, "E108", f"too deep ({MAX_DEPTH})", "flatten the structure")
            return False
        node = self._node(event, value, is_refused=not self._is_known(event))
        self._add(node)
        self._open.append(node)
        self._keys.append(None)
        return True

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        text: str = event.value
        is_refused = not self._is_known(event)
        if unusable := _UNUSABLE.search(text):
            self._refuse(event, "E109", f"the character U+{ord(unusable.group()):04X} must not occur", "remove it")
            is_refused = True
        is_plain = event.implicit[0]
        return self._node(event, Null(text) if is_plain and text in _NULLS else text, is_refused=is_refused)

    def _is_known(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> bool:
        tag = event.tag
        if tag is None or tag in _CORE_TAGS:
            return True
        self._refuse(event, "E107", f"the tag {tag.replace(_CORE, '!!')!r} is not read", "remove the tag")
        return False

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent.value, dict):
            key, self._keys[-1] = self._keys[-1], node if self._keys[-1] is None else None
            if key is not None:
                self._store(parent, parent.value, key, node)
        elif isinstance(parent.value, list) and not node.is_refused:
            parent.value.append(node)

    def _store(self, parent: Node, mapping: "dict[str, Node]", key: Node, node: Node) -> None:
        """Put a value under its key, unless either was refused or the key stands there already."""
        name = key.value
        if not isinstance(name, str):
            self._report("E103", "a key must be a text", key.line, key.column)
        elif name == "<<":
            self._report("E106", "merge keys are not read", key.line, key.column, hint="write the keys out")
        elif name in mapping or name in parent.gaps:
            self._report("E102", f"the key {name!r} stands twice", key.line, key.column, hint="keep one of them")
        elif node.is_refused or key.is_refused:
            parent.gaps.add(str(name))
        else:
            node.key_line, node.key_column = key.line, key.column
            mapping[str(name)] = node

    def _node(self, event: yaml.NodeEvent, value: "str | dict[str, Node] | list[Node]", *, is_refused: bool = False) -> Node:
        line, column = _start(event)
        return Node(value, line, column, is_refused=is_refused)

    def _refuse(self, event: yaml.Event, code: str, message: str, hint: str) -> None:
        line, column = _start(event)
        self._report(code, message, line, column, hint=hint)


def _start(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
