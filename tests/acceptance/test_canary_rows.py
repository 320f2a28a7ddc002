"""Rows that are tried before the rest."""

import os

import pytest

from tests.acceptance.conftest import StartVendor
from tests.acceptance.test_terminal import _on_terminal, _read
from tests.support.cli import CommandLine, study

GRID = {"model": ["gpt-image-2", "nano-banana-2"], "resolution": ["1k", "2k"]}
PROMPTS = [f"picture {number}" for number in range(6)]


def _write(cli: CommandLine, url: str, price: str = "1", **changes: object) -> None:
    """Write a study of 24 rows in four cells, with a price of the user's own."""
    provider = {"use": "jimmyai", "base_url": url, "prices": dict.fromkeys(GRID["model"], price)}
    cli.write(study(url, PROMPTS, **{"provider": provider, "grid": GRID, "defaults": {}, "order": "by_cell", **changes}))


def test_rows_of_every_value_are_tried_first_and_the_rest_follows(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Four rows, one a cell, are saved before any other goes out; cost and latency are shown by cell; nothing speaks against the rest."""
    vendor = start_vendor()
    _write(cli, vendor.url)

    done = cli("run", "study.yaml", "--canary", "4")

    assert 0 == done.code, done.err
    assert {"saved": 24} == cli.states()
    events = [row for row in cli("events", "--jsonl").lines if row["event"] in {"submit_started", "images_saved"}]
    jobs = {job["key"]: job for job in cli.jobs()}
    first = [jobs[row["key"]] for row in events if row["event"] == "submit_started"][:4]
    assert 4 == len({(job["params"]["model"], job["params"]["resolution"]) for job in first})
    saved = [row["key"] for row in events[:8] if row["event"] == "images_saved"]
    assert {job["key"] for job in first} == set(saved)
    head, *cells, total = [line.split() for line in done.out.splitlines() if "FAILED" in line or "study/" in line or line.endswith("all")]
    assert ["ROWS", "SAVED", "FAILED", "COST", "ESTIMATE", "SECONDS"] == head[:6]
    assert 4 == len(cells)
    assert all(["1", "1", "0"] == cell[:3] for cell in cells)
    assert ["4", "4", "0"] == total[:3]
    assert 24 == vendor.posts
    assert 0 == cli("verify").code


@pytest.mark.parametrize(
    ("faults", "price", "why"),
    [(("task.failed_unknown@2",), "1", "1 of 4 rows have no image"), ((), "0.001", "and the estimate was 0.004 coin")],
    ids=["failures", "cost"],
)
def test_a_bad_trial_ends_the_run(cli: CommandLine, start_vendor: StartVendor, faults: tuple[str, ...], price: str, why: str) -> None:
    """Without a terminal the rest is not ordered: exit 5, why, and how to go on all the same."""
    vendor = start_vendor(faults=faults)
    _write(cli, vendor.url, price, retry={"attempts": 1})

    done = cli("run", "study.yaml", "-y", "--canary", "4")
    tried = vendor.posts
    resumed = cli("resume", "-y")

    assert 5 == done.code
    assert "stopped: 4 rows tried, the rest not ordered: " in done.out
    assert why in done.out
    assert "20 left; go on with: " in done.out
    assert 4 == tried
    assert resumed.code in {0, 3}
    assert "planned" not in cli.states()


def test_a_canary_of_all_rows_is_a_plain_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """There is no rest to ask about."""
    vendor = start_vendor()
    _write(cli, vendor.url, "0.001")

    done = cli("run", "study.yaml", "-y", "--canary", "24")

    assert 0 == done.code
    assert "ROWS" not in done.out
    assert {"saved": 24} == cli.states()


@pytest.mark.parametrize(("answer", "code", "states"), [(b"y\n", 0, {"saved": 24}), (b"n\n", 5, {"saved": 4, "planned": 20})])
def test_a_terminal_is_asked(cli: CommandLine, start_vendor: StartVendor, answer: bytes, code: int, states: dict[str, int]) -> None:
    """The question has the figures of the rest, at the prices seen; an objection is a warning there."""
    vendor = start_vendor()
    _write(cli, vendor.url, "0.001")

    with _on_terminal(cli, "run", "study.yaml", "--canary", "4") as (process, terminal):
        shown = _read(terminal, until="[y/N]")
        os.write(terminal, answer)
        _read(terminal)
        ended = process.wait(60)

    assert "order the other 20 images? cost: " in shown
    assert "warning: they cost" in " ".join(shown.split())
    assert code == ended
    assert states == cli.states()


@pytest.mark.parametrize("number", ["0", "many", "-1"])
def test_a_number_that_cannot_be_meant_is_refused(cli: CommandLine, number: str) -> None:
    """Exit 2, and nothing is planned."""
    _write(cli, "http://127.0.0.1:9")

    refused = cli("run", "study.yaml", "-y", "--canary", number)

    assert 2 == refused.code
    assert [] == [name for name in cli.files() if name.endswith(".db")]
