"""The page about unattended runs: what it tells to type and to install is played, parsed or looked up."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from batchgen.app.telling.message import SCHEMA
from batchgen.app.telling.metrics import Life, exposition
from batchgen.app.telling.signs import heartbeat
from batchgen.core.exits import Exit
from batchgen.core.money import Micros
from batchgen.planning.manifest import Manifest, Notify
from tests.support.cli import ROOT, CommandLine, study
from tests.support.fake_clock import START
from tests.support.manifests import HEAD, Desk
from tests.support.snapshots import message, snapshot

PAGE = (ROOT / "docs" / "unattended.md").read_text(encoding="utf-8")
LIFE = Life(batch="night", provider="sim", host="here", pid=7, started_at=START, beaten_at=START, ended_at=START, exit_code=0)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def _units() -> dict[str, str]:
    """Give the systemd units by the names of their files."""
    return {Path(text.splitlines()[0]).name: text for text in _blocks("ini")}


def _parsed(unit: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys are told apart by case
    parser.read_string(_units()[unit])
    return parser


def _there(cli: CommandLine, text: str) -> str:
    """Give a command line of the page with the places of this test in those of the page."""
    return text.replace("/srv/batchgen", str(cli.folder)).replace("/usr/local/bin/batchgen", str(cli.folder / "bin" / "batchgen"))


def _install(cli: CommandLine) -> None:
    """Put into the folder what the page takes for given: a program that knows nothing of the caller's surroundings, key and manifest."""
    (cli.folder / "metrics").mkdir()
    cli.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m batchgen "$@"\n', "bin/batchgen").chmod(0o755)
    cli.write_text("JIMMYAI_API_KEY=sk-of-nobody\nNTFY_TOPIC=here\nHOOK=there\n", "night.env").chmod(0o600)
    simulated = {"use": "sim", "sim": {"latency": "0.05", "image-scale": "0.1"}}
    cli.write(study("", ["a gate at night"], name="night", provider=simulated), "night.yaml")


def _played(cli: CommandLine, shell_line: str) -> subprocess.CompletedProcess[str]:
    """Run a line as cron does: by sh, with next to nothing in the environment, from the home folder."""
    environment = {"HOME": str(cli.folder), "LOGNAME": "batchgen", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["/bin/sh", "-c", shell_line], cwd="/", env=environment, capture_output=True, encoding="utf-8", check=False, timeout=120
    )


def test_the_cron_line_works_and_mails_only_trouble(cli: CommandLine) -> None:
    """The first night draws and says nothing; the second has nothing to do; a broken manifest is a mail."""
    _install(cli)
    (line,) = _blocks("cron")
    schedule, command = re.fullmatch(r"((?:\S+ ){5})(.*)\n", line).groups()  # type: ignore[union-attr] # a page without it fails here

    nights = [_played(cli, _there(cli, command)) for _ in range(2)]
    beat = json.loads((cli.folder / "night.heartbeat").read_text())
    cli.write_text("version: 2\n", "night.yaml")
    trouble = _played(cli, _there(cli, command))

    assert "0 22 * * * " == schedule
    assert "%" not in command  # cron would end the line there
    assert [(0, "", "")] * 2 == [(night.returncode, night.stdout, night.stderr) for night in nights], (cli.folder / "night.out").read_text()
    assert {"saved": 1} == cli.states()
    assert ("night", "ended", 0) == (beat["batch"], beat["state"], beat["exit_code"])
    assert "batchgen ended with 2" in trouble.stdout


def test_the_service_starts_what_the_page_says(cli: CommandLine) -> None:
    """Its command line, in its folder, draws the picture and leaves heartbeat and metrics."""
    _install(cli)
    service = _parsed("batchgen-night.service")["Service"]

    run = _played(cli, f"cd {_there(cli, service['WorkingDirectory'])} && {_there(cli, service['ExecStart'])}")

    assert 0 == run.returncode, run.stderr
    assert {"saved": 1} == cli.states()
    assert (cli.folder / "night.heartbeat").exists()
    assert (cli.folder / "metrics" / "night.prom").exists()


def test_the_units_belong_together() -> None:
    """The alarm that the service names is there; its quiet exit codes are explained; a stop has time for the answers under way."""
    units = _units()
    service = _parsed("batchgen-night.service")

    assert {"batchgen-night.service", "batchgen-night.timer", "batchgen-alarm@.service"} == set(units)
    assert "batchgen-alarm@%n.service" == service["Unit"]["OnFailure"]
    assert {"3", "5", "8", "143"} == set(service["Service"]["SuccessExitStatus"].split())
    assert int(service["Service"]["TimeoutStopSec"]) > 180
    assert "*-*-* 22:00:00" == _parsed("batchgen-night.timer")["Timer"]["OnCalendar"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """Its own checker has nothing to say against them, with programs that are there."""
    for name, text in _units().items():
        (tmp_path / name).write_text(text.replace("/usr/local/bin/batchgen", "/bin/true").replace("/usr/bin/curl", "/bin/true"))
    paths = [str(tmp_path / name.replace("@.", "@night.")) for name in _units()]

    checked = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, encoding="utf-8", check=False, timeout=60)

    assert (0, []) == (checked.returncode, [line for line in checked.stderr.splitlines() if str(tmp_path) in line or "batchgen" in line])


def test_every_exit_code_is_explained() -> None:
    """One row each; codes of signals share one."""
    rows = re.findall(r"^\| ([0-9, ]+) \|", PAGE, flags=re.MULTILINE)

    assert {int(code) for code in Exit} == {int(code) for row in rows for code in row.split(",")}


def test_the_notices_can_be_planned(tmp_path: Path) -> None:
    """They are part of a manifest as they stand, with their variables set; every event has its row."""
    block = next(text for text in _blocks("yaml") if text.startswith("notify:"))

    settings = Desk(tmp_path).plan(f"prompts: [a]\n{block}", head=HEAD, environ={"NTFY_TOPIC": "here", "HOOK": "there"}).settings

    events = set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    assert (2, 1) == (len(settings.notify), sum(notice.webhook is not None for notice in settings.notify))
    assert set(Notify.model_json_schema()["properties"]["events"]["items"]["enum"]) == events
    assert "notify" in Manifest.model_fields


def test_the_documents_shown_have_the_fields_of_the_real_ones() -> None:
    """A program that is written after the page finds what it looks for."""
    webhook, beat = (json.loads(text) for text in _blocks("json"))

    assert SCHEMA == webhook["schema"]
    assert set(json.loads(message().document())) == set(webhook)
    assert set(json.loads(heartbeat(LIFE, snapshot()))) == set(beat)


def test_the_metrics_named_are_the_metrics_written() -> None:
    """All of them, and no others."""
    written = exposition(LIFE, snapshot(cap=Micros(1), last_saved_at=START))

    assert set(re.findall(r"^# TYPE (\w+)", written, flags=re.MULTILINE)) == set(re.findall(r"`(batchgen_[a-z_]+)(?:\{[a-z,]+\})?`", PAGE))
    rules = next(text for text in _blocks("yaml") if text.startswith("groups:"))
    assert [] == [name for name in re.findall(r"batchgen_\w+", rules) if f"# TYPE {name} " not in written]


def test_the_check_of_the_heartbeat_tells_life_from_death(cli: CommandLine) -> None:
    """Quiet for a fresh one and for one that has ended; a word for an old one and for none."""
    check = next(text for text in _blocks("sh") if "find" in text)
    path = cli.folder / "night.heartbeat"

    def says(state: str | None, *, age: str = "now") -> bool:
        path.unlink(missing_ok=True)
        if state is not None:
            path.write_text(f'{{"state": "{state}"}}\n')
            subprocess.run(["touch", "-d", age, str(path)], check=True)
        return bool(subprocess.run(["sh", "-c", check], cwd=cli.folder, capture_output=True, check=False).stdout)

    assert not says("working")
    assert not says("ended", age="2 days ago")
    assert says("working", age="5 minutes ago")
    assert says(None)


def test_every_option_of_the_page_is_one(cli: CommandLine) -> None:
    """What stands in backquotes and in command lines exists."""
    words = {word for text in re.findall(r"`(batchgen [^`]+)`", PAGE) for word in shlex.split(text) if word.startswith("--")}
    words |= set(re.findall(r"`(--[a-z-]+-file)\b", PAGE))
    helped = "".join(cli(*words, "--help").out for words in ([], ["run"], ["resume"], ["plan"], ["jobs"], ["retry"], ["status"]))

    assert words >= {"--heartbeat-file", "--metrics-file", "--exit-code"}
    assert [] == [word for word in words if word not in helped]
