"""Help is there for every command, shows examples, and costs next to nothing."""

import re
import subprocess
import sys

import pytest

from tests.support.cli import CommandLine

_WORK = "demo init validate plan run resume status jobs show events verify export bundle retry cancel resolve pause unpause stop limit"
COMMANDS = [*_WORK.split(), "models", "schema", "doctor", "sim", "completion"]
DATABASE_COMMANDS = ("path", "current", "upgrade", "backup", "datasette", "check")
HEAVY = re.compile(r"\| +(sqlalchemy|alembic|httpx|aiohttp|rich|pydantic|PIL|jinja2|structlog|starlette|uvicorn)\b")


@pytest.mark.parametrize("words", [[name] for name in COMMANDS] + [["db", name] for name in DATABASE_COMMANDS], ids=" ".join)
def test_every_command_explains_itself_with_examples(cli: CommandLine, words: list[str]) -> None:
    """``--help`` exits 0 and shows at least two commands to copy."""
    told = cli(*words, "--help")

    assert 0 == told.code
    _, _, examples = told.out.partition("Examples:")
    assert len(re.findall(r"batchgen\b", examples)) >= 2


def test_overview_names_every_command(cli: CommandLine) -> None:
    """``batchgen --help`` lists all commands, within 100 columns."""
    told = cli("--help")

    assert 0 == told.code
    assert set() == {*COMMANDS, "db"} - set(told.out.split())
    assert max(map(len, told.out.splitlines())) <= 100


def test_overview_imports_nothing_heavy(cli: CommandLine) -> None:
    """The answer to ``--help`` needs neither database, network, terminal nor picture libraries."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "batchgen", "--help"],
        cwd=cli.folder,
        env=cli.environment(),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )

    assert "import time:" in told.stderr
    assert [] == HEAVY.findall(told.stderr)


def test_version_is_one_line(cli: CommandLine) -> None:
    """``--version`` names program and version."""
    assert re.fullmatch(r"batchgen,? (version )?\d+\.\d+\.\d+\S*\n", cli("--version").out)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(cli: CommandLine, shell: str) -> None:
    """Each shell gets a script that asks batchgen for its words."""
    made = cli("completion", shell)

    assert 0 == made.code
    assert "_BATCHGEN_COMPLETE" in made.out


def test_models_lists_what_each_takes(cli: CommandLine) -> None:
    """The capability table is there for people and for machines."""
    document = cli("models", "--json").document

    assert "batchgen.models/1" == document["schema"]
    assert "gpt-image-2" in [model["name"] for model in document["models"]]
    assert "gpt-image-2" in cli("models").out


def test_schema_is_a_json_schema(cli: CommandLine) -> None:
    """Editors get a JSON Schema that knows the manifest's keys."""
    schema = cli("schema").document

    assert {"version", "name", "sweeps", "prompts", "limits"} <= set(schema["properties"])
    assert {"vendor", "submit", "poll", "errors"} <= set(cli("schema", "--vendor").document["properties"])


def test_init_writes_a_manifest_that_plans(cli: CommandLine) -> None:
    """The starter manifest made from somebody's CSV is valid as it is."""
    cli.write_text('Prompt,Category\n"a fox, in snow",Animals\na gate,Places\n', "mine.csv")

    made = cli("init", "start", "--from", "mine.csv")
    planned = cli("plan", "start/manifest.yaml", "--json", JIMMYAI_API_KEY=None)

    assert (0, 0) == (made.code, planned.code)
    assert planned.document["new"] >= 2
    assert 0 == cli("validate", "start/manifest.yaml").code


def test_doctor_finds_this_machine_fit(cli: CommandLine) -> None:
    """Every check has a verdict; a clean folder with a key has none that stops a run."""
    document = cli("doctor", "--json").document

    assert "batchgen.doctor/1" == document["schema"]
    assert document["findings"]
    assert all(finding["check"] and finding["verdict"] for finding in document["findings"])


def test_simulator_names_its_faults(cli: CommandLine) -> None:
    """``sim --list-faults`` prints the table of faults and profiles."""
    told = cli("sim", "--list-faults")

    assert 0 == told.code
    assert {"post.accept_then_reset", "rough", "doubt"} <= set(told.out.split())
