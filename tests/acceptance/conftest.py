"""Fixtures of the acceptance tests: a folder with a command line, and vendors to order from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.conftest import postgres, storage
from tests.support.cli import CommandLine, Vendor, open_vendor

__all__ = ["postgres", "storage"]

StartVendor = Callable[..., Vendor]


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    """Give a command line in an empty folder; afterwards the canary key stands nowhere."""
    command_line = CommandLine(folder=tmp_path)
    yield command_line
    assert [] == command_line.leaks()


@pytest.fixture
def start_vendor() -> Iterator[StartVendor]:
    """Start vendors on the test's own terms; they stop with the test."""
    with ExitStack() as stack:
        yield lambda **terms: stack.enter_context(open_vendor(**terms))


@pytest.fixture(scope="session")
def vendor() -> Iterator[Vendor]:
    """Start one calm vendor for all tests that need no fault; they count by their own prompts or by differences."""
    with open_vendor() as calm:
        yield calm
