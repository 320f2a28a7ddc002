"""What happened to the clocks since the last look."""

import pytest

from batchgen.app.clock import ClockWatch


@pytest.mark.parametrize(
    ("passed", "told"),
    [
        ((10.0, 10.0, 0.0), ""),
        ((310.0, 10.0, 300.0), "the machine slept for 300 s"),
        ((-3590.0, 10.0, 0.0), "the wall clock was set by -3600 s"),
        ((3610.0, 10.0, 0.0), "the wall clock was set by +3600 s"),
        ((12.0, 10.0, 0.0), ""),
    ],
    ids=["nothing", "sleep", "back", "ahead", "a second or two"],
)
def test_a_jump_is_told_once(passed: tuple[float, float, float], told: str) -> None:
    """Wall, monotonic and sleep seconds since the last look tell a sleep from a clock that was set."""
    wall, monotonic, slept = [1000.0], [50.0], [7.0]
    watch = ClockWatch(wall_s=lambda: wall[0], monotonic_s=lambda: monotonic[0], suspended_s=lambda: slept[0])
    first = watch.look()
    for clock, seconds in zip((wall, monotonic, slept), passed, strict=True):
        clock[0] += seconds

    assert ("", told, "") == (first, watch.look(), watch.look())
