"""Packages as an installation leaves them: modules and a dist-info in a folder that stands on a child's path. No installer, no network."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.support.cli import ROOT

_DOC = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", _DOC, re.MULTILINE | re.DOTALL)

PLUGIN, CHECK = (text for kind, text in _BLOCKS if kind == "python")
"""The two programs of docs/dialects.md: the plugin, and the check that its author runs."""
ENTRY_POINTS: Mapping[str, str] = tomllib.loads(next(text for kind, text in _BLOCKS if kind == "toml"))["project"]["entry-points"][
    "batchgen.dialects"
]


def install(folder: Path, name: str, modules: Mapping[str, str], points: Mapping[str, str], *, version: str = "1.2") -> None:
    """Put a package into the folder as an installer would."""
    folder.mkdir(exist_ok=True)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = ["[batchgen.dialects]", *(f"{word} = {target}" for word, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def install_acme(folder: Path) -> None:
    """Install the plugin of docs/dialects.md, by the entry point that stands there."""
    install(folder, "acme-batchgen", {"acme_batchgen": PLUGIN}, ENTRY_POINTS)
