"""How the program is called, for commands that are printed."""

import sys

import pytest

from batchgen.app.calling import own_words, program


@pytest.mark.parametrize(
    ("argv0", "python", "words"),
    [
        (".venv/bin/batchgen", "/usr/bin/python3", [".venv/bin/batchgen"]),
        ("/src/batchgen/__main__.py", "python3", ["python3", "-m", "batchgen"]),
    ],
)
def test_own_words_are_those_that_called(monkeypatch: pytest.MonkeyPatch, argv0: str, python: str, words: list[str]) -> None:
    """A script by its path, a module by its interpreter as it was typed."""
    monkeypatch.setattr(sys, "argv", [argv0, "demo"])
    monkeypatch.setattr(sys, "orig_argv", [python, "-m", "batchgen", "demo"])

    assert words == own_words()


def test_a_program_on_the_path_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the shell finds it, its name is enough; elsewhere it is called as it was, quoted for the shell."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setattr(sys, "argv", ["my tools/batchgen", "demo"])
    monkeypatch.setenv("PATH", str(folder))
    unknown = program()
    (folder / "batchgen").touch(mode=0o755)

    assert ("'my tools/batchgen'", "batchgen") == (unknown, program())
