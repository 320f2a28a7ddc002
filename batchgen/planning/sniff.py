"""Write a starter manifest for a file of prompts: find the prompt's column, the labels, and say how to go on."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from batchgen.planning import prompts
from batchgen.planning.manifest import FormatName
from batchgen.planning.naming import slug
from batchgen.planning.objects import Structure
from batchgen.planning.tables import Row, Table, say_nothing

_ROWS: Final = 1000
_FIRST: Final = 10
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROMPT_WORDS: Final = ("prompt", "text", "caption", "description")
_ID_WORDS: Final = ("id", "index", "key", "prompt_id")
_LONGEST_LABEL: Final = 60

_GRID: Final = """\
grid:                          # every prompt in every combination; the first key is slowest
  ratio: [1:1]
"""
_EXAMPLES: Final = (
    "A lighthouse on a cliff at dawn, linocut",
    'A neon sign that says "OPEN" in a rainy street',
)


@dataclass(slots=True)
class _Sniffed:
    """What a file seems to hold."""

    rows: int = 0
    prompt: str | None = None
    id: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """A manifest to start from: its text, the columns that set a parameter in it, and those that it leaves out."""

    text: str
    params: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def starter(file: Path | None = None, *, written: str | None = None, params: Collection[str] = ()) -> Starter:
    """Give a manifest that loads as it is and draws with the simulator.

    ``written`` is how the manifest shall name the file, where that is not the path as given. A column that is called like one of
    ``params`` sets that parameter. Raises UnreadableError.
    """
    if file is None:
        return Starter(text=_manifest("first-batch", _examples(), _Sniffed()))
    file_format = prompts.format_of(file)
    found = _sniffed(file, file_format or "txt", params)
    text = _manifest(slug(file.stem), _source(found, file_format, written or file.as_posix()), found)
    return Starter(text=text, params=tuple(found.params.values()), ignored=tuple(found.ignored))


def _manifest(name: str, source: str, found: _Sniffed) -> str:
    grid = "" if "ratio" in found.params else _GRID
    return f"""\
# yaml-language-server: $schema=./manifest.v1.schema.json
version: 1
name: {_quoted(name)}
provider:
  use: sim                     # the embedded simulator, free; `jimmyai` draws for money with the key in JIMMYAI_API_KEY
defaults:
  model: gpt-image-2
  resolution: 1k
  quality: low
prompts:
{source}
{grid}samples: 1                     # rows per prompt and cell
output:
  dir: out/{{{{ batch }}}}
limits:
  in_flight: auto              # remote tasks alive at once: as many as the vendor is found to bear, or a number
  budget: {{jobs: 100}}          # a hard stop; `cost: 5` stops at an amount
"""


def _examples() -> str:
    return "\n".join(f"  - {_quoted(text)}" for text in _EXAMPLES)


def _source(found: _Sniffed, file_format: FormatName | None, written: str) -> str:
    lines = [f"  - file: {_quoted(written)}"]
    if file_format is None:
        lines.append("    format: txt")
    if found.prompt is not None:
        lines.append(f"    prompt: {_quoted(found.prompt)}")
    if found.id is not None:
        lines.append(f"    id: {_quoted(found.id)}")
    for key, columns in (("params", found.params), ("vars", found.labels)):
        if columns:
            pairs = ", ".join(f"{name}: {_quoted(column)}" for name, column in columns.items())
            lines.append(f"    {key}: {{{pairs}}}")
    if found.rows > _FIRST:
        lines.append(f"    pick: {{first: {_FIRST}}}        # begin small; without this line, all rows")
    return "\n".join(lines)


def _sniffed(file: Path, file_format: FormatName, params: Collection[str]) -> _Sniffed:
    table = prompts.open_table(file, file_format, say_nothing)
    rows = [row for _, row in islice(table.rows(), _ROWS)]
    found = _Sniffed(rows=len(rows))
    if not table.columns or not rows:
        return found
    columns = {name: _texts(table, name, rows) for name in table.columns}
    found.prompt = _prompt_column(columns)
    found.id = next((name for name in columns if name.casefold() in _ID_WORDS and _is_unique(columns[name])), None)
    for name, texts in columns.items():
        if name in {found.prompt, found.id}:
            continue
        word = name.casefold()
        place = found.params if word in params else found.labels
        label = word if word in params else re.sub(r"[^a-z0-9]+", "_", word).strip("_") or "label"
        if label not in place and (place is found.params or _is_label(texts)):
            place[label] = name
        else:
            found.ignored.append(name)
    return found


def _texts(table: Table, name: str, rows: Sequence[Row]) -> list[str]:
    get = table.getter(name)
    return ["" if isinstance(text := get(row), Structure) else text or "" for row in rows] if get is not None else []


def _prompt_column(columns: dict[str, list[str]]) -> str:
    """Choose by the usual names, else the column with the longest texts."""
    for word in _PROMPT_WORDS:
        for name in columns:
            if name.casefold() == word or name.casefold().startswith(f"{word}_"):
                return name
    return max(columns, key=lambda name: sum(map(len, columns[name])))


def _is_unique(texts: Sequence[str]) -> bool:
    return all(texts) and len(set(texts)) == len(texts)


def _is_label(texts: Sequence[str]) -> bool:
    """Say whether a column sorts the rows into a few groups."""
    kinds = set(texts)
    return 1 < len(kinds) <= max(2, len(texts) // 4) and max(map(len, kinds)) <= _LONGEST_LABEL


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
