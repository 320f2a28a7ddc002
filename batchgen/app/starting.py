"""Write what a new user starts from: a manifest, its JSON Schema, an example of the environment file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from batchgen.core.errors import FileError, InputError
from batchgen.planning.schema import manifest_schema
from batchgen.planning.sniff import starter

_ENV_EXAMPLE: Final = """\
# Copy to .env, fill in, and name it: batchgen --env-file .env run manifest.yaml
JIMMYAI_API_KEY=
# JIMMYAI_BASE_URL=https://api.viraltok.ai
"""


def write_starter(folder: Path, prompts: Path | None, *, overwrite: bool) -> Iterator[Path]:
    """Write the three files and give each path once it is written.

    Raises InputError, before anything is written, when one of them exists and ``overwrite`` is false.
    """
    contents = {
        folder / "manifest.yaml": starter(prompts if prompts is None else prompts.resolve()),
        folder / "manifest.v1.schema.json": json.dumps(manifest_schema(), ensure_ascii=False, indent=2) + "\n",
        folder / ".env.example": _ENV_EXAMPLE,
    }
    present = [str(path) for path in contents if path.exists()]
    if present and not overwrite:
        raise InputError(f"{', '.join(present)}: exists already; --force overwrites")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in contents.items():
            path.write_text(text, encoding="utf-8")
            yield path
    except OSError as error:
        raise FileError(f"cannot write into {folder}: {error.strerror}") from error
