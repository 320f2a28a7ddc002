"""On a terminal a run asks before it spends and shows how it goes; without one it does neither."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cli import CANARY, CommandLine, Vendor, study

ESCAPE = "\x1b"


@contextmanager
def _on_terminal(cli: CommandLine, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command whose three streams are one terminal; give the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    environment = cli.environment(TERM="xterm-256color")
    with subprocess.Popen(
        [sys.executable, "-m", "batchgen", *words], cwd=cli.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


def _read(terminal: int, until: str | None = None) -> str:
    """Read what the terminal shows, up to the given text or to the end of the process."""
    shown = ""
    while until is None or until not in shown:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux says EIO when the last process has left a terminal
            return shown
        shown += chunk.decode(errors="replace")
    return shown


def test_terminal_is_asked_before_money_is_spent(cli: CommandLine, vendor: Vendor) -> None:
    """A price that nobody knows is a reason to ask; "no" orders nothing."""
    cli.write(study(vendor.url, ["a fox, asked"], defaults={"model": "brush-nobody-knows"}))

    with _on_terminal(cli, "run", "study.yaml") as (process, terminal):
        question = _read(terminal, until="?")
        os.write(terminal, b"n\n")
        answer = _read(terminal)
        process.wait(30)

    assert "1 image" in question
    assert "nothing was ordered" in answer
    assert [] == vendor.charges(", asked")


def test_agreement_lets_the_run_go_on_with_a_progress_view(cli: CommandLine, vendor: Vendor) -> None:
    """After "yes" the panel counts what is done, and the summary stands below it."""
    cli.write(study(vendor.url, ["a fox, agreed", "a heron, agreed"]))

    with _on_terminal(cli, "run", "study.yaml", "--confirm-above", "0.01") as (process, terminal):
        assert "order 2 images? cost: 0.06 coin" in _read(terminal, until="[y/N]")
        os.write(terminal, b"y\n")
        shown = _read(terminal)
        code = process.wait(30)

    assert 0 == code
    assert ESCAPE in shown
    assert all(word in shown for word in ("done", "failed", "in flight", "waiting"))
    assert "2 saved" in shown
    assert CANARY not in shown
    assert 2 == len(vendor.charges(", agreed"))


def test_yes_asks_nothing_on_a_terminal(cli: CommandLine, vendor: Vendor) -> None:
    """``-y`` is an answer given beforehand."""
    cli.write(study(vendor.url, ["a fox, beforehand"]))

    with _on_terminal(cli, "run", "study.yaml", "-y") as (process, terminal):
        shown = _read(terminal)
        code = process.wait(30)

    assert 0 == code
    assert "1 saved" in shown


def _lines(shown: str) -> list[str]:
    return shown.replace("\r", "").splitlines()


def test_lines_on_a_terminal_fit_eighty_columns(cli: CommandLine, vendor: Vendor) -> None:
    """What is longer is broken between words and hangs; in a pipe it stays one line."""
    prompt = "a fox, wrapped, " + "and again a fox " * 10
    cli.write(study(vendor.url, [prompt], grid={"model": ["gpt-image-2", "nano-banana-2"]}, limits={"budget": {"cost": 9}}))
    cli("plan", "study.yaml", "--save")
    key = cli.jobs()[0]["key"]

    for words in (
        ("plan", "study.yaml", "--offline"),
        ("show", key),
        ("show", "f" * 32),
        ("verify",),
        ("plan", "study.yaml", "--only", "ratio=" + "9 " * 50),
    ):
        with _on_terminal(cli, *words) as (process, terminal):
            shown = _lines(_read(terminal))
            process.wait(30)
        piped = cli(*words)

        whole = (piped.err + piped.out).splitlines()
        assert " ".join(" ".join(whole).split()) == " ".join(" ".join(shown).split())
        assert max(len(line) for line in shown if len(line.split()) > 1 and str(cli.folder) not in line) <= 80
        assert len(shown) >= len(whole)


def test_jobs_on_a_terminal_fit_eighty_columns(cli: CommandLine, vendor: Vendor) -> None:
    """Cell and prompt are cut with an ellipsis; in a pipe the cell is whole."""
    cli.write(study(vendor.url, ["a fox, " * 20], grid={"model": ["nano-banana-" + "x" * 50], "ratio": ["1:1"]}))
    cli("plan", "study.yaml", "--save")

    with _on_terminal(cli, "jobs") as (process, terminal):
        shown = _lines(_read(terminal))
        process.wait(30)

    (job,) = cli.jobs()
    assert max(map(len, shown)) <= 80
    assert 2 == shown[1].count("…")
    assert job["cell"] in cli("jobs").out
    assert max(map(len, cli("jobs", "--help").out.splitlines())) <= 80


def test_without_a_terminal_there_are_no_bars_and_no_questions(cli: CommandLine, vendor: Vendor) -> None:
    """In a pipe a run neither waits for an answer nor draws."""
    cli.write(study(vendor.url, ["a fox, piped"]))

    run = cli("run", "study.yaml")

    assert 0 == run.code
    assert ESCAPE not in run.out + run.err
    assert 1 == len(vendor.charges(", piped"))


def test_reader_that_leaves_early_is_no_error(cli: CommandLine) -> None:
    """``batchgen jobs --jsonl | head -1`` ends quietly."""
    cli.write(study("http://127.0.0.1:9", [f"picture {number} " + "x" * 400 for number in range(500)]))
    cli("plan", "study.yaml", "--save")

    with cli.background("jobs", "--jsonl") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(30)
        assert process.stderr is not None
        said = process.stderr.read()

    assert "" == said
