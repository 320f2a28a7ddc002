"""Write what a new user starts from: a manifest, its JSON Schema, an example of the environment file."""

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from batchgen.app.calling import program
from batchgen.app.loading import load_plan
from batchgen.app.vendor import dialect_named
from batchgen.app.wording import counted
from batchgen.core.errors import FileError, InputError, ManifestError
from batchgen.planning.schema import manifest_schema
from batchgen.planning.sniff import Starter, starter

_NAMES: Final = ("manifest.yaml", "manifest.v1.schema.json", ".env.example")
_TRIAL: Final = ".manifest.part.yaml"
_MANY: Final = 1_000_000
_ENV_EXAMPLE: Final = """\
# Copy to .env, fill in, and name it: batchgen --env-file .env run manifest.yaml
JIMMYAI_API_KEY=
# JIMMYAI_BASE_URL=https://api.viraltok.ai
"""


def write_starter(folder: Path, prompts: Path | None, *, overwrite: bool) -> Iterator[str]:
    """Write the three files, and tell of each once it is written, of what was left out, and how to go on.

    Raises InputError, before anything of them is written, when one of them exists and ``overwrite`` is false, and ManifestError when the
    prompt file is such that its manifest could not be planned.
    """
    present = [str(folder / name) for name in _NAMES if (folder / name).exists()]
    if present and not overwrite:
        raise InputError(f"{', '.join(present)}: exists already; --force overwrites")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made, refusal = _drafted(folder, prompts)
        contents = (made.text, json.dumps(manifest_schema(), ensure_ascii=False, indent=2) + "\n", _ENV_EXAMPLE)
        for name, text in zip(_NAMES, contents, strict=True):
            (folder / name).write_text(text, encoding="utf-8")
            yield f"wrote {folder / name}"
    except OSError as error:
        raise FileError(f"cannot write into {folder}: {error.strerror}") from error
    if refusal:
        yield refusal
    if made.ignored:
        yield f"not used: {counted(len(made.ignored), 'column')} ({', '.join(made.ignored)})"
    yield from _way_on(folder / _NAMES[0], made.text)


def _drafted(folder: Path, prompts: Path | None) -> tuple[Starter, str]:
    """Give a manifest that can be planned, and why columns that are called like parameters set none, if so."""
    written = None if prompts is None else os.path.relpath(prompts.resolve(), folder.resolve())
    made = starter(prompts, written=written, params=("model", *dialect_named("sim").params))
    refusal = _refusal(folder / _TRIAL, made)
    if not refusal:
        return made, ""
    plain = starter(prompts, written=written)
    _try_out(folder / _TRIAL, plain.text)
    return plain, f"no parameter is set by {', '.join(made.params)}: {refusal}"


def _refusal(trial: Path, made: Starter) -> str:
    """Say why a manifest whose columns set parameters cannot be planned; empty when it can, or when none sets any."""
    if not made.params:
        _try_out(trial, made.text)
        return ""
    try:
        _try_out(trial, made.text)
    except ManifestError as error:
        return next(problem.message for problem in error.problems if problem.severity == "error")
    return ""


def _try_out(trial: Path, text: str) -> None:
    """Plan the manifest from a file of its own, so that its paths are read as they will be."""
    trial.write_text(text, encoding="utf-8")
    try:
        load_plan(trial, {}, max_jobs=_MANY)
    finally:
        trial.unlink()


def _way_on(manifest: Path, text: str) -> Iterator[str]:
    """Tell which lines stand between this manifest and real pictures of all prompts, and what to type now."""
    lines = {line.split(":")[0].strip(): number for number, line in enumerate(text.splitlines(), start=1)}
    yield "`use: sim` draws on this machine, for free; to buy for real change in the manifest:"
    yield f"  line {lines['use']}  use: jimmyai, with your key in JIMMYAI_API_KEY"
    if "pick" in lines:
        yield f"  line {lines['pick']}  pick: all rows are ordered without it"
    yield f"  line {lines['budget']}  budget: where a run stops"
    yield f"next: {program()} plan {shlex.quote(str(manifest))}"
