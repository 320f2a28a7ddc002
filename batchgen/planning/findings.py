"""Collect every problem of a manifest, each with its place, so that they can be told all at once."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

from batchgen.core.errors import ManifestError
from batchgen.core.problems import Problem, Severity
from batchgen.planning.reader import Node, Path

SECRET: Final = re.compile(r"(?<![A-Za-z0-9])sk[-_][A-Za-z0-9_-]{6,}|Bearer\s+\S{8,}")
"""What looks like a key, wherever it stands; no message ever quotes it."""

_HIDDEN: Final = "sk-…"
MOST: Final = 200
"""More problems of one code than this help nobody; the rest is counted."""


class Findings:
    """The problems found so far in one manifest and the files it names."""

    def __init__(self, shown_path: str) -> None:
        self.shown_path: Final = shown_path
        self.tree: Node | None = None
        self._problems: dict[Problem, None] = {}
        self._counts: dict[str, int] = {}

    def error(self, code: str, message: str, at: Path = (), *, on_key: bool = False, hint: str = "") -> None:
        """Record an error at a path of the manifest, on the value or on its key."""
        line, column = self.place(at, on_key=on_key)
        self.elsewhere(code, message, self.shown_path, line, column, hint=hint)

    def warn(self, code: str, message: str, at: Path = (), *, hint: str = "") -> None:
        """Record a warning at a path of the manifest."""
        line, column = self.place(at)
        self.elsewhere(code, message, self.shown_path, line, column, hint=hint, severity="warning")

    def elsewhere(  # noqa: PLR0913 - the fields of a problem
        self,
        code: str,
        message: str,
        path: str,
        line: int = 0,
        column: int = 0,
        *,
        hint: str = "",
        severity: Severity = "error",
    ) -> None:
        """Record a problem at any place: a prompt file's line, or an option of the command line."""
        count = self._counts.get(code, 0) + 1
        self._counts[code] = count
        if count <= MOST:
            problem = Problem(code=code, message=hidden(message), path=path, line=line, column=column, hint=hidden(hint), severity=severity)
            self._problems[problem] = None

    def here(self, code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        """Record an error at a line and column of the manifest."""
        self.elsewhere(code, message, self.shown_path, line, column, hint=hint)

    def place(self, at: Path, *, on_key: bool = False) -> tuple[int, int]:
        """Give line and column of a path, or of the nearest node above it; 0 when nothing was parsed."""
        return self.tree.place(at, on_key=on_key) if self.tree is not None else (0, 0)

    @property
    def errors(self) -> int:
        """Count the problems that stop the plan."""
        return sum(problem.severity == "error" for problem in self._problems)

    def warnings(self) -> tuple[Problem, ...]:
        """Give the warnings in the order of their places."""
        return tuple(problem for problem in self._sorted() if problem.severity == "warning")

    def as_error(self) -> ManifestError:
        """Give every problem, sorted by place, as the error to raise."""
        return ManifestError(self._sorted())

    def raise_errors(self) -> None:
        """Raise ManifestError when at least one problem is an error."""
        if self.errors:
            raise self.as_error()

    def _sorted(self) -> list[Problem]:
        ordered = sorted(self._problems, key=lambda p: (p.path != self.shown_path, p.path, p.line, p.column, p.code))
        for code, count in self._counts.items():
            if count > MOST:
                message = f"{count - MOST} more problems of this kind"
                severity: Severity = "warning" if code.startswith("W") else "error"
                ordered.append(Problem(code=code, message=message, path=self.shown_path, severity=severity))
        return ordered


def hidden(text: str) -> str:
    """Give the text without anything that looks like a key."""
    return SECRET.sub(_HIDDEN, text)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Give the hint ``did you mean 'x'?`` when a known word is close, else an empty text."""
    lowered = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), lowered, n=1, cutoff=0.6)
    return f"did you mean {lowered[close[0]]!r}?" if close else ""


def listed(words: Collection[str], *, most: int = 20) -> str:
    """Write words as a short list for a message."""
    shown = ", ".join(list(words)[:most])
    return f"{shown}, … ({len(words)} in all)" if len(words) > most else shown
