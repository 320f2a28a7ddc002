"""Check names and values of parameters, wherever they stand."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from batchgen.core.ports import Rules
from batchgen.planning.cells import Rule
from batchgen.planning.findings import Findings, did_you_mean, listed
from batchgen.planning.reader import Path
from batchgen.planning.scalars import Value


class Names:
    """The parameters and references that a manifest may use.

    ``knows_references`` is false when some reference was refused: then a missing one was told already.
    """

    def __init__(self, findings: Findings, rules: Rules, references: Iterable[str], *, knows_references: bool) -> None:
        self.params: Final = frozenset({*rules.params, "model", "images"} - {"n", "prompt"})
        self._findings = findings
        self.references: Final = frozenset(references)
        self.knows_references: Final = knows_references

    def layer(self, params: Mapping[str, Value], at: Path) -> dict[str, Value]:
        """Give the parameters of a layer that are known and have a usable value; tell the others."""
        return {
            name: value for name, value in params.items() if self.is_known(name, (*at, name)) and self.is_usable(name, value, (*at, name))
        }

    def rule(self, rule: Mapping[str, Sequence[Value]], at: Path) -> Rule:
        """Give the conditions that are known; tell the others."""
        return {name: values for name, values in rule.items() if self.is_known(name, (*at, name))}

    def is_known(self, name: str, at: Path) -> bool:
        """Say whether a parameter exists; tell if not."""
        if name in self.params:
            return True
        if name == "n":
            message, hint = "'n' cannot be set: one row is one image", "use `samples`"
        elif name == "prompt":
            message, hint = "'prompt' is not a parameter", "write it under `prompts`"
        else:
            message, hint = f"unknown key {name!r}", did_you_mean(name, self.params) or self._all()
        self._findings.error("E104", message, at, on_key=True, hint=hint)
        return False

    def is_usable(self, name: str, value: Value, at: Path) -> bool:
        """Say whether a parameter can have a value; tell if not."""
        if name == "images":
            images = (value,) if isinstance(value, str) else value
            unknown = [image for image in images if image not in self.references]
            for image in unknown if self.knows_references else ():
                hint = did_you_mean(image, self.references) or "declare it under `references`"
                self._findings.error("E103", f"there is no reference {image!r}", at, hint=hint)
            return not unknown
        if not isinstance(value, str):
            self._findings.error("E103", "must be one text; only `grid` and `zip` take lists", at)
        elif not value.strip():
            self._findings.error("E103", "must not be empty", at, hint="use `unset` to leave a parameter to the API")
        return isinstance(value, str) and bool(value.strip())

    def _all(self) -> str:
        return f"there are {listed(sorted(self.params))}"
