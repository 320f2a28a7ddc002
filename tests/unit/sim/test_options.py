"""Tests of the simulator's command line."""

from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.sim.faults import FAULTS
from batchgen.sim.options import SimOptions, fault_table, options
from batchgen.sim.profiles import PROFILES


@pytest.mark.parametrize(
    "wanted",
    [
        SimOptions(),
        SimOptions(
            port=8123,
            profile="doubt",
            seed=-7,
            faults=("post.429@3", "poll.500=0.25"),
            ledger=Path("a folder/bill.jsonl"),
            fsync=False,
            latency_s=0.0,
            max_running=3,
            max_in_flight=7,
            submit_rate=0.5,
            steps=("2s:in_flight=60", "90.5:submit_rate=8/min"),
            price_scale=Decimal("0.1"),
            balance=Decimal(0),
            key_quota=Decimal(4),
            revoke_after=9,
            url_ttl_s=1.5,
            upload_ttl_s=2.5,
            image_scale=0.25,
            image_bytes=65536,
            exit_with_stdin=True,
        ),
    ],
)
def test_a_command_line_leads_back_to_its_options(wanted: SimOptions) -> None:
    """What is handed to a child process is what the child understands."""
    assert wanted == options(wanted.argv())


@pytest.mark.parametrize(("text", "rate"), [("5/s", 5.0), ("60/min", 1.0), ("0.5", 0.5)])
def test_a_rate_may_be_given_per_second_or_minute(text: str, rate: float) -> None:
    """Both ways of writing a rate mean submits a second."""
    assert rate == options(["--submit-rate", text]).submit_rate


@pytest.mark.parametrize(
    "argv",
    [
        ["--fault", "post.nonsense"],
        ["--profile", "hurricane"],
        ["--latency", "-1"],
        ["--balance", "-1"],
        ["--balance", "rich"],
        ["--submit-rate", "0/s"],
        ["--submit-rate", "fast"],
        ["--max-running", "0"],
        ["--max-in-flight", "0"],
        ["--step", "60"],
        ["--step", "60s:in_flight=0"],
        ["--step", "60s:submit_rate=fast"],
        ["--step", "60s:balance=1"],
        ["--image-scale", "0"],
        ["--prot", "1"],
    ],
)
def test_a_wrong_word_ends_with_a_usage_message(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and the usage on standard error."""
    with pytest.raises(SystemExit) as stopped:
        options(argv)

    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_faults_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list-faults` prints the table and stops with success."""
    with pytest.raises(SystemExit) as stopped:
        options(["--list-faults"])

    assert not stopped.value.code
    assert fault_table() == capsys.readouterr().out


def test_the_fault_table_names_every_profile_and_fault() -> None:
    """Nothing that can be asked for is left out."""
    words = fault_table().split()

    assert set(FAULTS) | set(PROFILES) <= set(words)
