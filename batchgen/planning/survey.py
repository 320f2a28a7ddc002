"""Read every prompt once: count the rows by arithmetic, find repeated texts, and check what depends on single prompts.

What is kept is one 64-bit hash a prompt while counting, and afterwards only the hashes of texts that repeat.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from batchgen.core.pricing import RowKind
from batchgen.planning.findings import Findings
from batchgen.planning.judge import Judge
from batchgen.planning.orders import ENDLESS, SweepPlan
from batchgen.planning.sources import ParamItems, Prompt, Source, ignore

_PARTS: Final = 8
_SMALL: Final = 100_000


@dataclass(slots=True, kw_only=True)
class Variant:
    """What the prompts of a sweep that share their own parameters have in common, and how many there are."""

    first: Prompt
    source: Source
    possible: int
    twins: int
    shortest_limit: int
    kinds: Counter[RowKind]
    prompts: int = 0
    wanted: int = 0


@dataclass(slots=True, kw_only=True)
class Counts:
    """What the survey found in one sweep. ``dropped`` counts cells that the model cannot do, ``dropped_rows`` the rows in them."""

    prompts: int = 0
    dropped: int = 0
    dropped_rows: int = 0
    kinds: Counter[RowKind] = field(default_factory=Counter)
    variants: dict[ParamItems, Variant] = field(default_factory=dict)


class Survey:
    """The first reading of all prompts of a manifest."""

    def __init__(self, findings: Findings, judge: Judge) -> None:
        self.files: Final[Counter[str]] = Counter()
        self._findings = findings
        self._judge = judge
        self._hashes = array("q")

    def count(self, sweep: SweepPlan, *, skips_invalid: bool) -> Counts:
        """Read the prompts of one sweep, count its rows and tell what is wrong with them."""
        counts = Counts()
        for source, prompt in self._prompts(sweep):
            counts.prompts += 1
            variant = counts.variants.get(prompt.params)
            if variant is None:
                variant = counts.variants[prompt.params] = _variant(sweep, source, prompt)
            variant.prompts += 1
            is_wanted = sweep.wants(prompt)
            variant.wanted += is_wanted
            if len(prompt.text) > variant.shortest_limit:
                self._leave_out(sweep, source, prompt, counts if is_wanted else Counts(), skips_invalid=skips_invalid)
        for params, variant in counts.variants.items():
            for kind, orders in variant.kinds.items():
                counts.kinds[kind] += orders * variant.wanted * sweep.samples
            if skips_invalid:
                impossible = sweep.cells.count - variant.possible
                counts.dropped += impossible
                counts.dropped_rows += impossible * variant.wanted * sweep.samples
            elif variant.possible < sweep.cells.count:
                self._judge.tell_impossible(sweep, params, variant.source, variant.first)
        self._judge.tell_no_model(sweep)
        self._judge.tell_remarks(sweep)
        return counts

    def repeated_texts(self) -> frozenset[int]:
        """Give the hashes of the texts that occur more than once."""
        return frozenset(_repeats(self._hashes)[0])

    def _prompts(self, sweep: SweepPlan) -> Iterator[tuple[Source, Prompt]]:
        ids = array("q")
        for source in sweep.sources:
            for prompt in self._rows(source):
                self._hashes.append(hash(prompt.text))
                if prompt.path:
                    ids.append(hash(prompt.id))
                yield source, prompt
        if again := _repeats(ids)[1]:
            self._findings.warn("W203", f"{again} prompts of the sweep {sweep.name!r} carry an id that others have too")

    def _rows(self, source: Source) -> Iterator[Prompt]:
        """Give a source's prompts; tell when there are none, or fewer than asked for."""
        told: list[str] = []

        def tell(code: str, message: str, path: str, line: int = 0, column: int = 0, *, hint: str = "") -> None:
            told.append(code)
            if path:
                self._findings.elsewhere(code, message, path, line, column, hint=hint)
            else:
                self._findings.error(code, message, source.at, hint=hint)

        number = 0
        for prompt in source.rows(tell):
            number += 1
            self.files[prompt.path] += 1
            yield prompt
        if not number and not told:
            self._findings.error("E206", "this source gives no prompt", source.at)
        elif not told and source.asked is not None and number < source.asked:
            self._findings.warn("W201", f"{source.asked} prompts were asked for, {number} are there", source.at)

    def _leave_out(self, sweep: SweepPlan, source: Source, prompt: Prompt, counts: Counts, *, skips_invalid: bool) -> None:
        """Take the orders for which a prompt is too long out of the count."""
        refused = [order for order in sweep.orders(prompt.params) if len(prompt.text) > order.max_chars]
        if not skips_invalid:
            self._judge.tell_too_long(source, prompt, refused)
        for order in refused:
            if order.is_wanted:
                counts.kinds[order.kind] -= sweep.samples
                counts.dropped += 1
                counts.dropped_rows += sweep.samples


def _variant(sweep: SweepPlan, source: Source, prompt: Prompt) -> Variant:
    """Expand the cells once for prompts with these parameters."""
    variant = Variant(first=prompt, source=source, possible=0, twins=0, shortest_limit=ENDLESS, kinds=Counter())
    for order in sweep.orders(prompt.params):
        variant.possible += 1
        variant.twins += order.twin > 0
        variant.shortest_limit = min(variant.shortest_limit, order.max_chars)
        variant.kinds[order.kind] += order.is_wanted
    return variant


def _repeats(hashes: "array[int]") -> tuple[set[int], int]:
    """Give the values that occur more than once, and how many occurrences are not the first; in parts, to stay small."""
    repeated: set[int] = set()
    again = 0
    parts = _PARTS if len(hashes) > _SMALL else 1
    for part in range(parts):
        seen: set[int] = set()
        for value in hashes:
            if value % parts == part:
                if value in seen:
                    repeated.add(value)
                    again += 1
                seen.add(value)
    return repeated, again


def count_repeats(sweeps: Sequence[SweepPlan], repeated: frozenset[int]) -> Counter[tuple[str, RowKind]]:
    """Count, by sweep and kind, the wanted rows that order the same thing as an earlier row."""
    again: Counter[tuple[str, RowKind]] = Counter()
    samples_of: dict[int, int] = {}
    for sweep in sweeps:
        for source in sweep.sources:
            for prompt in source.rows(ignore):
                is_wanted, is_repeated = sweep.wants(prompt), hash(prompt.text) in repeated
                for order in sweep.orders(prompt.params) if is_wanted or is_repeated else ():
                    if len(prompt.text) > order.max_chars:
                        continue
                    same = sweep.samples if order.twin else 0
                    if is_repeated:
                        what = hash((order.before, prompt.text, order.after))
                        before = samples_of.get(what, 0)
                        same = min(before, sweep.samples)
                        samples_of[what] = max(before, sweep.samples)
                    again[sweep.name, order.kind] += same * (is_wanted and order.is_wanted)
    return again
