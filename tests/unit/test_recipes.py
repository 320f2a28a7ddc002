"""The recipes for many workers in docs/recipes and their page: the facts in them that cost pictures or money when they are wrong.

Whether the recipes do what they say on a real cluster is not shown here; ``docs/machines.md`` tells what was run by hand.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from batchgen.cli.command import Session
from batchgen.cli.main import COMMANDS, cli
from batchgen.files.inspector import Bounds
from batchgen.planning.manifest import Timeouts
from tests.support.cli import ROOT
from tests.support.manifests import Desk

RECIPES = ROOT / "docs" / "recipes"
PAGE = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(RECIPES.iterdir())}
SUBMIT_S: float = Timeouts.model_fields["submit"].default
COMPOSE: dict[str, Any] = yaml.safe_load(TEXTS["compose.yaml"])
OBJECTS: dict[str, dict[str, Any]] = {each["kind"]: each for each in yaml.safe_load_all(TEXTS["kubernetes.yaml"])}
VARIABLES = sorted(set(re.findall(r"\b(?:BATCHGEN|JIMMYAI|AWS)_[A-Z_]+\b", "\n".join([*TEXTS.values(), PAGE]))))
TINI = ["/usr/bin/tini", "--"]


def _unit() -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)  # systemd reads a key that stands twice as a list
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys are told apart by case
    parser.read_string(TEXTS["batchgen-work@.service"])
    return parser


def _steps(stage: int) -> list[tuple[str, str]]:
    """Give the instructions of a stage of the Containerfile, with lines that go on joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXTS["Containerfile"], flags=re.MULTILINE))
    stages = re.split(r"^(?=FROM )", joined, flags=re.MULTILINE)[1:]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in stages[stage].splitlines() if line]


def _pods() -> dict[str, dict[str, Any]]:
    return {kind: each["spec"]["template"]["spec"] for kind, each in OBJECTS.items() if "template" in each.get("spec", {})}


def _slurm_options() -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", TEXTS["slurm.sh"], flags=re.MULTILINE))


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]+)s?", text)
    assert found, text
    return int(found[1])


def _after_batchgen(words: Sequence[str]) -> list[str]:
    """Give what follows the program's name in a command line."""
    place = next(place for place, word in enumerate(words) if Path(word).name == "batchgen")
    return list(words[place + 1 :])


def _command_lines() -> Iterator[list[str]]:
    """Give the arguments of every call of batchgen in the recipes and on the page."""
    image = dict(_steps(-1))
    yield _after_batchgen([*json.loads(image["ENTRYPOINT"]), *json.loads(image["CMD"])])
    for service in ("worker", "tool"):
        yield _after_batchgen([*COMPOSE["services"][service]["entrypoint"], *COMPOSE["services"][service]["command"]])
    for pod in _pods().values():
        yield from (container["args"] for container in pod["containers"])
    (started,) = re.findall(r"^exec ((?:.*\\\n)*.*)", TEXTS["slurm.sh"], flags=re.MULTILINE)
    yield _after_batchgen(shlex.split(started.replace("\\\n", "")))
    yield _after_batchgen(shlex.split(_unit()["Service"]["ExecStart"]))
    for line in re.findall(r"^\$ (.*)", PAGE, flags=re.MULTILINE):
        words = shlex.split(line, comments=True)
        starts = [place for place, word in enumerate(words) if word == "tool" or re.fullmatch(r"batchgen:[0-9.]+", word)]
        if "run" in words and starts:
            yield words[starts[0] + 1 :]
        if words[0] == "batchgen":
            yield words[1:]


COMMAND_LINES = sorted({tuple(words) for words in _command_lines()})


@cache
def _source() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "batchgen").rglob("*.py"))


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_a_command_line_is_one_of_the_program(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Its command and every option exist: the program itself reads the line, and shows its help instead of working."""
    code = cli.main(args=[*words, "--help"], prog_name="batchgen", standalone_mode=False, obj=Session(chosen={}))

    assert 0 == code
    assert " ".join(["Usage: batchgen", *(word for word in words if word in COMMANDS)]) in capsys.readouterr().out


def test_command_lines_are_found_everywhere() -> None:
    """A recipe that is written anew is not passed over in silence: one line of work each, and one that stores rows."""
    works = [words for words in COMMAND_LINES if "work" in words]

    assert {("work",), ("--env-file", "/run/secrets/worker.env", "work"), ("--env-file", "%d/worker.env", "work")} < set(works)
    assert [words for words in works if words[-2:] == ("work", "--drain")]
    assert [words for words in COMMAND_LINES if words[:2] == ("plan", "--save")]


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_is_one_that_is_read(name: str) -> None:
    """A misspelt variable would be passed over without a word."""
    assert f'"{name}"' in _source()


def test_a_stop_has_time_for_the_answers_under_way() -> None:
    """Whoever kills sooner than an order may take makes it ambiguous; the page and every remark name the true default."""
    worker = _pods()["StatefulSet"]
    said = re.findall(r"([0-9]+) s\b[^\n]*\(limits\.timeout\.submit\)", "\n".join(TEXTS.values()))

    graces = {
        "compose": _seconds(COMPOSE["services"]["worker"]["stop_grace_period"]),
        "kubernetes": worker["terminationGracePeriodSeconds"],
        "slurm": _seconds(_slurm_options()["signal"].removeprefix("B:TERM@")),
        "systemd": _seconds(_unit()["Service"]["TimeoutStopSec"]),
    }

    assert {} == {name: grace for name, grace in graces.items() if grace < SUBMIT_S + 60}
    assert {str(int(SUBMIT_S))} == set(said) == set(re.findall(r"([0-9]+) s by default", PAGE))
    assert 4 == len(said)


def test_a_stop_reaches_the_worker_alone() -> None:
    """Its children finish what they do for it: the init passes the signal on, Slurm signals the script, systemd the main process."""
    image = dict(_steps(-1))

    assert "SIGTERM" == image["STOPSIGNAL"]
    assert [*TINI, "batchgen"] == json.loads(image["ENTRYPOINT"])
    assert [*TINI, "batchgen"] == COMPOSE["services"]["worker"]["entrypoint"][:3]
    assert [] == [container for pod in _pods().values() for container in pod["containers"] if "command" in container]
    assert "mixed" == _unit()["Service"]["KillMode"]


def test_nothing_works_as_root() -> None:
    """The image says so by number; orchestrators and systemd see to it; no step after that changes it."""
    (user,) = [argument for instruction, argument in _steps(-1) if instruction == "USER"]
    number = user.partition(":")[0]
    after = [instruction for instruction, _ in _steps(-1)][[name for name, _ in _steps(-1)].index("USER") :]

    assert int(number) > 0
    assert not {"RUN", "COPY", "ADD"} & set(after)
    for pod in _pods().values():
        assert (True, int(number)) == (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"])
        assert not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            context = container["securityContext"]
            assert (False, True, ["ALL"]) == (
                context["allowPrivilegeEscalation"],
                context["readOnlyRootFilesystem"],
                context["capabilities"]["drop"],
            )
    for service in ("worker", "tool"):
        assert (True, ["ALL"]) == (COMPOSE["services"][service]["read_only"], COMPOSE["services"][service]["cap_drop"])
    assert "batchgen" == _unit()["Service"]["User"]
    assert "yes" == _unit()["Service"]["NoNewPrivileges"]


def test_what_must_outlive_a_worker_lies_on_a_volume() -> None:
    """The journal of orders is in the output folder or the spool: on a claim of each pod, a named volume, in a state folder."""
    worker = OBJECTS["StatefulSet"]["spec"]
    (container,) = worker["template"]["spec"]["containers"]
    (spool,) = [each["value"] for each in container["env"] if each["name"] == "BATCHGEN_SPOOL"]
    claims = {claim["metadata"]["name"] for claim in worker["volumeClaimTemplates"]}
    named = dict(mount.split(":") for mount in COMPOSE["services"]["worker"]["volumes"] if ":" in mount)
    service = _unit()["Service"]

    assert [True] == [mount["name"] in claims for mount in container["volumeMounts"] if Path(spool).is_relative_to(mount["mountPath"])]
    assert {"whenScaled": "Retain", "whenDeleted": "Retain"} == worker["persistentVolumeClaimRetentionPolicy"]
    assert set(named) <= set(COMPOSE["volumes"])
    assert f"BATCHGEN_SPOOL=%S/{service['StateDirectory']}/spool" == service["Environment"]


def test_a_worker_has_room_for_the_child_that_judges_a_picture() -> None:
    """A limit of memory below the child's own would have the whole worker killed instead of one picture refused."""
    needed = Bounds().memory_bytes
    units = {"G": 2**30, "Gi": 2**30}
    limits = [container["resources"]["limits"]["memory"] for pod in _pods().values() for container in pod["containers"]]
    limits += [COMPOSE["services"]["worker"]["deploy"]["resources"]["limits"]["memory"]]
    limits += [_slurm_options()["mem"], _unit()["Service"]["MemoryMax"]]

    assert [] == [limit for limit in limits if int(re.sub(r"\D", "", limit)) * units[re.sub(r"\d", "", limit)] <= needed]


def test_no_secret_stands_in_a_recipe() -> None:
    """Not a key, not a password in an address, no Secret with a value: only where to find them, and what to put there."""
    everything = "\n".join([*TEXTS.values(), PAGE])
    passwords = set(re.findall(r"://[^\s:/@]+:([^\s:/@]+)@", everything))
    database = COMPOSE["services"]["db"]["environment"]

    assert passwords <= {"THE-PASSWORD", "THE-SAME-PASSWORD"}
    assert {"..."} == set(re.findall(r"JIMMYAI_API_KEY=(?:sk-)?([^\s]*)", everything))
    assert "Secret" not in OBJECTS
    assert [] == [name for name in database if "PASSWORD" in name and not name.endswith("_FILE")]
    assert [] == [instruction for stage in (0, 1) for instruction, _ in _steps(stage) if instruction == "ARG"]
    assert {"file"} == {kind for secret in COMPOSE["secrets"].values() for kind in secret}


def test_images_have_a_version() -> None:
    """``latest`` would be another program tomorrow."""
    images = [argument.split()[0] for stage in (0, 1) for instruction, argument in _steps(stage) if instruction == "FROM"]
    images += [service["image"] for service in COMPOSE["services"].values()]
    images += [container["image"] for pod in _pods().values() for container in pod["containers"]]

    assert [] == [image for image in images if not re.search(r":[0-9]", image.rpartition("/")[2])]


def test_the_image_is_built_from_what_the_package_needs() -> None:
    """Every folder that the wheel is made of is copied, and nothing of the checkout beside it, such as an env file."""
    copied = {word for instruction, argument in _steps(0) if instruction == "COPY" for word in argument.split()[:-1]}

    assert {"pyproject.toml", "README.md", "LICENSE", "batchgen", "migrations", "manifests"} == copied
    assert ["--from=build /opt/batchgen /opt/batchgen"] == [argument for instruction, argument in _steps(-1) if instruction == "COPY"]


def test_the_database_of_the_workers_is_durable() -> None:
    """A PostgreSQL new enough, on a volume, that waits for the disk, and keeps text as UTF-8 whatever the image's locale."""
    database = COMPOSE["services"]["db"]
    (version,) = re.findall(r"postgres:([0-9]+)", database["image"])

    assert int(version) >= 16
    assert "fsync=on" in database["command"]
    assert "--encoding=UTF8" in database["environment"]["POSTGRES_INITDB_ARGS"]
    assert "database" == database["volumes"][0].split(":")[0]


def test_the_manifest_shown_can_be_planned(tmp_path: Path) -> None:
    """It is stored as it stands, by the Job that mounts it."""
    ((name, text),) = OBJECTS["ConfigMap"]["data"].items()

    plan = Desk(tmp_path).plan(text, head="")

    assert 1 == len(list(plan.jobs()))
    assert ["plan", "--save", f"/manifests/{name}"] == _pods()["Job"]["containers"][0]["args"]


def test_the_array_task_becomes_the_worker(tmp_path: Path) -> None:
    """The shell gives way to batchgen, which so gets the signal and gives the exit code; the key's file and the diary are its own."""
    script = '#!/bin/sh\necho "$$" "$@"\nexit 143\n'
    (tmp_path / "batchgen").write_text(script, encoding="utf-8")
    (tmp_path / "batchgen").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}

    with subprocess.Popen(["bash", str(RECIPES / "slurm.sh")], env=environment, stdout=subprocess.PIPE, encoding="utf-8") as task:
        said, _ = task.communicate(timeout=20)

    assert 143 == task.returncode
    assert f"{task.pid} --env-file {tmp_path}/.config/batchgen/worker.env --log-file batchgen-7_3.log work --drain\n" == said


def test_the_page_tells_of_every_recipe() -> None:
    """Each has its section with three lines to type, and its row in the table of what was tried."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    tried = next(section for section in sections if section.startswith("What was tried"))

    for name in TEXTS:
        (section,) = [section for section in sections if f"](recipes/{name})" in section and section is not tried]
        (block,) = re.findall(r"^```console\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        assert 3 == block.count("$ "), name
        assert f"| `{name}` |" in tried


def _linter(name: str) -> str | None:
    return shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(("linter", "recipe"), [("shellcheck", "slurm.sh"), ("hadolint", "Containerfile")])
def test_a_linter_has_nothing_to_say(linter: str, recipe: str) -> None:
    """Every exception stands in the recipe, with its reason."""
    program = _linter(linter)
    if program is None:
        pytest.skip(f"needs {linter}")

    checked = subprocess.run([program, str(RECIPES / recipe)], capture_output=True, encoding="utf-8", check=False, timeout=60)

    assert (0, "") == (checked.returncode, checked.stdout)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Its own checker has nothing to say against it, with a program that is there."""
    path = tmp_path / "batchgen-work@1.service"
    path.write_text(TEXTS["batchgen-work@.service"].replace("/usr/local/bin/batchgen", "/bin/true"), encoding="utf-8")

    checked = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, encoding="utf-8", check=False, timeout=60)

    assert (0, []) == (checked.returncode, [line for line in checked.stderr.splitlines() if str(tmp_path) in line or "batchgen" in line])
