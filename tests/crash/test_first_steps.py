"""Death while the job database is being made: the same command starts again as if nothing had been there."""

import signal
import time
from pathlib import Path
from random import Random

import pytest

from tests.support.cli import CommandLine, study, wait_until

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("seed", range(5))
def test_kill_while_the_database_is_made_is_no_obstacle(tmp_path: Path, seed: int) -> None:
    """Whatever the kill left of the file, planning once more stores every row, and the database is sound."""
    cli = CommandLine(folder=tmp_path)
    cli.write(study(NOWHERE, ["a gate", "a door"]))
    database = tmp_path / "batchgen.db"

    with cli.background("plan", "study.yaml", "--save") as planning:
        wait_until(lambda: database.exists() or planning.poll() is not None)
        time.sleep(Random(seed).uniform(0, 0.25))
        planning.send_signal(signal.SIGKILL)
        cli.finish(planning)
    again = cli("plan", "study.yaml", "--save")

    assert 0 == again.code, again.err
    assert {"planned": 2} == cli.states()
    assert (0, 0) == (cli("verify").code, cli("db", "check").code)


@pytest.mark.parametrize("words", [["plan", "study.yaml"], ["plan", "study.yaml", "--save"], ["db", "upgrade"]], ids=" ".join)
def test_empty_file_is_a_database_yet_to_be_made(tmp_path: Path, words: list[str]) -> None:
    """SQLite makes the file before its first table: a file without any is no foreign database."""
    cli = CommandLine(folder=tmp_path)
    cli.write(study(NOWHERE, ["a gate"]))
    (tmp_path / "batchgen.db").touch()

    answer = cli(*words)

    assert 0 == answer.code, answer.err
