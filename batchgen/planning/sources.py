"""Turn the entries of ``prompts:`` into streams of prompts. Each stream can be read again and holds no rows.

A source is checked when it is built (files, columns, templates) and while its rows are read for the first time.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from batchgen.planning import prompts
from batchgen.planning.reader import Path as Place
from batchgen.planning.reader import Report
from batchgen.planning.scalars import Value
from batchgen.planning.templates import TemplateOutputError, Text

ParamItems = tuple[tuple[str, Value], ...]
"""A prompt's own parameters, sorted by name: hashable, so that prompts with the same ones share their cells."""

canonical: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
"""Write canonical JSON: sorted keys, no spaces, no escapes beyond what JSON needs."""


class Prompt(NamedTuple):
    """One prompt: ``labels`` is canonical JSON, ``path`` the file it stands in (empty for the manifest)."""

    id: str
    text: str
    params: ParamItems
    labels: str
    path: str
    line: int


class Tell(Protocol):
    """Where a source tells what is wrong with a row; an empty path is the source's own place in the manifest."""

    def __call__(self, code: str, message: str, path: str, line: int = 0, column: int = 0, *, hint: str = "") -> None:
        """Take one problem."""


class Source(Protocol):
    """One entry of ``prompts:``."""

    @property
    def at(self) -> Place:
        """Give the place in the manifest."""

    @property
    def known(self) -> int | None:
        """Give the number of prompts, when arithmetic tells it."""

    @property
    def asked(self) -> int | None:
        """Give how many prompts a pick wants."""

    def rows(self, tell: Tell) -> Iterator[Prompt]:
        """Give the prompts in order."""


def param_items(params: Mapping[str, Value]) -> ParamItems:
    """Sort a prompt's parameters into their hashable form."""
    return tuple(sorted(params.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineSource:
    """A prompt written in the manifest."""

    at: Place
    prompt: Prompt
    known: int | None = 1
    asked: int | None = None

    def rows(self, tell: Tell) -> Iterator[Prompt]:
        """Give the one prompt."""
        if reason := prompts.unusable(self.prompt.text):
            tell(*reason, "")
        else:
            yield self.prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """A template and the values of its variables."""

    at: Place
    template: Text
    variables: Mapping[str, Sequence[str]]
    is_product: bool
    prefix: str
    params: ParamItems
    line: int
    asked: int | None = None

    @property
    def known(self) -> int | None:
        """Count the combinations."""
        sizes = [len(values) for values in self.variables.values()]
        return math.prod(sizes) if self.is_product else min(sizes, default=1)

    def rows(self, tell: Tell) -> Iterator[Prompt]:
        """Render every combination, the first variable slowest."""
        names = tuple(self.variables)
        columns = self.variables.values()
        rows = itertools.product(*columns) if self.is_product or not names else zip(*columns, strict=True)
        for number, values in enumerate(rows, 1):
            labels = dict(zip(names, values, strict=True))
            try:
                text = self.template.render(labels)
            except TemplateOutputError as error:
                tell("E503", str(error), "")
                continue
            if reason := prompts.unusable(text):
                tell(*reason, "")
            else:
                yield Prompt(f"{self.prefix}-{number}", text, self.params, canonical(labels), "", self.line)


def inside(shown: str, tell: Tell) -> Report:
    """Report problems as problems of the file that is shown by this name."""

    def report(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        tell(code, message, shown, line, column, hint=hint)

    return report


def ignore(code: str, message: str, path: str, line: int = 0, column: int = 0, *, hint: str = "") -> None:
    """Drop a problem that another reading tells."""
