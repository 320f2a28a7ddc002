"""A problem in the user's input, located like a compiler's message."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to fix, where it stands and how to fix it.

    ``line`` and ``column`` count from 1; 0 means that the place is the file as a whole. ``code`` is stable: ``E1xx`` the YAML
    and its keys, ``E2xx`` prompt files, ``E3xx`` grids and rules, ``E4xx`` what a model cannot do, ``E5xx`` output and templates,
    ``W`` warnings.
    """

    code: str
    message: str
    path: str
    line: int = 0
    column: int = 0
    hint: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """Render ``path:line:col: error[E104]: message; hint`` on one line."""
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{place}: {self.severity}[{self.code}]: {self.message}" + (f"; {self.hint}" if self.hint else "")
