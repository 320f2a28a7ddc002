"""Write what a new user starts from: a manifest, its JSON Schema, an example of the environment file."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from batchgen.app.loading import load_plan
from batchgen.core.errors import FileError, InputError
from batchgen.planning.schema import manifest_schema
from batchgen.planning.sniff import starter

_TRIAL: Final = ".manifest.part.yaml"
_MANY: Final = 1_000_000
_ENV_EXAMPLE: Final = """\
# Copy to .env, fill in, and name it: batchgen --env-file .env run manifest.yaml
JIMMYAI_API_KEY=
# JIMMYAI_BASE_URL=https://api.viraltok.ai
"""


def write_starter(folder: Path, prompts: Path | None, *, overwrite: bool) -> Iterator[Path]:
    """Write the three files and give each path once it is written.

    Raises InputError, before anything of them is written, when one of them exists and ``overwrite`` is false, and ManifestError when the
    prompt file is such that its manifest could not be planned.
    """
    written = None if prompts is None else os.path.relpath(prompts.resolve(), folder.resolve())
    text = starter(prompts, written=written)
    contents = {
        folder / "manifest.yaml": text,
        folder / "manifest.v1.schema.json": json.dumps(manifest_schema(), ensure_ascii=False, indent=2) + "\n",
        folder / ".env.example": _ENV_EXAMPLE,
    }
    present = [str(path) for path in contents if path.exists()]
    if present and not overwrite:
        raise InputError(f"{', '.join(present)}: exists already; --force overwrites")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _try_out(folder / _TRIAL, text)
        for path, text in contents.items():
            path.write_text(text, encoding="utf-8")
            yield path
    except OSError as error:
        raise FileError(f"cannot write into {folder}: {error.strerror}") from error


def _try_out(trial: Path, text: str) -> None:
    """Plan the manifest from a file of its own, so that its paths are read as they will be."""
    trial.write_text(text, encoding="utf-8")
    try:
        load_plan(trial, {}, max_jobs=_MANY)
    finally:
        trial.unlink()
