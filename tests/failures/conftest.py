"""Fixtures of the failure table's tests: a folder with a command line, vendors that fail as they are told, and a disk of one's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import StartVendor, cli, start_vendor
from tests.contract.conftest import postgres
from tests.support.disks import Disk, FailingDisk, failing, mounted
from tests.support.rude_vendor import RudeVendor, open_rude_vendor

__all__ = ["StartVendor", "cli", "postgres", "start_vendor"]

StartRude = Callable[..., RudeVendor]


@pytest.fixture
def start_rude() -> Iterator[StartRude]:
    """Start vendors that meet orders and questions as scripted; they stop with the test."""
    with ExitStack() as stack:
        yield lambda **script: stack.enter_context(open_rude_vendor(RudeVendor(**script)))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a disk of 1 GiB at ``disk`` in the command line's folder, where this is allowed."""
    with mounted(tmp_path / "disk", size_kib=1 << 20) as found:
        if found is None:
            pytest.skip("mounting a file system needs root")
        yield found


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[FailingDisk]:
    """Mount a disk of 1 GiB at ``disk`` in the command line's folder that can turn read-only in use, where this is allowed."""
    with failing(tmp_path / "disk", size_mib=1 << 10) as found:
        if found is None:
            pytest.skip("mounting a file system on a loop device needs root, loop devices and mkfs.ext4")
        yield found
