"""The short form of ``power_cuts.py``: a few cuts, and the controls."""

from collections.abc import Iterator

import pytest

from tests.crash.power_cuts import CONTROLS, DURABLE, Stage, cuts, hindrance, stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Set the stage, where this machine allows it."""
    if reason := hindrance():
        pytest.skip(reason)
    with stages() as stage:
        yield stage


@pytest.mark.parametrize("kept", DURABLE)
def test_power_cut_loses_no_commit(stage: Stage, kept: str) -> None:
    """Every change that the run had told of is on the disk, nothing is bought twice, and no paid picture is lost."""
    told = cuts(stage, kept, 3, first=1001)

    assert [] == [text for each in told for text in each.sentences()]
    assert sum(each.commits for each in told) > 0


@pytest.mark.parametrize("kept", CONTROLS)
def test_database_that_does_not_wait_for_the_disk_is_caught(stage: Stage, kept: str) -> None:
    """The same cut shows what less than the settings of batchgen would forget."""
    told = cuts(stage, kept, 3, first=1001)

    assert any(each.forgotten for each in told)
