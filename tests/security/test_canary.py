"""The key is nowhere but in the request: every test here looks through all files and all outputs."""

import json
import signal

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CANARY, CommandLine, Vendor, study, wait_until
from tests.support.recording_vendor import open_recording_vendor


def test_log_file_tells_the_run_without_its_key(cli: CommandLine, vendor: Vendor) -> None:
    """The diary is JSON lines in the file that was asked for; key and signatures are not in it."""
    cli.write(study(vendor.url, ["a fox, diary"]))

    run = cli("run", "study.yaml", "-y", "--log-file", "logs/night.jsonl")

    diary = (cli.folder / "logs/night.jsonl").read_text()
    assert 0 == run.code
    assert len([json.loads(line) for line in diary.splitlines()]) >= 4
    assert "submit_accepted" in diary
    assert "Signature=" not in diary
    assert [] == cli.leaks()


def test_signed_urls_are_gone_once_the_picture_is_saved(cli: CommandLine, vendor: Vendor) -> None:
    """Whoever reads the database, a sidecar or the log of a finished batch finds no working link."""
    cli.write(study(vendor.url, ["a fox, signed"]))

    cli("run", "study.yaml", "-y")
    cli("events", "--json"), cli("show", cli.jobs()[0]["key"], "--json")

    assert [] == [place for place in cli.leaks("Signature=") if not place.startswith("batchgen.db")]


def test_rejected_key_is_not_repeated(cli: CommandLine, vendor: Vendor) -> None:
    """The sentence about a rejected key does not hold the key."""
    cli.write(study(vendor.url, ["a fox, rejected"]))

    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY="wrong-" + CANARY)

    assert 4 == run.code
    assert [] == cli.leaks()


def test_vendor_that_quotes_the_key_is_not_believed(cli: CommandLine) -> None:
    """A refusal that repeats our header is stored and shown without it."""
    with open_recording_vendor(echoes_key=True) as vendor:
        cli.write(study(vendor.url, ["a fox, echoed"]))

        run = cli("run", "study.yaml", "-y")
        cli("show", cli.jobs()[0]["key"]), cli("jobs"), cli("events", "--json")

    assert 3 == run.code
    assert "failed" == cli.jobs()[0]["state"]
    assert [] == cli.leaks()


def test_killed_run_leaves_no_key(cli: CommandLine, start_vendor: StartVendor) -> None:
    """After SIGKILL in the middle of orders neither database, journal, log nor temporary file holds the key."""
    vendor = start_vendor(latency_s=0.2)
    cli.write(study(vendor.url, [f"fox {number}" for number in range(12)]))

    with cli.background("run", "study.yaml", "-y", "--log-file", "night.jsonl") as running:
        wait_until(lambda: vendor.posts >= 6)
        running.send_signal(signal.SIGKILL)
        killed = cli.finish(running)

    assert -signal.SIGKILL == killed.code
    assert [] == cli.leaks()


@pytest.mark.parametrize("place", ["provider: {api_key: KEY}", "provider: {api_key_env: KEY}", "api_key: KEY"])
def test_key_in_a_manifest_is_refused_unquoted(cli: CommandLine, place: str) -> None:
    """A literal key in a manifest is an error that points at it without repeating it."""
    literal = "sk-literal-2f6d1b0c9e8a47"
    cli.write_text(f"version: 1\nname: keys\ndefaults: {{model: gpt-image-2}}\nprompts: [a fox]\n{place.replace('KEY', literal)}\n")

    answers = [cli("plan", "study.yaml"), cli("plan", "study.yaml", "--json"), cli("run", "study.yaml", "-y")]

    assert [2, 2, 2] == [answer.code for answer in answers]
    assert ["study.yaml"] == cli.leaks(literal)


def test_doctor_names_the_key_variable_only(cli: CommandLine) -> None:
    """``doctor`` says that a key is set, not which."""
    examined = cli("doctor")

    assert "JIMMYAI_API_KEY" in examined.out
    assert [] == cli.leaks()


def test_database_password_is_never_shown(cli: CommandLine) -> None:
    """A PostgreSQL URL that cannot be reached is named without its password."""
    answer = cli("status", "--db", "postgresql://ana:hunter2hunter2@127.0.0.1:9/night")

    assert 7 == answer.code
    assert [] == cli.leaks("hunter2hunter2")
