"""Draw the manifest's reference from its JSON Schema, with examples out of the shipped manifests. For ``docs/manifest.md``, by cog."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

Part = Mapping[str, Any]
"""A part of a JSON Schema."""

ROOT: Final = "Manifest"
_MANIFESTS: Final = Path(__file__).resolve().parents[2] / "manifests"
_LONGEST: Final = 72
_WORDS: Final = {
    ("string", "number", "boolean"): "text",
    ("number", "string"): "amount",
    "string": "text",
    "object": "mapping",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A mapping of the manifest: its title on the page, its keys, and those that it must have."""

    title: str
    part: Part
    required: Sequence[str] = ()

    @property
    def anchor(self) -> str:
        """Give the title as a heading's address has it."""
        return "".join(letter for letter in self.title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")

    @property
    def level(self) -> int:
        """Say how deep its heading stands."""
        return 2 + self.title.count(".") + self.title.count(":")


@dataclass(slots=True)
class Reference:
    """The sections of a schema in the order in which a reader meets them, and an example for each key."""

    schema: Part
    sections: dict[str, Section] = field(default_factory=dict)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find the sections, then look for examples, first where each key has one."""
        self._find(ROOT, "", self.schema)
        for path in sorted(_MANIFESTS.glob("*.yaml"), key=lambda path: (path.stem != "every-key", path.name)):
            text = path.read_text(encoding="utf-8")
            if (node := yaml.compose(text, Loader=yaml.BaseLoader)) is not None:
                self._collect(ROOT, node, text)

    def lines(self) -> Iterator[str]:
        """Give the page: a heading, what the section is, and a table of its keys."""
        for name, section in self.sections.items():
            yield from ("", f"{'#' * section.level} {section.title}", "", _sentence(section.part), "")
            yield from ("| key | type | default | meaning | example |", "|---|---|---|---|---|")
            own = self.own_keys(name)
            for key, part in own.items():
                cells = (f"`{key}`", self._type(part), _default(section, key), self._meaning(part), _code(self.examples.get((name, key))))
                yield f"| {' | '.join(cells)} |"
            if shared := [f"`{key}`" for key in section.part["properties"] if key not in own]:
                yield from ("", f"Besides {', '.join(shared)}, as [at the top](#{self.sections[ROOT].anchor}).")

    def own_keys(self, name: str) -> dict[str, Part]:
        """Give the keys of a section, needed ones first, without those that the top has in the same words."""
        section = self.sections[name]
        keys = sorted(section.part["properties"].items(), key=lambda item: item[0] not in section.required)
        return {key: part for key, part in keys if name == ROOT or self.schema["properties"].get(key) != part}

    def _find(self, name: str, path: str, part: Part) -> None:
        required = part.get("required", ())
        self.sections[name] = Section(title=path or "The top", part=part, required=required)
        for key, inner in self.own_keys(name).items():
            for target in _targets(inner):
                if target not in self.sections:
                    found = self.schema["$defs"][target]
                    self._find(target, _title(path, key, inner, found), found)

    def _collect(self, name: str, node: yaml.Node, text: str) -> None:
        """Keep the value of each key that has no example yet, as it is written, if it is short enough for a table."""
        for key, value in node.value:
            part = self.sections[name].part["properties"][key.value]
            written = text[value.start_mark.index : value.end_mark.index].strip()
            is_inline = isinstance(value, yaml.ScalarNode) or value.flow_style
            if is_inline and "\n" not in written and len(written) <= _LONGEST:
                home = name if key.value in self.own_keys(name) else ROOT
                self.examples.setdefault((home, key.value), written)
            for target, inner in self._matches(list(_targets(part)), value):
                self._collect(target, inner, text)

    def _matches(self, targets: Sequence[str], node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
        """Find the sections in a value: itself, or what it lists or names."""
        if isinstance(node, yaml.MappingNode):
            keys = {key.value for key, _ in node.value}
            for target in targets:
                section = self.sections[target]
                if {*section.required} <= keys <= {*section.part["properties"]}:
                    yield target, node
                    return
        if isinstance(node, yaml.CollectionNode):
            for inner in node.value:
                yield from self._matches(targets, inner[1] if isinstance(inner, tuple) else inner)

    def _type(self, part: Part) -> str:
        return " or ".join(dict.fromkeys(self._words(part)))

    def _words(self, part: Part) -> Iterator[str]:
        """Name what may stand there, in the words of the page's head."""
        if "$ref" in part:
            section = self.sections[_target(part)]
            yield f"[{section.title}](#{section.anchor})"
        elif choices := part.get("anyOf") or part.get("oneOf"):
            for choice in choices:
                yield from self._words(choice)
        elif part.get("type") == "array":
            yield f"list of {self._type(part['items'])}" if "items" in part else "list"
        elif isinstance(part.get("additionalProperties"), dict):
            yield f"mapping to {self._type(part['additionalProperties'])}"
        elif part.get("type") != "null":
            yield _word(part)

    def _meaning(self, part: Part) -> str:
        return _sentence(part if "description" in part else self.schema["$defs"][next(_targets(part))])


def _word(part: Part) -> str:
    """Name what a single value may be."""
    match part:
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in dict.fromkeys(map(str, words)))
        case {"const": word}:
            return f"`{word}`"
        case {"pattern": pattern}:
            return "rate" if "/" in pattern else "duration"
        case {"type": "integer", "minimum": least}:
            return f"number from {least}"
        case _:
            kind = part["type"]
            return _WORDS[tuple(kind) if isinstance(kind, list) else kind]


def _default(section: Section, key: str) -> str:
    default = section.part["properties"][key].get("default")
    if key in section.required:
        return "needed"
    return _code(f"[{', '.join(default)}]" if isinstance(default, list) else default)


def _code(value: object) -> str:
    return "" if value is None else f"`{value}`"


def _targets(part: Part) -> Iterator[str]:
    """Name the sections that may stand in a value, or in its elements."""
    if "$ref" in part:
        yield _target(part)
    inner = [part.get("items"), part.get("additionalProperties"), *part.get("anyOf", ()), *part.get("oneOf", ())]
    for each in inner:
        if isinstance(each, dict):
            yield from _targets(each)


def _target(part: Part) -> str:
    return str(part["$ref"]).rpartition("/")[2]


def _title(path: str, key: str, part: Part, section: Part) -> str:
    """Name a section by its way from the top; one of several kinds also by the key that tells it from the others."""
    joint = ": " if " " in path else "." if path else ""
    way = f"{path}{joint}{key}"
    return f"{way} with {section['required'][0]}" if len(list(_targets(part))) > 1 else way


def _sentence(part: Part) -> str:
    return str(part["description"]).replace("``", "`").replace("\n\n", " ").replace("\n", " ")
