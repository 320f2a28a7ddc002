"""Prompts are hostile text: a terminal shows them harmless, machines get them exactly."""

import json
import unicodedata
from collections.abc import Iterator

import pytest

from tests.support.cli import CommandLine, Vendor, study

PROMPTS = (
    "clipboard \x1b]52;c;cm0gLXJmIH4=\x07 hostile",
    "colour \x1b[31mred\x1b[0m and \x9b2Jclear hostile",
    "turned \u202egnp.exe\u202c and \u2066hidden\u2069 hostile",
    "markup [/b] [red]x[/red] [link=http://x]y[/link] hostile",
    "lines\nFAKE  saved  all good\r\noverwritten\x08\x08 hostile",
    "zero\u200bwidth\ufeff and \u00ad soft \u2028separator hostile",
    "wide 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字 hostile",
    "long " + "very " * 200 + "hostile",
)
SHOWN = ("run", "status", "jobs", "events", "show", "verify")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[CommandLine]:
    """Give a folder in which hostile prompts have been run; what the run said is kept beside it."""
    command_line = CommandLine(folder=tmp_path_factory.mktemp("hostile"))
    command_line.write_text("".join(json.dumps({"p": prompt}) + "\n" for prompt in PROMPTS), "prompts.jsonl")
    command_line.write(study(vendor.url, [{"file": "prompts.jsonl", "prompt": "p"}, "[moderated] \x1b[5m hostile"]))
    run = command_line("run", "study.yaml", "-y")
    assert 3 == run.code, run.err
    command_line.write_text(run.out + run.err, "said.txt")
    yield command_line
    assert [] == command_line.leaks()


def _is_harmless(char: str) -> bool:
    return char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Zl", "Zp"}


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.combining(char) else 1 for char in line)


def _said(cli: CommandLine, command: str) -> str:
    if command == "run":
        return (cli.folder / "said.txt").read_bytes().decode()
    if command == "show":
        return "".join(cli("show", job["key"]).out for job in cli.jobs())
    return cli(command).out


@pytest.mark.parametrize("command", SHOWN)
def test_terminal_is_not_steered(cli: CommandLine, command: str) -> None:
    """No escape sequence, bidirectional override or bare control character reaches the terminal."""
    said = _said(cli, command)

    assert [] == [char for char in said if not _is_harmless(char)]


@pytest.mark.parametrize("command", ["status", "jobs", "events"])
def test_tables_fit_eighty_columns(cli: CommandLine, command: str) -> None:
    """Wide, long and many-lined prompts do not break the table."""
    assert max(map(_columns, _said(cli, command).splitlines())) <= 80


def test_one_job_is_one_line(cli: CommandLine) -> None:
    """A line break in a prompt cannot fake a row."""
    assert len(cli.jobs()) + 1 == len(cli("jobs").out.splitlines())


def test_markup_is_shown_as_text(cli: CommandLine) -> None:
    """Square brackets mean nothing to us."""
    key = cli.job(PROMPTS[3])["key"]

    assert PROMPTS[3] in cli("show", key).out


def test_machines_get_the_prompts_exactly(cli: CommandLine) -> None:
    """``--json`` and ``--jsonl`` hold every prompt character for character."""
    documents = {job["prompt"] for job in cli.jobs()}

    assert set(PROMPTS) <= documents
    assert documents == {job["prompt"] for job in cli("jobs", "--jsonl").lines}


def test_vendor_got_the_prompts_exactly(cli: CommandLine, vendor: Vendor) -> None:
    """The same characters were ordered."""
    assert set(PROMPTS) <= {charge["request"]["prompt"] for charge in vendor.charges("hostile")}


def test_file_names_are_tame(cli: CommandLine) -> None:
    """No prompt leads a file out of its folder or puts odd characters into its name."""
    for name in cli.images():
        assert name.startswith("out/")
        assert ".." not in name.split("/")
        assert all(_is_harmless(char) and char not in '\n\\:*?"<>|' for char in name)
