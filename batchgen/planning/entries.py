"""Check the entries of ``prompts:`` and build a source from each: files opened, columns found, templates read."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from glob import glob, has_magic
from pathlib import Path
from typing import Final

from batchgen.planning import manifest as written
from batchgen.planning import prompts
from batchgen.planning.cells import Axis
from batchgen.planning.filesource import Columns, FileSource, PromptFile
from batchgen.planning.findings import Findings, did_you_mean, listed
from batchgen.planning.grids import conflicts
from batchgen.planning.names import Names
from batchgen.planning.opening import UnreadableError, is_there
from batchgen.planning.reader import Path as Place
from batchgen.planning.scalars import Value
from batchgen.planning.sources import (
    InlineSource,
    ParamItems,
    Prompt,
    Source,
    TemplateSource,
    canonical,
    inside,
    param_items,
)
from batchgen.planning.tables import Table
from batchgen.planning.templates import TemplateRefusedError, Text

_MOST_FOLDERS: Final = 32
_MOST_DEEP: Final = 2
"""Of a pattern: more could be looked for until the morning."""
_RANGE: Final = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Entries:
    """Builds sources, and remembers every file and every label on the way."""

    def __init__(self, findings: Findings, names: Names, folder: Path) -> None:
        self.files: Final[dict[str, PromptFile]] = {}
        self.labels: Final[set[str]] = set()
        self._findings = findings
        self._names = names
        self._folder = folder

    def build(self, entries: Sequence[written.Source], at: Place, axes: Sequence[Axis]) -> list[Source]:
        """Build the sources of one sweep; entries that cannot be used are told and left out."""
        ids: set[str] = set()
        sources = []
        for number, entry in enumerate(entries):
            source = self._source(entry, (*at, number), number + 1, axes)
            if isinstance(entry, written.Item) and entry.id is not None:
                if entry.id in ids:
                    self._findings.error("E208", f"the id {entry.id!r} stands before", (*at, number, "id"))
                ids.add(entry.id)
            if source is not None:
                sources.append(source)
        return sources

    def _source(self, entry: written.Source, at: Place, number: int, axes: Sequence[Axis]) -> Source | None:
        if isinstance(entry, str):
            return InlineSource(at=at, prompt=self._prompt(f"p{number}", entry, (), {}, at))
        if isinstance(entry, written.Item):
            params = self._params(entry.params, (*at, "params"), axes)
            prompt = self._prompt(entry.id or f"p{number}", entry.text, params, entry.vars, at)
            return InlineSource(at=(*at, "text"), prompt=prompt)
        if isinstance(entry, written.FileSource):
            return self._file_source(entry, at, axes)
        return self._template_source(entry, at, number, axes)

    def _prompt(self, name: str, text: str, params: ParamItems, labels: Mapping[str, str], at: Place) -> Prompt:
        self.labels.update(labels)
        return Prompt(name, text, params, canonical(dict(labels)), "", self._findings.place(at)[0])

    def _params(self, params: Mapping[str, Value], at: Place, axes: Sequence[Axis]) -> ParamItems:
        flat = conflicts(params, axes)
        for name in flat:
            self._tell_conflict(name, (*at, name))
        own = {name: value for name, value in params.items() if name not in flat}
        return param_items(self._names.layer(own, at))

    def _tell_conflict(self, name: str, at: Place) -> None:
        hint = "remove it here, or take it out of the grid"
        self._findings.error("E306", f"{name!r} is an axis of this sweep", at, on_key=True, hint=hint)

    # --- templates ---

    def _template_source(self, entry: written.TemplateSource, at: Place, number: int, axes: Sequence[Axis]) -> Source | None:
        before = self._findings.errors
        self.labels.update(entry.vars)
        variables = {name: self._values(name, values, (*at, "vars", name)) for name, values in entry.vars.items()}
        lengths = {name: len(values) for name, values in variables.items()}
        if entry.combine == "zip" and len(set(lengths.values())) > 1:
            sizes = ", ".join(f"{name} {length}" for name, length in lengths.items())
            self._findings.error("E302", f"zip needs lists of equal length: {sizes}", (*at, "vars"))
        template = self._template(entry.template, variables, (*at, "template"))
        params = self._params(entry.params, (*at, "params"), axes)
        if template is None or self._findings.errors > before:
            return None
        return TemplateSource(
            at=(*at, "template"),
            template=template,
            variables=variables,
            is_product=entry.combine == "product",
            prefix=entry.id or f"t{number}",
            params=params,
            line=self._findings.place(at)[0],
        )

    def _template(self, source: str, variables: Mapping[str, object], at: Place) -> Text | None:
        try:
            return Text(source, known=variables)
        except TemplateRefusedError as error:
            hint = did_you_mean(error.unknown, variables) if error.unknown else ""
            self._findings.error("E502" if error.unknown else "E501", str(error), at, hint=hint)
            return None

    def _values(self, name: str, values: written.Lines | Sequence[str], at: Place) -> Sequence[str]:
        if not _VARIABLE.fullmatch(name):
            self._findings.error("E103", "a variable's name has letters, digits and underscores", at, on_key=True)
        found = self._lines(values.lines, (*at, "lines")) if isinstance(values, written.Lines) else values
        if found is None:
            return ()
        if not found:
            self._findings.error("E301", f"the variable {name!r} has no values", at)
        return found

    def _lines(self, name: str, at: Place) -> Sequence[str] | None:
        try:
            file = self._file(self._folder / name, name, "txt")
            table = file.open(inside(file.shown, self._findings.elsewhere))
        except UnreadableError as error:
            self._tell_unreadable(name, error, at)
            return None
        return [row for _, row in table.rows()]

    # --- files ---

    def _file_source(self, entry: written.FileSource, at: Place, axes: Sequence[Axis]) -> Source | None:
        before = self._findings.errors
        self.labels.update(entry.vars)
        pick, span = entry.choice, self._span(entry, at)
        columns = Columns(
            prompt=entry.prompt,
            id=entry.id,
            items=entry.items or "",
            labels=entry.vars,
            params={name: key for name, key in entry.params.items() if self._names.is_known(name, (*at, "params", name))},
            where=entry.where,
            choices=self._names.choices,
        )
        files = self._expand(entry, (*at, "file"))
        for file in files:
            table = file.open(inside(file.shown, self._findings.elsewhere), columns.items)
            self._check_columns(table, file, columns, at, axes)
        if not files or self._findings.errors > before:
            return None
        return FileSource(at=(*at, "file"), files=files, columns=columns, pick=pick, span=span)

    def _span(self, entry: written.FileSource, at: Place) -> tuple[int, int] | None:
        word = entry.choice.range if entry.choice is not None else None
        if word is None:
            return None
        match = _RANGE.fullmatch(word)
        first, last = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= first <= last:
            place = (*at, "range") if entry.range is not None else (*at, "pick", "range")
            self._findings.error("E103", "must be two row numbers from 1, such as 100..199", place)
        return first, last

    def _expand(self, entry: written.FileSource, at: Place) -> list[PromptFile]:
        """Find the files that an entry names, in natural order."""
        names = [entry.file]
        if has_magic(entry.file) and not is_there(self._folder / entry.file):
            if entry.file.count("/") > _MOST_FOLDERS or entry.file.count("**") > _MOST_DEEP:
                self._findings.error("E201", f"a pattern may name {_MOST_FOLDERS} folders and have ** {_MOST_DEEP} times at most", at)
                return []
            found = glob(entry.file, root_dir=self._folder, recursive=True)  # noqa: PTH207 - pathlib has no root and no **-less recursion switch
            names = sorted((name for name in found if (self._folder / name).is_file()), key=prompts.natural_order)
            if not names:
                self._findings.error("E201", f"{entry.file!r} matches no file", at)
        files = []
        for name in names:
            path = self._folder / name
            file_format = entry.format or prompts.format_of(path)
            if file_format is None:
                hint = "set `format:` to txt, csv, tsv, jsonl, json, yaml or whole"
                self._findings.error("E201", f"the suffix of {name!r} does not tell its format", at, hint=hint)
                continue
            try:
                files.append(self._file(path, name, file_format))
            except UnreadableError as error:
                self._tell_unreadable(name, error, at)
        return files

    def _file(self, path: Path, name: str, file_format: written.FormatName) -> PromptFile:
        shown = (Path(self._findings.shown_path).parent / name).as_posix()
        file = PromptFile.found(path, written=Path(name).as_posix(), shown=shown, file_format=file_format)
        self.files[file.shown] = file
        return file

    def _tell_unreadable(self, name: str, error: UnreadableError, at: Place) -> None:
        path = self._folder / name
        siblings: list[str] = []
        with suppress(OSError):  # no such folder, or none that could be looked into
            siblings = [sibling.name for sibling in path.parent.iterdir()]
        close = get_close_matches(path.name, siblings, n=1)
        hint = f"did you mean {(Path(name).parent / close[0]).as_posix()!r}?" if close and not is_there(path) else ""
        self._findings.error("E201", f"{name!r}: {error}", at, hint=hint)

    def _check_columns(self, table: Table, file: PromptFile, columns: Columns, at: Place, axes: Sequence[Axis]) -> None:
        if table.columns == ():
            return  # an empty file: there is no prompt, and that is told when it is read
        if columns.prompt is None and table.default_getter() is None:
            message = f"{file.written} has the columns {listed(table.columns or ())}: which one is the prompt?"
            self._findings.error("E204", message, (*at, "file"), hint="name it with `prompt:`")
        if columns.prompt is not None:
            self._check_column(table, file, columns.prompt, (*at, "prompt"))
        if columns.id is not None:
            self._check_column(table, file, columns.id, (*at, "id"))
        for name, column in columns.labels.items():
            self._check_column(table, file, column, (*at, "vars", name))
        for name in columns.where:
            if name not in columns.labels:
                self._check_column(table, file, name, (*at, "where", name), on_key=True)
        there = {name for name, column in columns.params.items() if _has(table, column)}
        for name in conflicts(dict.fromkeys(there), axes):
            self._tell_conflict(name, (*at, "params", name))
        for name in sorted(columns.params.keys() - there):
            message = f"{file.written} has no column {columns.params[name]!r}: {name!r} is not set from it"
            hint = did_you_mean(columns.params[name], table.columns or ())
            self._findings.warn("W202", message, (*at, "params", name), hint=hint)

    def _check_column(self, table: Table, file: PromptFile, column: str, at: Place, *, on_key: bool = False) -> None:
        if _has(table, column):
            return
        if table.columns is None:
            message, hint = f"{file.written} has no columns: every row is a prompt", ""
        else:
            message = f"{file.written} has no column {column!r}; there are {listed(table.columns)}"
            hint = did_you_mean(column, table.columns)
        self._findings.error("E204", message, at, on_key=on_key, hint=hint)


def _has(table: Table, column: str) -> bool:
    """Say whether a table has a column; where rows differ, whether any row has it."""
    get = table.getter(column)
    if get is None:
        return False
    return table.is_fixed or any(get(row) is not None for _, row in table.rows())
