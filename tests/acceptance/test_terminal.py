"""On a terminal a run asks before it spends and shows how it goes; without one it does neither."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from batchgen.cli.output import columns_of
from tests.acceptance.conftest import StartVendor
from tests.support.cli import CANARY, CommandLine, Vendor, study, wait_until

ESCAPE = "\x1b"


@contextmanager
def _on_terminal(cli: CommandLine, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command whose three streams are one terminal; give the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    environment = cli.environment(TERM="xterm-256color")
    words = ("env", "--default-signal=INT,HUP", sys.executable, "-m", "batchgen", *words)  # as a terminal starts it
    with subprocess.Popen(words, cwd=cli.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
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


def _steady(lines: list[str]) -> str:
    """Give the words of the lines but for the room on the disk, which others use meanwhile."""
    return re.sub(r"free \S+ [KMGT]?B", "free so much", " ".join(" ".join(lines).split()))


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
        assert _steady(whole) == _steady(shown)
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


def _drawn(shown: str) -> list[str]:
    """Give the lines that a terminal was told to show; where it is told to go up or to erase, a line ends."""
    apart = re.sub(r"\x1b\[[0-9]*[AKJ]", "\n", shown.replace("\r", ""))
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", apart).splitlines()


def _is_saved(cli: CommandLine) -> bool:
    return bool(list((cli.folder / "out").rglob("*.png")))


def test_a_run_is_watched_from_a_second_terminal_until_it_ends(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The panel fits 80 columns with wide names and cuts no command; the status stands below it when the run has ended."""
    vendor = start_vendor(latency_s=2.0, faults=("post.accept_then_502@1",))
    cli.write(study(vendor.url, [f"狐狸 {number}" for number in range(7)], name="夜班-狐狸", limits={"in_flight": 2}))
    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: _is_saved(cli))
        with _on_terminal(cli, "status", "--watch", "0.2") as (process, terminal):
            shown = _read(terminal)
            code = process.wait(30)
        run = cli.finish(running)

    lines = _drawn(shown)
    assert (3, 0) == (run.code, code)
    assert lines[0].startswith(f"夜班-狐狸: process {running.pid} on ")
    assert any("1 ambiguous" in line and "waiting" in line for line in lines)
    assert any(line.startswith("  1 needs a decision: ") for line in lines)
    assert any(line.endswith(" ambiguous: unreadable") for line in lines)
    assert max(columns_of(line) for line in lines if str(cli.folder) not in line) <= 80
    assert "  6 saved in the latest run, 0 before it; " in "\n".join(lines)
    assert lines[-1].startswith("  next: ")


def test_whoever_has_seen_enough_ends_the_view_and_not_the_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Ctrl-C is no error of a view: exit 0 with the status as it stands, and the process works on."""
    vendor = start_vendor(latency_s=60.0)
    cli.write(study(vendor.url, ["a fox, watched for a while"]))
    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.posts)
        with _on_terminal(cli, "status", "--watch") as (process, terminal):
            before = _read(terminal, until="in flight")
            process.send_signal(signal.SIGINT)
            after = _read(terminal)
            code = process.wait(30)
        is_alive = running.poll() is None

    assert (0, True) == (code, is_alive)
    assert ESCAPE in before
    assert f"process {running.pid} on " in after
    assert "Traceback" not in before + after


def test_without_a_terminal_a_watch_draws_nothing(cli: CommandLine, start_vendor: StartVendor) -> None:
    """It ends with the run, and the status is its answer."""
    vendor = start_vendor(latency_s=4.0)
    cli.write(study(vendor.url, ["a fox, watched from a pipe"]))
    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.posts)
        watch = cli("status", "study", "--watch", "0.2")
        cli.finish(running)

    assert 0 == watch.code, watch.err
    assert ESCAPE not in watch.out + watch.err
    assert f"study: process {running.pid} on " in watch.err
    assert "1 saved " in watch.out


def test_where_nothing_runs_a_watch_shows_the_status_once(cli: CommandLine) -> None:
    """It says so, and waits for nothing; what is for people is no JSON; a batch that is not there is an error."""
    cli.write(study("http://127.0.0.1:9", ["a fox, unwatched"]))
    cli("plan", "study.yaml", "--save", "--offline")

    tries = ([], ["study"], ["--json"], ["no-such-batch"])
    once, named, as_json, unknown = (cli("status", *words, "--watch") for words in tries)

    assert (0, 0, 2, 2) == (once.code, named.code, as_json.code, unknown.code)
    assert ("nothing runs\n", "nothing runs on study\n") == (once.err, named.err)
    assert cli("status").out == once.out == named.out
    assert ("", 1) == (as_json.out, len(as_json.err.splitlines()))
