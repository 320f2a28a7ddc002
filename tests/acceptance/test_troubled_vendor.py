"""A vendor that stumbles without putting money at risk: every picture arrives and every order is sent once."""

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, study

BROKEN_DOWNLOADS = ("truncated", "short", "empty", "html", "wrong_type", "zeroed_tail", "expired", "not_found", "500", "502", "reset")
ODD_ANSWERS = ("post.string_code@1", "post.zero_code@2", "post.bare@3", "poll.bare@1", "poll.string_code@2", "result.success_word@3")


@pytest.mark.slow
def test_broken_downloads_are_fetched_again_and_never_bought_again(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Each way a download can go wrong is mended by the same or a fresh URL; the vendor sees one order a row."""
    faults = tuple(f"download.{name}@{ordinal}" for ordinal, name in enumerate(BROKEN_DOWNLOADS, start=1))
    vendor = start_vendor(faults=(*faults, "result.stale_url@12"))
    cli.write(study(vendor.url, [f"gate {number}" for number in range(14)], limits={"in_flight": 14}))

    run = cli("run", "study.yaml", "-y")

    stats = vendor.stats()
    assert 0 == run.code
    assert {"saved": 14} == cli.states()
    assert 14 == stats["posts"] == len(vendor.charges())
    assert {fault.partition("@")[0] for fault in faults} <= set(stats["faults"])
    assert 0 == stats["authorization_on_files"]
    assert 0 == cli("verify").code


def test_documented_oddities_of_answers_are_understood(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Codes as text or 0, answers without envelope and other success words are all success."""
    vendor = start_vendor(faults=ODD_ANSWERS, latency_s=0.0)
    cli.write(study(vendor.url, [f"door {number}" for number in range(4)]))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code
    assert 4 == vendor.posts == len(cli.images())


def test_server_error_is_booked_as_if_billed_and_sent_again(cli: CommandLine, start_vendor: StartVendor) -> None:
    """An answer that proves nothing is repeated by policy: a decision stands in the events, and verify agrees."""
    vendor = start_vendor(faults=("post.server_error@1",))
    cli.write(study(vendor.url, ["a harbour"]))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code
    assert 2 == cli.jobs()[0]["attempts"]
    assert "submit_unproven" in [event["event"] for event in cli("events", "--jsonl").lines]
    assert 0 == cli("verify").code


def test_picture_that_vanished_is_found_by_verify(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A deleted and an altered file are two violations: exit 3, both named."""
    vendor = start_vendor()
    cli.write(study(vendor.url, ["a gate", "a door", "a bridge"]))
    cli("run", "study.yaml", "-y")
    gone, altered, _ = sorted(cli.images())
    (cli.folder / gone).unlink()
    (cli.folder / altered).write_bytes((cli.folder / altered).read_bytes()[:-1] + b"\0")

    audit = cli("verify", "--json")

    told = str(audit.document["violations"])
    assert 3 == audit.code
    assert gone.rpartition("/")[2] in told
    assert altered.rpartition("/")[2] in told


def test_foreign_file_at_the_place_of_a_picture_is_left_alone(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Whatever stands where a picture should go is not overwritten; the picture is saved beside it or held, not lost."""
    vendor = start_vendor()
    cli.write(study(vendor.url, ["a gate"], output={"dir": "out", "name": "picture"}))
    (cli.folder / "out").mkdir()
    foreign = cli.write_text("mine", "out/picture.png")

    run = cli("run", "study.yaml", "-y", timeout_s=60)

    assert "mine" == foreign.read_text()
    assert run.code in {0, 3}
    assert 1 == vendor.posts
