"""Write manifests and files around them, and load them with the small vendor's rules."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from batchgen.core.errors import ManifestError
from batchgen.core.jobs import JobSpec
from batchgen.core.problems import Problem
from batchgen.planning.loader import load
from batchgen.planning.plan import Plan
from tests.support.rules import rules_for

HEAD = "version: 1\nname: study\ndefaults: {model: gpt-image-2}\n"
"""The beginning that most manifests of the tests share; what follows begins on line 4."""


class Desk:
    """A folder with a manifest in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.yaml"

    def put(self, name: str, content: str | bytes) -> Path:
        """Write a file, byte for byte."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def plan(self, body: str, *, head: str = HEAD, environ: Mapping[str, str] | None = None, **options: Any) -> Plan:
        """Write the manifest and load it."""
        self.put("manifest.yaml", head + body)
        return self.load(environ=environ or {}, **options)

    def load(self, *, environ: Mapping[str, str], **options: Any) -> Plan:
        """Load the manifest that lies there."""
        return load(self.path, rules_for=rules_for, environ=environ, **options)

    def jobs(self, body: str, **options: Any) -> list[JobSpec]:
        """Give the rows of a manifest, in the order they come."""
        return list(self.plan(body, **options).jobs())

    def prompts(self, body: str, **options: Any) -> list[str]:
        """Give the prompts of a manifest."""
        return [job.prompt for job in self.jobs(body, **options)]

    def problems(self, body: str, **options: Any) -> Sequence[Problem]:
        """Give the problems of a manifest that cannot be planned."""
        with pytest.raises(ManifestError) as caught:
            self.plan(body, **options)
        return caught.value.problems

    def refusal(self) -> Sequence[Problem]:
        """Give the problems of the manifest that lies there and cannot be planned."""
        with pytest.raises(ManifestError) as caught:
            self.load(environ={})
        return caught.value.problems

    def places(self, body: str, **options: Any) -> list[str]:
        """Give the problems as ``line:column code``."""
        return [f"{found.line}:{found.column} {found.code}" for found in self.problems(body, **options)]
