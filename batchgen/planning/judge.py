"""Tell which combinations a model cannot do, each at the value that makes it impossible."""

from collections.abc import Iterable
from typing import Final

from batchgen.core.dialects import Complaint
from batchgen.planning.cells import Cell, named
from batchgen.planning.findings import Findings
from batchgen.planning.orders import Order, SweepPlan
from batchgen.planning.origins import Origin, Origins
from batchgen.planning.scalars import Value
from batchgen.planning.sources import ParamItems, Prompt, Source

_MOST: Final = 25
"""Impossible combinations of one kind of prompt that are listed; there may be thousands."""
_SKIP: Final = "or set `invalid_cells: skip` to leave such rows out"


class Judge:
    """Turn complaints of the vendor's rules into located problems."""

    def __init__(self, findings: Findings, origins: Origins) -> None:
        self._findings = findings
        self._origins = origins

    def tell_impossible(self, sweep: SweepPlan, params: ParamItems, source: Source, prompt: Prompt) -> None:
        """Tell every cell that cannot be ordered for prompts with these parameters of their own; ``prompt`` is the first one."""
        told = 0
        for cell in sweep.cells:
            values = sweep.resolve(cell, params)
            if "model" not in values or sweep.is_possible(values):
                continue
            told += 1
            if told > _MOST:
                self._findings.error("E401", "there are more impossible combinations", self._origins.at[sweep.name])
                return
            self._tell_cell(sweep, cell, values, source, prompt)

    def tell_no_model(self, sweep: SweepPlan) -> None:
        """Tell that some row names no model, which is never skipped; a grid that lost a part proves no absence."""
        if sweep.lacks_model and sweep.is_whole:
            usual = _usual_model(sweep)
            hint = f"set `model` under defaults{f', such as {usual}' if usual else ''}, or make it an axis of the grid"
            self._findings.error("E105", "no model is given", self._origins.at[sweep.name], hint=hint)

    def _tell_cell(self, sweep: SweepPlan, cell: Cell, values: dict[str, Value], source: Source, prompt: Prompt) -> None:
        origins = self._origins.of(sweep, cell, source, prompt)
        is_prompts_fault = bool(prompt.params) and sweep.is_possible(sweep.resolve(cell, ()))
        for complaint in sweep.complaints(values):
            if complaint.severity == "error" and not _is_hearsay(sweep, complaint):
                names = dict.fromkeys(("model", *cell.values, complaint.param))
                what = named({name: values[name] for name in names if name in values})
                hint = f"{complaint.hint}; {_SKIP}" if complaint.hint else _SKIP
                origin = origins.get(complaint.param) or (origins.get("operation") if complaint.param in sweep.rules.roles else None)
                if is_prompts_fault:
                    message = f"the prompt {prompt.id!r} makes {what} impossible: {complaint.message}"
                    self._tell_at_prompt(message, source, prompt, hint, origin)
                else:
                    self._tell_at_origin(sweep, f"{what} is impossible: {complaint.message}", hint, origin)

    def _tell_at_origin(self, sweep: SweepPlan, message: str, hint: str, origin: Origin | None) -> None:
        if origin is None or origin.layer == "--set":
            self._findings.error("E401", message, self._origins.at[sweep.name], hint=hint)
        elif origin.at is None:
            self._findings.elsewhere("E401", message, origin.file, origin.line, 1, hint=hint)
        else:
            self._findings.error("E401", message, origin.at, hint=hint)

    def _tell_at_prompt(self, message: str, source: Source, prompt: Prompt, hint: str, origin: Origin | None = None) -> None:
        if prompt.path:
            self._findings.elsewhere("E402", message, prompt.path, prompt.line, 1, hint=hint)
        else:
            at = origin.at if origin is not None and origin.layer == "prompt" and origin.at else source.at
            self._findings.error("E402", message, at, hint=hint)

    def tell_too_long(self, source: Source, prompt: Prompt, orders: Iterable[Order]) -> None:
        """Tell that a prompt is longer than some models take."""
        for model, longest in sorted({(order.kind.model, order.max_chars) for order in orders}):
            message = f"the prompt {prompt.id!r} has {len(prompt.text)} characters, {model} takes {longest}"
            self._tell_at_prompt(message, source, prompt, f"shorten it, {_SKIP}")

    def tell_remarks(self, sweep: SweepPlan) -> None:
        """Tell each warning of the rules once, such as an unknown model."""
        for complaint, cell, params in sweep.remarks.values():
            self._tell_remark(sweep, complaint, cell, params)

    def _tell_remark(self, sweep: SweepPlan, complaint: Complaint, cell: Cell, params: ParamItems) -> None:
        own = dict(params)
        at = self._origins.at[sweep.name]
        if complaint.param not in own:
            origin = self._origins.below_prompt(sweep, cell).get(complaint.param)
            at = origin.at if origin is not None and origin.at is not None else at
        self._findings.warn("W401", complaint.message, at, hint=complaint.hint)


def _is_hearsay(sweep: SweepPlan, complaint: Complaint) -> bool:
    """Say whether a complaint is about references of a sweep that lost a part: the one that is missing may be the one that was told."""
    return complaint.param in sweep.rules.roles and not sweep.is_whole


def _usual_model(sweep: SweepPlan) -> str | None:
    """Name a model that has the sweep's operation, of those that the vendor is known to have."""
    cell = next(iter(sweep.cells), None)
    operation = sweep.resolve(cell, ()).get("operation") if cell is not None else None
    return next((model.name for model in sweep.rules.models() if operation in model.operations), None)
