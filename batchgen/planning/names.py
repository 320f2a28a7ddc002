"""Check names and values of parameters, wherever they stand."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from batchgen.core.dialects import Rules
from batchgen.planning.cells import Rule
from batchgen.planning.findings import Findings, did_you_mean, listed
from batchgen.planning.reader import Path
from batchgen.planning.scalars import Value, words_of


class Choice(NamedTuple):
    """The words that a parameter may have, and what they name."""

    noun: Literal["reference", "operation"]
    words: Collection[str]

    def refusal(self, word: str) -> str:
        """Say why a word cannot be the parameter's value; empty when it can."""
        return "" if word in self.words else f"there is no {self.noun} {word!r}"

    def advice(self, word: str) -> str:
        """Say what may have been meant by a refused word, or what else would do."""
        others = "declare it under `references`" if self.noun == "reference" else f"there are {listed(self.words)}"
        return did_you_mean(word, self.words) or others


class Names:
    """The parameters and references that a manifest may use. ``choices`` are the parameters whose values are words of ours.

    ``knows_references`` is false when some reference was refused: then a missing one was told already.
    """

    def __init__(self, findings: Findings, rules: Rules, references: Iterable[str], *, knows_references: bool) -> None:
        self.roles: Final = frozenset(rules.roles)
        self.params: Final = frozenset({*rules.params, *rules.roles, "model", "operation"} - {"n", "prompt"})
        images = Choice("reference", tuple(references))
        self.choices: Final[Mapping[str, Choice]] = {
            **dict.fromkeys(rules.roles, images),
            "operation": Choice("operation", rules.operations),
        }
        self.knows_references: Final = knows_references
        self._findings = findings

    def layer(self, params: Mapping[str, Value], at: Path) -> dict[str, Value]:
        """Give the parameters of a layer that are known and have a usable value; tell the others."""
        return {
            name: value for name, value in params.items() if self.is_known(name, (*at, name)) and self.is_usable(name, value, (*at, name))
        }

    def rule(self, rule: Mapping[str, Sequence[Value]], at: Path) -> Rule:
        """Give the conditions that are known; tell the others."""
        return {name: values for name, values in rule.items() if self._is_condition(name, values, (*at, name))}

    def _is_condition(self, name: str, values: Sequence[Value], at: Path) -> bool:
        if name != "operation":
            return self.is_known(name, at)
        usable = [self.is_usable(name, value, (*at, number)) for number, value in enumerate(values)]
        return all(usable)

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
        if name in self.roles:
            usable = [self._is_choice(name, word, (*at, number)) for number, word in enumerate(words_of(value))]
            return all(usable)
        if not isinstance(value, str):
            self._findings.error("E103", "must be one text; only `grid` and `zip` take lists", at)
        elif not value.strip():
            self._findings.error("E103", "must not be empty", at, hint="use `unset` to leave a parameter to the API")
        elif name == "operation":
            return self._is_choice(name, value, at)
        return isinstance(value, str) and bool(value.strip())

    def _is_choice(self, name: str, word: str, at: Path) -> bool:
        choice = self.choices[name]
        refusal = choice.refusal(word)
        if refusal and (self.knows_references or choice.noun != "reference"):
            self._findings.error("E103", refusal, at, hint=choice.advice(word))
        return not refusal

    def _all(self) -> str:
        return f"there are {listed(sorted(self.params))}"
