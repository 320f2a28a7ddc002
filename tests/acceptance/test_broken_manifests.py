"""Manifests that cannot be planned: every mistake at once, each where it stands, and nothing left behind."""

import re

import pytest

from tests.support.cli import CommandLine

BROKEN = """\
version: 1
name: broken
defaults: {model: gpt-image-2, quallity: low}
promptss:
  - a fox
prompts:
  - a heron
grid:
  resolution: [4k]
  ratio: [1:1, 17:9]
samples: none
"""
PLACED = re.compile(r"^broken\.yaml:(\d+):(\d+): error\[(E\d{3})\]: \S.*$")


@pytest.mark.parametrize("command", ["plan", "run", "validate"])
def test_every_mistake_is_reported_at_once_with_its_place(cli: CommandLine, command: str) -> None:
    """Unknown keys and a wrong value are listed like a compiler does it; exit 2, no traceback, no database."""
    cli.write_text(BROKEN, "broken.yaml")

    answer = cli(command, "broken.yaml")

    placed = [match for line in answer.err.splitlines() if (match := PLACED.match(line))]
    assert 2 == answer.code
    assert {3, 4, 11} <= {int(match[1]) for match in placed}
    assert sorted((int(match[1]), int(match[2])) for match in placed) == [(int(match[1]), int(match[2])) for match in placed]
    assert "did you mean 'quality'" in answer.err
    assert "did you mean 'prompts'" in answer.err
    assert "Traceback" not in answer.err
    assert ["broken.yaml"] == list(cli.files())


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_json_gives_the_same_list(cli: CommandLine, command: str) -> None:
    """``--json`` holds the places, codes and messages of the lines for people."""
    cli.write_text(BROKEN, "broken.yaml")
    lines = [match for line in cli(command, "broken.yaml").err.splitlines() if (match := PLACED.match(line))]

    answer = cli(command, "broken.yaml", "--json")

    problems = [problem for problem in answer.document["problems"] if problem["severity"] == "error"]
    assert 2 == answer.code
    assert [(int(line[1]), int(line[2]), line[3]) for line in lines] == [(p["line"], p["column"], p["code"]) for p in problems]
    assert all(problem["message"] and problem["path"] for problem in problems)


def test_impossible_cell_is_an_error_with_the_cell_named(cli: CommandLine) -> None:
    """4k at 1:1 cannot be made by this model: the plan is refused before anything is spent."""
    cli.write_text(
        "version: 1\nname: cells\ndefaults: {model: gpt-image-2}\nprompts: [a fox]\ngrid: {resolution: [1k, 4k], ratio: [1:1, 16:9]}\n"
    )

    answer = cli("plan", "study.yaml")

    assert 2 == answer.code
    assert re.search(r"study\.yaml:\d+:\d+: error\[E4\d\d\]", answer.err)
    assert "4k" in answer.err
    assert "1:1" in answer.err


def test_missing_manifest_is_one_sentence(cli: CommandLine) -> None:
    """A file that does not exist is exit 2, without a traceback."""
    answer = cli("run", "nowhere.yaml", "-y")

    assert 2 == answer.code
    assert "nowhere.yaml" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("words", [["frobnicate"], ["run"], ["jobs", "--state", "lost"], ["run", "a.yaml", "--budget", "much"], []])
def test_usage_errors_exit_two(cli: CommandLine, words: list[str]) -> None:
    """An unknown command, a missing argument or a value that cannot be meant is exit 2 with a hint on stderr."""
    answer = cli(*words)

    assert 2 == answer.code
    assert answer.err
    assert "Traceback" not in answer.err
