"""Name output files: relative POSIX paths that are unique, safe on every system, and never leave their folder."""

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from pathvalidate import is_valid_filename

from batchgen.core.errors import InputError
from batchgen.core.jobs import Job
from batchgen.planning.templates import TemplateRefusedError, Text

STANDARD: Final = (
    "batch",
    "sweep",
    "prompt_id",
    "prompt",
    "operation",
    "model",
    "cell",
    "sample",
    "key",
    "key8",
)
"""The variables of an output name beside parameters and labels."""

MAX_COMPONENT_BYTES: Final = 180
"""Leaves room for extension, attempt and sidecar within 200 bytes."""
MAX_VALUE_BYTES: Final = 100
_ADDED_BYTES: Final = 40
_RATIO: Final = re.compile(r"(?<=[0-9]):(?=[0-9])")
_DASHES: Final = re.compile(r"-{2,}")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {port + digit for port in ("com", "lpt") for digit in "0123456789\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT THREE}"}
)


class PathRefusedError(ValueError):
    """An output template could leave its folder."""


class Namer:
    """Name the files of one batch. Pure: the same job has the same name, today and after a resume."""

    def __init__(self, template: str, *, batch: str) -> None:
        """Read the template; raise InputError when it cannot be used."""
        try:
            self._text: Final = name_template(template)
        except (TemplateRefusedError, PathRefusedError) as error:
            raise InputError(f"output.name: {error}") from error
        self._batch: Final = slug(batch)
        self._adds_key: Final = not self._text.variables & {"key", "key8"}

    def stem(self, job: Job) -> str:
        """Give the path without extension; a short id is always part of it."""
        values = {name: self._value(name, job) for name in self._text.variables}
        parts = [component(part) for part in self._text.render(values).split("/")]
        key8 = job.key[:8]
        if self._adds_key or not any(key8 in part for part in parts):
            parts[-1] = f"{cut(parts[-1], MAX_COMPONENT_BYTES - 9)}_{key8}"
        return "/".join(parts)

    def _value(self, name: str, job: Job) -> str:
        match name:
            case "batch":
                return self._batch
            case "key" | "key8":
                return job.key if name == "key" else job.key[:8]
            case "sample":
                return str(job.sample)
            case "sweep" | "prompt_id" | "prompt" | "operation" | "model" | "cell":
                return slug(getattr(job, name))
            case _:
                return slug(job.params.get(name) or job.labels.get(name) or "none")


def name_template(template: str, *, known: Collection[str] | None = None) -> Text:
    """Check an output name; raise TemplateRefusedError or PathRefusedError."""
    text = Text(template, known=known)
    _refuse_escape(text.render(dict.fromkeys(text.variables, "x")), allow_absolute=False)
    return text


def longest_path(text: Text) -> int:
    """Say how many bytes the path of a file may have at most, with all that is added to its name: extension, attempt, sidecar."""
    rendered = text.render(dict.fromkeys(text.variables, "x" * MAX_VALUE_BYTES))
    return sum(len(component(part).encode()) + 1 for part in rendered.split("/")) + _ADDED_BYTES


def folder_template(template: str) -> Text:
    """Check an output folder, which may use the batch's name only; raise TemplateRefusedError or PathRefusedError."""
    text = Text(template, known=("batch",))
    _refuse_escape(text.render({"batch": "x"}), allow_absolute=True)
    return text


def _refuse_escape(path: str, *, allow_absolute: bool) -> None:
    if "\\" in path or not path.isprintable():
        raise PathRefusedError("backslashes and control characters are not allowed in an output path")
    if path.startswith("~"):
        raise PathRefusedError("'~' is not read in an output path")
    if not allow_absolute and (path.startswith("/") or _DRIVE.match(path)):
        raise PathRefusedError("an output name must be relative to the output folder")
    parts = path.removeprefix("/").split("/")
    if any(part.strip() in {"..", "."} for part in parts) or (not allow_absolute and not all(map(str.strip, parts))):
        raise PathRefusedError("an output path must not hold '..', '.' or empty parts")


def slug(value: str) -> str:
    """Turn a value into a part of a file name: letters, digits, marks, dots, dashes and underscores; never empty."""
    words = "".join(map(_kept, _RATIO.sub("x", unicodedata.normalize("NFC", value[:400]))))
    return cut(_DASHES.sub("-", words).lstrip("-."), MAX_VALUE_BYTES) or "_"


def component(text: str) -> str:
    """Make one component of a path safe on every system."""
    words = cut("".join(map(_kept, unicodedata.normalize("NFC", text))).lstrip("-."), MAX_COMPONENT_BYTES) or "_"
    device = words.split(".")[0].casefold()
    return f"_{words}" if device in _RESERVED or not is_valid_filename(words, platform="universal") else words


def _kept(character: str) -> str:
    is_kept = character.isalnum() or character in "._-" or unicodedata.category(character)[0] == "M"
    return character if is_kept else "-"


def cut(text: str, most_bytes: int) -> str:
    """Shorten a text to so many bytes, on a character boundary and without a trailing dot or dash."""
    return text.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore").rstrip("-. ")
