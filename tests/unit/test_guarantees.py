"""The page of guarantees names rooms, tests and targets that are there."""

import re

from tests.support.cli import ROOT

PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def test_every_test_and_room_that_is_named_is_there() -> None:
    """A guarantee whose test was renamed would be a claim without proof."""
    tests = re.findall(r"`(tests/[\w/.]+)`", PAGE)
    rooms = re.findall(r"`((?:api|app|core|files|logs|store|worker)/\w+\.py)`", PAGE)

    assert len(tests) > 10
    assert len(rooms) > 10
    assert [] == [path for path in tests if not (ROOT / path).exists()]
    assert [] == [path for path in rooms if not (ROOT / "batchgen" / path).exists()]


def test_every_target_that_is_named_is_there() -> None:
    """What is played by hand can be played."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = re.findall(r"make ([a-z-]+)", PAGE)

    assert len(named) > 5
    assert [] == [target for target in named if target not in targets]
