"""The short form of ``random_kills.py``: a few SIGKILLs at random moments of a rough run."""

from pathlib import Path

import pytest

from tests.crash.random_kills import play_chain


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "kills"), [(1001, 3)])
def test_randomly_killed_run_ends_with_every_picture_saved_once(tmp_path: Path, seed: int, kills: int) -> None:
    """After three kills and the decisions that they call for nothing was bought twice, nothing is lost and no invariant is broken."""
    told = play_chain(tmp_path / "chain", seed=seed, kills=kills, rows=80)

    assert told.is_clean, told
    assert told.kills > 0
    assert {"saved": 80} == told.states
