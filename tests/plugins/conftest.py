"""Fixtures: a folder with a command line, as in the acceptance tests, and a folder for packages on its path."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import ROOT, CommandLine, Finished


class PluggedCommandLine(CommandLine):
    """A command line that also finds the packages of a folder."""

    @property
    def packages(self) -> Path:
        """Give the folder that stands on the command's path."""
        return self.folder / "packages"

    def environment(self, **variables: str | None) -> dict[str, str]:
        """Give the environment, with the packages on the path and Acme's key."""
        plugged = {"PYTHONPATH": f"{ROOT}:{self.packages}", "ACME_KEY": "acme-secret"}
        return super().environment(**plugged | variables)

    def calm(self, *words: object) -> Finished:
        """Run one command that must show no traceback."""
        finished = self(*words)
        assert "Traceback" not in finished.err + finished.out
        return finished


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[PluggedCommandLine]:
    """Give a command line in an empty folder; afterwards no key stands anywhere."""
    command_line = PluggedCommandLine(folder=tmp_path)
    command_line.packages.mkdir()
    yield command_line
    assert [] == command_line.leaks()
    assert [] == command_line.leaks("acme-secret")
