"""In the morning the end of the run, the notice of it and ``status`` say the same of a night with all kinds of trouble."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import Arrived, CommandLine, Finished, open_host, open_vendor, study

FAULTS = ("post.accept_then_502@2", "task.moderated@3", "task.failed_unknown@4", "post.429_retry_after@5", "post.429_retry_after@6")
NAME = "夜班-[bold]-狐狸"


def _accepting(_: Arrived) -> tuple[int, dict[str, str], bytes]:
    return 204, {}, b""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Give a folder whose batch met a lost answer, moderation, a failure, throttling and its budget, in a second run."""
    command_line = CommandLine(folder=tmp_path_factory.mktemp("night"))
    prompts = [f"[red]狐狸[/red] \x1b[31m{number}\u202e" for number in range(8)]
    with open_vendor() as calm:
        command_line.write(study(calm.url, prompts, name=NAME, limits={"budget": {"jobs": 2}}))
        assert 5 == command_line("run", "study.yaml", "-y").code
    with open_vendor(faults=FAULTS) as vendor, open_host(_accepting) as host:
        notify = [{"events": ["started", "halted"], "webhook": host.url}]
        limits = {"in_flight": 1, "budget": {"cost": "9"}}
        command_line.write(study(vendor.url, prompts, name=NAME, limits=limits, notify=notify))
        ended = command_line("run", "study.yaml", "-y", "--budget", "0.17")
        (command_line.folder / "ended.json").write_text(json.dumps({"code": ended.code, "out": ended.out, "err": ended.err}))
        (command_line.folder / "told.json").write_text(json.dumps([arrived.fields for arrived in host.seen]))
    yield command_line
    assert [] == command_line.leaks()


def _ended(cli: CommandLine) -> Finished:
    return Finished(**json.loads((cli.folder / "ended.json").read_text()))


def _figures(cli: CommandLine) -> dict[str, Any]:
    (batch,) = cli("status", "--json").document["batches"]
    return dict(batch["figures"])


def test_programs_are_told_what_was_done_and_what_not(cli: CommandLine) -> None:
    """Two jobs were saved before; the limit typed on the command line is the one that held."""
    told = _figures(cli)

    assert 5 == _ended(cli).code, _ended(cli).err
    assert (2, 2) == (told["done_before"], told["done_in_run"])
    assert (1, {"remote": 1}) == (told["refused"], told["failed"])
    assert ("0.03", "0.12", "0.17", "coin") == (told["at_risk"], told["cost"], told["cap"], told["unit"])
    assert 0 < told["p50_s"] <= told["p95_s"] <= told["ran_s"]
    assert told["per_minute"] == pytest.approx(120 / told["ran_s"], rel=0.02)
    assert told["next"].endswith(f" resume {NAME}")


def test_the_notice_of_the_end_has_the_same_figures(cli: CommandLine) -> None:
    """Throttling beside, of which only the run itself knows; a notice on the way has none."""
    started, halted = json.loads((cli.folder / "told.json").read_text())
    figures = halted["figures"]

    assert started["figures"] is None
    assert figures["throttled_s"] >= 1
    passing = {"throttled_s": None, "ran_s": 0, "per_minute": 0}
    assert _figures(cli) | passing == figures | passing
    assert figures["ran_s"] == pytest.approx(_figures(cli)["ran_s"], abs=2)
    assert "1 order in doubt, money at risk: 0.03 coin; next: " in halted["summary"]


def test_run_and_status_say_the_same_to_people(cli: CommandLine) -> None:
    """Line by line, with what needs a decision first and what to type next last."""
    run = _ended(cli).out.partition(f"\n{NAME}: ")[2].splitlines()
    status = cli("status").out.splitlines()

    same = [line for line in run if line.startswith(("  1 refused", "  1 failed", "  budget", "  estimated"))]
    assert ["  budget 0.17 coin, 88 % of it taken"] == [line for line in same if "budget" in line]
    assert 4 == len([line for line in same if line in status])
    assert "  1 needs a decision: answers were lost; money at risk: 0.03 coin" == run[1]
    assert "  1 NEEDS A DECISION: answers were lost; money at risk: 0.03 coin" == status[1]
    assert "  2 saved in the latest run, 2 before it; " in "\n".join(status)
    assert any(line.startswith("  no orders for ") for line in run)
    assert run[-1].startswith("1 left; go on with: ")
    assert status[-1].startswith("  next: ")
    assert run[-1].endswith(f" resume {NAME}")
    assert status[-1].endswith(f" resume {NAME}")


def test_before_the_first_run_nothing_is_made_up(cli: CommandLine) -> None:
    """A plan that is only stored has a limit and a next command, and no figures of a run."""
    planned = CommandLine(folder=cli.folder / "planned")
    planned.folder.mkdir()
    planned.write(study("http://127.0.0.1:9", ["a fox"], limits={"budget": {"cost": "9"}}))
    planned("plan", "study.yaml", "--save", "--offline")

    told = _figures(planned)

    assert (0, None, None, None, "9") == tuple(told[name] for name in ("done_before", "done_in_run", "ran_s", "p50_s", "cap"))
    assert told["next"].endswith(" resume study")
