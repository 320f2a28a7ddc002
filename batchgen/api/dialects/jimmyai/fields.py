"""What a parameter may hold, and how its text from the manifest is written on the wire."""

import re
from dataclasses import dataclass
from typing import Final, Literal

Shape = Literal["text", "whole", "number", "boolean"]
"""The JSON type on the wire; a manifest's values are all text."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter: a listed value, a number within bounds or a text of some form; without any of them every text will do.

    ``wire`` is the field's name in the request where it differs, ``described`` says the form to people.
    """

    name: str
    shape: Shape = "text"
    values: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    form: re.Pattern[str] | None = None
    described: str = ""
    wire: str = ""

    @property
    def wire_name(self) -> str:
        """Give the field's name in the request."""
        return self.wire or self.name

    @property
    def takes(self) -> str:
        """Say what would do."""
        spans = () if self.bounds is None else (f"{self.bounds[0]} to {self.bounds[1]}",)
        described = (self.described,) if self.described else ()
        return ", ".join((*self.values, *spans, *described))

    def fits(self, value: str) -> bool:
        """Say whether a value will do."""
        if value in self.values:
            return True
        if self.bounds is not None:
            return self._is_within(value, *self.bounds)
        if self.form is not None:
            return self.form.fullmatch(value) is not None
        return not self.values

    def written(self, value: str) -> object:
        """Give the JSON value; a text that is no such thing stays what it is."""
        match self.shape:
            case "text":
                return value
            case "boolean":
                return {"true": True, "false": False}.get(value, value)
            case "whole" | "number":
                number = _number(value)
                return value if number is None else number

    def _is_within(self, value: str, low: int, high: int) -> bool:
        number = _number(value)
        return number is not None and low <= number <= high and (self.shape == "number" or isinstance(number, int))


def _number(text: str) -> int | float | None:
    if _NUMBER.fullmatch(text) is None:
        return None
    return float(text) if "." in text else int(text)
