"""Prompts from files: which files, which columns, which rows; streamed, and the same rows at every reading."""

import hashlib
import heapq
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from batchgen.planning import prompts
from batchgen.planning.manifest import FormatName, Pick
from batchgen.planning.names import Choice
from batchgen.planning.objects import Structure
from batchgen.planning.opening import UnreadableError, open_regular
from batchgen.planning.reader import Path as Place
from batchgen.planning.reader import Report
from batchgen.planning.sources import ParamItems, Prompt, Tell, canonical, ignore, inside
from batchgen.planning.tables import Getter, Row, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """One file of a source: where it is, how the manifest and messages name it, what it is, and what it was when it was planned."""

    path: Path
    written: str
    shown: str
    format: FormatName
    stamp: tuple[int, int, int]

    @classmethod
    def found(cls, path: Path, *, written: str, shown: str, file_format: FormatName) -> Self:
        """Take note of a file; raise UnreadableError when it cannot be read."""
        return cls(path=path, written=written, shown=shown, format=file_format, stamp=_stamp(path))

    @property
    def stem(self) -> str:
        """Give the beginning of the ids of its rows."""
        return self.path.stem.encode("utf-8", "replace").decode()

    def open(self, report: Report, items: str = "") -> Table:
        """Open the file as a table; raise UnreadableError when it cannot be read or is not the file that was planned."""
        if _stamp(self.path) != self.stamp:
            raise UnreadableError(f"{self.shown} changed while it was planned; plan again")
        return prompts.open_table(self.path, self.format, report, items=items)

    def sha256(self) -> str:
        """Hash the content."""
        with open_regular(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a file mean what."""

    prompt: str | None = None
    id: str | None = None
    items: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    choices: Mapping[str, Choice] = field(default_factory=dict)


class _Getters:
    """The columns of one opened table, found once."""

    def __init__(self, table: Table, columns: Columns) -> None:
        self.text = table.getter(columns.prompt) if columns.prompt else table.default_getter()
        self.id = table.getter(columns.id) if columns.id else None
        self.labels = _found(table, columns.labels)
        self.params = _found(table, dict(sorted(columns.params.items())))
        self.where = [
            (get, frozenset(wanted)) for name, wanted in columns.where.items() if (get := table.getter(columns.labels.get(name, name)))
        ]

    def is_wanted(self, row: Row) -> bool:
        """Say whether a row passes every condition."""
        return all(get(row) in wanted for get, wanted in self.where)

    def labels_of(self, row: Row) -> str:
        """Give a row's labels as canonical JSON."""
        return _json_of(row, self.labels) if self.labels else "{}"

    def params_of(self, row: Row) -> ParamItems:
        """Give the parameters that a row sets."""
        if not self.params:
            return ()
        return tuple((name, value) for name, get in self.params if (value := get(row)) is not None)


def _json_of(row: Row, getters: Iterable[tuple[str, Getter]]) -> str:
    return canonical({name: value for name, get in getters if (value := get(row)) is not None})


def _found(table: Table, columns: Mapping[str, str]) -> list[tuple[str, Getter]]:
    return [(name, get) for name, column in columns.items() if (get := table.getter(column))]


@dataclass(slots=True, kw_only=True)
class FileSource:
    """The rows of one file, or of several in natural order, after ``where`` and ``pick``."""

    at: Place
    files: Sequence[PromptFile]
    columns: Columns
    pick: Pick | None
    span: tuple[int, int] | None = None
    known: int | None = None
    _chosen: frozenset[int] | None = None

    @property
    def asked(self) -> int | None:
        """Say how many rows the pick wants."""
        match self.pick:
            case Pick(sample=int() as sample):
                return sample
            case Pick(first=int() as first):
                return first
            case _:
                return None if self.span is None else self.span[1] - self.span[0] + 1

    def rows(self, tell: Tell) -> Iterator[Prompt]:
        """Give the picked rows."""
        if self.pick is None:
            yield from self._matching(tell)
        elif self.pick.sample is not None:
            chosen = self._sampled(self.pick.sample, self.pick.seed)
            yield from (prompt for index, prompt in enumerate(self._matching(tell)) if index in chosen)
        else:
            first, last = self.span or (1, self.pick.first or 0)
            yield from itertools.islice(self._matching(tell), first - 1, last)

    def _sampled(self, size: int, seed: int) -> frozenset[int]:
        """Choose rows by the smallest hashes of seed and number: the same on every machine and in every version."""
        if self._chosen is None:
            total = sum(1 for _ in self._matching(ignore))
            ranked = ((_rank(seed, index), index) for index in range(total))
            self._chosen = frozenset(index for _, index in heapq.nsmallest(size, ranked))
        return self._chosen

    def _matching(self, tell: Tell) -> Iterator[Prompt]:
        for file in self.files:
            yield from self._rows_of(file, tell)

    def _rows_of(self, file: PromptFile, tell: Tell) -> Iterator[Prompt]:
        report = inside(file.shown, tell)
        table = file.open(report, self.columns.items)
        getters = _Getters(table, self.columns)
        get_text, get_id, is_whole = getters.text, getters.id, file.format == "whole"
        if get_text is None:
            return
        for number, (line, row) in enumerate(table.rows(), 1):
            if getters.where and not getters.is_wanted(row):
                continue
            name = (get_id(row) if get_id else None) or (file.stem if is_whole else f"{file.stem}-{number}")
            prompt = Prompt(name, get_text(row) or "", getters.params_of(row), getters.labels_of(row), file.shown, line)
            if reason := self._flaw(prompt):
                report(*reason, line, 1)
            else:
                yield prompt

    def _flaw(self, prompt: Prompt) -> tuple[str, str] | None:
        """Say by code and message why a row cannot be used."""
        if isinstance(prompt.text, Structure):
            return "E203", "the prompt is a list or an object, not a text; name the text in it with a pointer such as /caption/en"
        if reason := prompts.unusable(prompt.text):
            return reason
        if not (_is_storable(prompt.id) and _is_storable(prompt.labels)):
            return "E202", "a label or id holds a character that cannot be stored"
        for name, value in prompt.params:
            if not isinstance(value, str) or value.isspace() or not _is_storable(value):
                return "E202", f"the parameter {name!r} has no usable value"
            choice = self.columns.choices.get(name)
            if choice is not None and (refusal := choice.refusal(value)):
                return "E103", f"{refusal}; {choice.advice(value)}"
        return None


def _is_storable(text: str) -> bool:
    """Say whether a text can be kept as UTF-8 in a database: no NUL, no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or prompts.unusable(f".{text}") is None)


def _rank(seed: int, index: int) -> bytes:
    return hashlib.sha256(f"{seed}:{index}".encode()).digest()[:16]
