"""Render the few templates of a manifest: the only home of Jinja.

Only ``{{ variable }}`` with simple filters is allowed; statements, comments, attributes, calls and arithmetic are refused when the
template is read, so nothing can run long or reach out. The sandbox below is a second wall.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT_BYTES: Final = 32 * 1024
_LONGEST_SOURCE: Final = 2 * MAX_OUTPUT_BYTES
_STATEMENT: Final = re.compile(r"\{[%#]")
_EXPRESSION: Final = re.compile(r"\{\{(.*?)(?:\}\}|\Z)", re.DOTALL)
_MOST_FILTERS: Final = 50
_ALLOWED: Final = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter)


def _replace(text: str, old: str, new: str) -> str:
    """Replace inside a text, up to the size that any output may have."""
    if len(text) + text.count(old) * len(new) > MAX_OUTPUT_BYTES:
        raise TemplateOutputError
    return text.replace(old, new)


_FILTERS: Final = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "capitalize": str.capitalize,
    "trim": str.strip,
    "replace": _replace,
}


class TemplateRefusedError(ValueError):
    """A template is not well-formed or uses what is not allowed; ``unknown`` names a variable that nobody sets."""

    def __init__(self, message: str, *, unknown: str = "") -> None:
        super().__init__(message)
        self.unknown: Final = unknown


class TemplateOutputError(ValueError):
    """A template's output is longer than allowed."""

    def __init__(self) -> None:
        super().__init__(f"the result is longer than {MAX_OUTPUT_BYTES // 1024} KiB")


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0)
    environment.filters = dict(_FILTERS)
    environment.globals = {}
    environment.tests = {}
    return environment


_ENVIRONMENT: Final = _environment()


class Text:
    """A checked template; ``variables`` are the names that it uses."""

    def __init__(self, source: str, *, known: Collection[str] | None = None) -> None:
        """Read a template; raise TemplateRefusedError, also for a variable outside ``known``."""
        tree = _parsed(source)
        self.variables: Final = frozenset(_names(tree))
        for name in sorted(self.variables):
            if known is not None and name not in known:
                raise TemplateRefusedError(f"unknown variable {name!r}", unknown=name)
        self._template: Final[Template] = _ENVIRONMENT.from_string(tree)

    def render(self, values: Mapping[str, str]) -> str:
        """Fill the variables in; raise TemplateOutputError when the result is too long."""
        text = self._template.render(values)
        if len(text) * 4 > MAX_OUTPUT_BYTES and len(text.encode("utf-8", "replace")) > MAX_OUTPUT_BYTES:
            raise TemplateOutputError
        return text


def _parsed(source: str) -> nodes.Template:
    """Parse a template; carriage returns, which Jinja would turn into line feeds, are carried around it."""
    if len(source) > _LONGEST_SOURCE:
        raise TemplateRefusedError(f"the template is longer than {_LONGEST_SOURCE // 1024} KiB")
    if _STATEMENT.search(source):
        raise TemplateRefusedError("statements and comments are not allowed in a template, only {{ variables }}")
    if any(found.count("|") > _MOST_FILTERS for found in _EXPRESSION.findall(source)):
        raise TemplateRefusedError(f"an expression has more than {_MOST_FILTERS} filters")
    mark = next(char for char in map(chr, range(0xE000, 0xF900)) if char not in source)
    try:
        tree = _ENVIRONMENT.parse(source.replace("\r", mark))
    except TemplateSyntaxError as error:
        raise TemplateRefusedError(f"the template is not well-formed: {error.message}") from error
    except (TemplateError, RecursionError, ValueError) as error:
        raise TemplateRefusedError("the template is not well-formed") from error
    for node in _all_of(tree):
        if isinstance(node, nodes.TemplateData):
            node.data = node.data.replace(mark, "\r")
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            node.value = node.value.replace(mark, "\r")
    return tree


def _all_of(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Give a tree and everything in it, however deep."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.iter_child_nodes())


def _names(tree: nodes.Node) -> set[str]:
    """Give the variables' names; raise when anything but variables, texts and our filters occurs."""
    found: set[str] = set()
    for node in _all_of(tree):
        if not isinstance(node, _ALLOWED) or (isinstance(node, nodes.Const) and not isinstance(node.value, str)):
            raise TemplateRefusedError("only {{ variable }} and simple filters are allowed in a template")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise TemplateRefusedError(f"the filter {node.name!r} is not allowed; there are {', '.join(_FILTERS)}")
        if isinstance(node, nodes.Filter):
            _check_arguments(node)
        if isinstance(node, nodes.Name):
            found.add(node.name)
    return found


def _check_arguments(node: nodes.Filter) -> None:
    wanted = 2 if node.name == "replace" else 0
    if len(node.args) != wanted or node.kwargs or node.dyn_args or node.dyn_kwargs or node.node is None:
        raise TemplateRefusedError(f"the filter {node.name!r} takes {wanted} texts")
    if wanted and not (isinstance(node.args[0], nodes.Const) and node.args[0].value):
        raise TemplateRefusedError("the filter 'replace' takes a text that is not empty first")
