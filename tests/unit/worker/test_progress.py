"""The counters a view reads."""

from batchgen.core.states import State
from batchgen.worker.progress import Progress


def test_moves_keep_the_states_in_step() -> None:
    """A move takes from one state and adds to another; an event without a move counts nothing."""
    progress = Progress(by_state={State.PLANNED: 3})

    progress.moved(State.PLANNED, State.SUBMITTING)
    progress.moved(State.SUBMITTING, State.SUBMITTING)

    assert {State.PLANNED: 2, State.SUBMITTING: 1} == progress.by_state


def test_the_rate_is_that_of_the_last_minute() -> None:
    """Older images do not count; less than two images give no rate."""
    progress = Progress()
    progress.saved_at.extend([0.0, 100.0])

    assert 0.0 == progress.images_per_minute(110.0)

    progress.saved_at.extend([105.0, 110.0])

    assert 18.0 == progress.images_per_minute(110.0)


def test_time_is_lost_while_throttling_keeps_rows_waiting() -> None:
    """From the look that finds it so to the next look, whatever that finds."""
    progress = Progress()

    for now, is_throttled in ((0.0, False), (10.0, True), (12.0, True), (15.0, False), (99.0, False)):
        progress.look(now, is_throttled=is_throttled)

    assert 5.0 == progress.throttled_s
