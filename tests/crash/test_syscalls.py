"""The short form of ``syscalls.py``: some of the calls."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.crash.syscalls import AT_ONCE, DISK, ERRORS, KILL, SETS, Point, Stage, calls_of, hindrance, points, stages, strike

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Set the stage, where this machine allows it."""
    if reason := hindrance():
        pytest.skip(reason)
    with stages() as stage:
        yield stage


@pytest.fixture(scope="module")
def calls(stage: Stage) -> Counter[tuple[str, str]]:
    """Count the calls of a run that nothing disturbs."""
    return calls_of(stage, list(SETS))


def _struck(stage: Stage, chosen: list[Point]) -> list[str]:
    """Strike at some points, and list what is wrong; most of those where the run is not ended early must be reached."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = list(pool.map(partial(strike, stage), chosen))
    hits = [each.is_hit for each in told if not each.point.stays]
    assert sum(hits) >= len(hits) * 2 // 3
    return [f"{each.point}: {text}" for each in told for text in each.findings.sentences()]


def test_death_at_a_system_call_loses_and_repeats_nothing(stage: Stage, calls: Counter[tuple[str, str]]) -> None:
    """Whatever the call, the same command ends with every picture saved once or held, the bill equal to our books, and nothing to do."""
    chosen = points([KILL], list(SETS), calls)[::60]

    assert len(chosen) >= 8
    assert [] == _struck(stage, chosen)


def test_failing_disk_loses_and_repeats_nothing(stage: Stage, calls: Counter[tuple[str, str]]) -> None:
    """A call that reports a full or failing disk, once or from then on, or that it was interrupted, ends as well as a death.

    A file that the disk does not let go stays where it is, so removals are left out.
    """
    chosen = points(ERRORS, [kind for kind in DISK if kind != "unlink"], calls)[::280]

    assert len(chosen) >= 8
    assert [] == _struck(stage, chosen)
