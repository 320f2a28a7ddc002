"""The short form of ``signals.py``: each signal once, each in another phase."""

from pathlib import Path

import pytest

from tests.crash.signals import play


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "name"),
    [
        ("submitting", "INT"),
        ("downloading", "TERM"),
        ("polling", "HUP"),
        ("submitting", "INT INT"),
        ("shut gate", "STOP CONT"),
        ("publishing", "KILL"),
        ("ending", "TERM"),
    ],
)
def test_signal_ends_the_run_with_its_code_and_everything_recorded(tmp_path: Path, phase: str, name: str) -> None:
    """The code is the promised one, the next command is named, and going on buys nothing twice."""
    told = play(tmp_path / "strike", phase=phase, name=name)

    assert [] == told.wrong
