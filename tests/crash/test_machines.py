"""Chaos over a pool, in its short form: ``make crash-machines`` plays it at length."""

from pathlib import Path

import pytest

from tests.crash.machines import Dose, line, play

DOSE = Dose(workers=4, between_kills_s=(1.0, 2.0), between_restarts_s=(4.0, 8.0), one_cut_in=100, freezes=0.25)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(400)
def test_a_pool_under_chaos_buys_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    """Workers die and freeze past their lease, the server falls over, COMMITs are cut: every picture is there once in the end."""
    told = play(tmp_path / "round", rows=120, seed=7, kills=6, restarts=2, dose=DOSE)

    assert told.is_clean, "\n".join([line(7, told), *told.findings.sentences(), told.second, told.verified])
    assert told.struck.kills >= 3
    assert told.struck.restarts >= 1
