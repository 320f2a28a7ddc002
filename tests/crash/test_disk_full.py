"""The short form of ``disk_full.py``: two sizes for each placement."""

from pathlib import Path

import pytest

from tests.crash.disk_full import PLACEMENTS, play


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_disk_that_was_full_for_a_while_loses_and_repeats_nothing(tmp_path: Path, placement: str, number: int) -> None:
    """Once there is room again the plain command goes on to the end, and all books agree."""
    told = play(tmp_path / "fault", placement=placement, number=number)
    if told is None:
        pytest.skip("mounting a file system needs root")

    assert [] == told.wrong
    assert told.code in {0, 7}
    assert told.felt or number
