"""Resolve cells into orders: what exactly each prompt asks for in each cell, and what its identity begins and ends with.

Precedence, weakest first: ``defaults`` < sweep ``params`` < cell < prompt ``params`` < ``overrides`` in order < ``--set``. Pure.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from batchgen.core.dialects import Complaint, Reference, Rules
from batchgen.core.pricing import RowKind
from batchgen.planning.cells import Cell, Cells, Rule, fits, shown
from batchgen.planning.scalars import Value, words_of
from batchgen.planning.settings import ReferenceSettings
from batchgen.planning.sources import ParamItems, Prompt, Source, Tell, canonical
from batchgen.planning.ways import stranded

PLAIN_ROLE: Final = "images"
"""References in this role come first and do not name it: so the identities of jobs from before there were others stay."""
HELD_CELLS: Final = 20_000
"""A sweep with more cells than this resolves them anew for every prompt instead of holding them."""
HELD_VARIANTS: Final = 64
ENDLESS: Final = 10**9
"""No prompt is longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One override, ready to use."""

    when: Rule
    set: Mapping[str, Value]
    unset: Sequence[str]


class Asked(NamedTuple):
    """What a row asks of the vendor beside its prompt: the operation, the parameters as they travel, and the reference images."""

    operation: str
    params: Mapping[str, str]
    references: tuple[Reference, ...]


class Order(NamedTuple):
    """What a cell orders for prompts with the same parameters of their own.

    ``before`` and ``after`` are the identity's bytes around the prompt; ``twin`` counts earlier cells that order exactly the same;
    prompts of more than ``max_chars`` characters cannot be ordered here.
    """

    cell: int
    label: str
    kind: RowKind
    references: str
    before: bytes
    after: bytes
    twin: int
    max_chars: int
    is_wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What ``--only`` keeps: any of the values of each key."""

    params: Mapping[str, frozenset[str]] = field(default_factory=dict)
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sweeps: frozenset[str] | None = None
    prompt_ids: frozenset[str] | None = None


class Remark(NamedTuple):
    """A warning of the vendor's rules, with one cell and one prompt's parameters that bring it up."""

    complaint: Complaint
    cell: Cell
    params: ParamItems


@dataclass(kw_only=True)
class SweepPlan:
    """One sweep, ready to be expanded: prompts, cells, and the layers above and below them.

    ``matched``, ``remarks`` and ``lacks_model`` fill while it is expanded: overrides that matched, warnings, rows without a model.

    ``is_whole`` is false when parts of the grid had to be left out, so that absences in it prove nothing. ``cells.base`` always
    says which operation is meant.
    """

    name: str
    samples: int
    cells: Cells
    changes: Sequence[Change]
    forced: Mapping[str, Value]
    references: Mapping[str, ReferenceSettings]
    rules: Rules
    sources: Sequence[Source]
    only: Filter
    priority: int = 0
    is_whole: bool = True
    lacks_model: bool = field(init=False, default=False)
    matched: set[int] = field(init=False, default_factory=set)
    remarks: dict[tuple[str, str, str], Remark] = field(init=False, default_factory=dict)
    _held: dict[ParamItems, tuple[Order, ...]] = field(init=False, default_factory=dict)

    def orders(self, params: ParamItems) -> Iterable[Order]:
        """Give the possible orders of a prompt with these parameters of its own, in the order of the cells."""
        held = self._held.get(params)
        if held is not None:
            return held
        if self.cells.count > HELD_CELLS:
            return self._resolved(params)
        if len(self._held) >= HELD_VARIANTS:
            self._held.clear()
        self._held[params] = tuple(self._resolved(params))
        return self._held[params]

    def resolve(self, cell: Cell, params: ParamItems) -> dict[str, Value]:
        """Lay the layers over each other."""
        values: dict[str, Value] = {**self.cells.base, **cell.values, **dict(params)}
        for number, change in enumerate(self.changes):
            if fits(change.when, values):
                self.matched.add(number)
                values.update(change.set)
                for name in change.unset:
                    values.pop(name, None)
                values.setdefault("operation", self.rules.operations[0])
        values.update(self.forced)
        return values

    def complaints(self, values: Mapping[str, Value]) -> Sequence[Complaint]:
        """List what stands against resolved parameters, whatever the prompt: the vendor's rules, and references that cannot travel."""
        return self._complaints(self._asked(values))

    def is_possible(self, values: Mapping[str, Value]) -> bool:
        """Say whether a model is named and nothing is refused."""
        return not is_refused(values, self.complaints(values))

    def _resolved(self, params: ParamItems) -> Iterator[Order]:
        twins: dict[tuple[bytes, bytes], int] = {}
        can_coincide = bool(params or self.changes or self.forced or self.cells.include or self._has_twin_references())
        for cell in self.cells:
            values = self.resolve(cell, params)
            asked = self._asked(values)
            complaints = self._complaints(asked)
            self.lacks_model |= "model" not in values
            if is_refused(values, complaints):
                continue
            for complaint in complaints:
                what = (complaint.param, shown(values.get(complaint.param, "")), complaint.message)
                self.remarks.setdefault(what, Remark(complaint, cell, params))
            order = self._order(cell, values, asked)
            if can_coincide:
                same = (order.before, order.after)
                twin = twins[same] = twins.get(same, -1) + 1
                order = order._replace(twin=twin) if twin else order
            yield order

    def _has_twin_references(self) -> bool:
        """Say whether two names mean the same content, so that cells that differ in the name order the same."""
        contents = {(reference.sha256, reference.url) for reference in self.references.values()}
        return len(contents) < len(self.references)

    def _order(self, cell: Cell, values: Mapping[str, Value], asked: Asked) -> Order:
        operation, params, references = asked
        images = [_entry(reference, self.references[reference.name]) for reference in references]
        on_wire = canonical(params)
        contents = [{key: value for key, value in image.items() if key != "name"} for image in images]
        return Order(
            cell=cell.number,
            label=cell.label,
            kind=RowKind(operation, params["model"], on_wire, len(images)),
            references=canonical(images),
            before=f"[{canonical(self.rules.name)},{canonical(operation)},{on_wire},".encode(),
            after=f",{canonical(contents)},".encode(),
            twin=0,
            max_chars=self._max_chars(asked),
            is_wanted=all(not wanted.isdisjoint(words_of(values.get(name, ()))) for name, wanted in self.only.params.items()),
        )

    @cached_property
    def _roles(self) -> tuple[str, ...]:
        """Give the roles of references in the order in which a row lists them."""
        return tuple(sorted(self.rules.roles, key=lambda role: role != PLAIN_ROLE))

    @cached_property
    def _apart(self) -> frozenset[str]:
        return frozenset({*self._roles, "operation"})

    def _asked(self, values: Mapping[str, Value]) -> Asked:
        """Part resolved parameters into what travels as texts, the references and the operation."""
        apart, references = self._apart, tuple(self._named(values)) if self.references else ()
        params = {name: value for name, value in values.items() if name not in apart and isinstance(value, str)}
        return Asked(str(values["operation"]), params, references)

    def _named(self, values: Mapping[str, Value]) -> Iterator[Reference]:
        for role in self._roles:
            for name in words_of(values.get(role, ())):
                yield Reference(role=role, name=name, facts=self.references[name].facts)

    def _complaints(self, asked: Asked) -> Sequence[Complaint]:
        operation, _, references = asked
        found = self._of_rules(asked, prompt_chars=1)
        return [*found, *stranded(references, self.references, operation=operation, rules=self.rules)] if references else found

    def _of_rules(self, asked: Asked, *, prompt_chars: int) -> Sequence[Complaint]:
        operation, params, references = asked
        return self.rules.complaints(params, operation=operation, prompt_chars=prompt_chars, references=references)

    def _max_chars(self, asked: Asked) -> int:
        """Find the longest prompt that the rules accept, by halving; they accept one of a single character."""
        if not _has_error(self._of_rules(asked, prompt_chars=ENDLESS)):
            return ENDLESS
        accepted, refused = 1, ENDLESS
        while refused - accepted > 1:
            middle = (accepted + refused) // 2
            if _has_error(self._of_rules(asked, prompt_chars=middle)):
                refused = middle
            else:
                accepted = middle
        return accepted

    def wants(self, prompt: Prompt) -> bool:
        """Say whether ``--only`` keeps a prompt of this sweep."""
        only = self.only
        if (only.sweeps is not None and self.name not in only.sweeps) or (only.prompt_ids is not None and prompt.id not in only.prompt_ids):
            return False
        if not only.labels:
            return True
        labels = json.loads(prompt.labels)
        return all(labels.get(name) in wanted for name, wanted in only.labels.items())


def is_refused(values: Mapping[str, Value], complaints: Iterable[Complaint]) -> bool:
    """Say whether something stands against ordering these parameters."""
    return "model" not in values or _has_error(complaints)


def _has_error(complaints: Iterable[Complaint]) -> bool:
    return any(complaint.severity == "error" for complaint in complaints)


def _entry(reference: Reference, declared: ReferenceSettings) -> dict[str, str]:
    """Describe a reference as a row stores it: its name, its content or address, and its role unless that is ``images``."""
    content = {"sha256": declared.sha256} if declared.sha256 is not None else {"url": declared.url or ""}
    role = {} if reference.role == PLAIN_ROLE else {"role": reference.role}
    return {"name": reference.name, **content, **role}


def prompts_of(sweep: SweepPlan, tell: Tell) -> Iterator[Prompt]:
    """Give the prompts of a sweep in order."""
    for source in sweep.sources:
        yield from source.rows(tell)
