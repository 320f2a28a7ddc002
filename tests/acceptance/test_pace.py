"""A pace that nobody fixed: it is found, shown, remembered, and no order is lost by it."""

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, study

_AUTO = {"limits": {"in_flight": "auto"}}


@pytest.mark.slow
def test_a_hidden_limit_is_found_kept_and_remembered(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Every row is saved and paid once, few orders are refused, and the next run starts from what was found."""
    vendor = start_vendor(max_in_flight=3, latency_s=1.0)
    cli.write(study(vendor.url, [f"gate {number}" for number in range(30)], **_AUTO))

    run = cli("run", "study.yaml", "-y")

    stats = vendor.stats()
    (pace,) = cli.select("SELECT * FROM pace")
    assert 0 == run.code
    assert {"saved": 30} == cli.states()
    assert 30 == len(vendor.charges())
    assert 0 < stats["throttled"] <= 8
    assert (f"jimmyai {vendor.url}", "") == (pace["vendor"], pace["model"])
    assert 1 <= pace["in_flight"] <= 5
    assert 0 == cli("verify").code


def test_the_pace_is_found_where_the_manifest_says_nothing(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Without limits a run starts low and ends as any other."""
    vendor = start_vendor()
    cli.write(study(vendor.url, ["a gate", "a door"], limits={}))

    assert 0 == cli("run", "study.yaml", "-y").code
    assert 2 == len(vendor.charges())


def test_a_fixed_number_leaves_no_finding(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Who fixes the number wants nothing found."""
    vendor = start_vendor()
    cli.write(study(vendor.url, ["a gate", "a door"], limits={"in_flight": 2}))

    cli("run", "study.yaml", "-y")

    assert [] == cli.select("SELECT * FROM pace")


@pytest.mark.parametrize("word", ["many", "0", "-1", "1.5", "Auto"])
def test_another_word_is_a_located_error(cli: CommandLine, word: str) -> None:
    """Exit 2, the place and both ways to say it; nothing is stored."""
    cli.write_text(f"version: 1\nname: study\nprompts: [a]\ndefaults: {{model: gpt-image-2}}\nlimits:\n  in_flight: {word}\n")

    run = cli("run", "study.yaml", "-y")

    assert 2 == run.code
    assert f"study.yaml:6:14: error[E103]: must be a whole number from 1, or auto, not '{word}'" in run.err
    assert not (cli.folder / "batchgen.db").exists()
