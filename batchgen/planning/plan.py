"""A plan: counted, checked, and ready to be streamed as job specs as often as needed, in flat memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Final, NamedTuple

from batchgen.core.errors import InputError
from batchgen.core.jobs import JobSpec
from batchgen.core.pricing import RowKind
from batchgen.core.problems import Problem
from batchgen.planning.coverage import Coverage
from batchgen.planning.orders import SweepPlan, prompts_of
from batchgen.planning.origins import Explained, Origins
from batchgen.planning.settings import RunSettings

_DIGITS: Final = 32
_SHUFFLE_DIGITS: Final = 13
BAND: Final = 16**_SHUFFLE_DIGITS
"""Positions of sweeps of the same priority, where they are spread over a band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that the plan was made from: its path as written (POSIX), its SHA-256, and how many prompts it gave."""

    path: str
    sha256: str
    prompts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSummary:
    """A sweep in numbers.

    ``dropped`` counts the cells that ``invalid_cells: skip`` left out, once for prompts with the same parameters of their own, and
    ``dropped_rows`` the rows that they would have been.
    """

    name: str
    prompts: int
    cells: int
    samples: int
    rows: int
    dropped: int
    dropped_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """A plan in numbers, by arithmetic. ``repeats`` counts rows that order the same thing as an earlier row.

    ``models`` and ``kinds`` count the same rows, by model and by everything that decides the price.
    """

    sweeps: tuple[SweepSummary, ...]
    models: Mapping[str, int]
    kinds: Mapping[RowKind, int]
    repeats: int


class Linear(NamedTuple):
    """Positions that begin somewhere and advance with each sample, prompt and cell."""

    first: int
    per_sample: int = 0
    per_prompt: int = 0
    per_cell: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One sweep with what its rows need beside it: where they stand in the running order."""

    sweep: SweepPlan
    linear: Linear
    coverage: Coverage | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a manifest asks for. ``jobs`` can be called again and again; rows are made while they are read."""

    source: bytes
    source_sha256: str
    path: Path
    settings: RunSettings
    files: tuple[SourceFile, ...]
    total: int
    warnings: tuple[Problem, ...]
    summary: PlanSummary
    streams: tuple[Stream, ...]
    repeated: frozenset[int]
    merges: bool
    origins: Origins

    def jobs(self) -> Iterator[JobSpec]:
        """Give every row; raise InputError when a prompt file changed since the plan was made."""
        seen: dict[bytes, int] = {}
        for stream in self.streams:
            yield from self._rows(stream, seen)

    def _rows(self, stream: Stream, seen: dict[bytes, int]) -> Iterator[JobSpec]:
        """Give the rows of one sweep. The loop runs a million times a plan: everything that can be is bound outside of it."""
        sweep, repeated, merges = stream.sweep, self.repeated, self.merges
        name, samples, orders_of = sweep.name, range(1, sweep.samples + 1), sweep.orders
        first, per_sample, per_prompt, per_cell = stream.linear
        place = None if stream.coverage is None else stream.coverage.place
        shuffle = f"{self.settings.shuffle_seed}:" if self.settings.order == "shuffle" else ""
        new, make = tuple.__new__, JobSpec
        for number, prompt in enumerate(prompts_of(sweep, refuse_change)):
            prompt_id, text, params, labels, _, _ = prompt
            is_wanted = sweep.wants(prompt)
            is_repeated = hash(text) in repeated
            if not is_wanted and not is_repeated:
                continue
            quoted = encode_basestring(text).encode()
            chars = len(text)
            base = first + number * per_prompt
            for cell, label, kind, references, before, after, twin, max_chars, is_wanted_order in orders_of(params):
                if chars > max_chars:
                    continue
                body = before + quoted + after
                operation, model, wire, _ = kind
                for sample in samples:
                    ordinal = _next_ordinal(seen, b"%b%d" % (body, sample)) if is_repeated else twin
                    if not (is_wanted and is_wanted_order) or (merges and ordinal):
                        continue
                    key = sha256(b"%b%d,%d]" % (body, sample, ordinal)).hexdigest()[:_DIGITS]
                    position = base + cell * per_cell + (sample - 1) * per_sample
                    if place:
                        position = place(number, cell, sample)
                    elif shuffle:
                        position = first + int(sha256((shuffle + key).encode()).hexdigest()[:_SHUFFLE_DIGITS], 16)
                    yield new(
                        make,
                        (key, name, prompt_id, text, operation, model, wire, labels, references, label, sample, ordinal, position),
                    )

    def explain(self, key_prefix: str) -> Sequence[Explained]:
        """Say for each parameter who set it, for the one job whose key begins so; raise InputError when there is not exactly one."""
        found = list(islice((job for job in self.jobs() if job.key.startswith(key_prefix)), 2))
        if len(found) != 1:
            message = "no job's key begins with" if not found else "more than one job's key begins with"
            raise InputError(f"{message} {key_prefix!r}")
        job = found[0]
        sweep = next(stream.sweep for stream in self.streams if stream.sweep.name == job.sweep)
        cell = next(cell for cell in sweep.cells if cell.label == job.cell)
        return next(
            self.origins.explain(sweep, cell, source, prompt)
            for source in sweep.sources
            for prompt in source.rows(refuse_change)
            if (prompt.id, prompt.text, prompt.labels) == (job.prompt_id, job.prompt, job.labels)
        )


def _next_ordinal(seen: dict[bytes, int], order: bytes) -> int:
    """Count how often this order came up before."""
    what = sha256(order).digest()[:16]
    ordinal = seen.get(what, 0)
    seen[what] = ordinal + 1
    return ordinal


def refuse_change(code: str, message: str, path: str, line: int = 0, column: int = 0, *, hint: str = "") -> None:
    """Stop when a row that was good while planning is not any more."""
    raise InputError(str(Problem(code=code, message=message, path=path, line=line, column=column, hint=hint)))
