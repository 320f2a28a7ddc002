"""States and outcomes."""

import pytest

from batchgen.core.states import LIVE, MEANINGS, Outcome, State


def test_every_state_has_a_meaning() -> None:
    """Each of the eight states of the contract is explained in one line."""
    assert {"planned", "submitting", "ambiguous", "submitted", "rendered", "saved", "failed", "cancelled"} == set(State)
    assert set(MEANINGS) == set(State)
    assert all(state.meaning and "\n" not in state.meaning for state in State)


def test_live_states_are_those_a_run_has_in_its_hands() -> None:
    """An ambiguous job waits for a decision and is not live."""
    assert {State.SUBMITTING, State.SUBMITTED, State.RENDERED} == LIVE


@pytest.mark.parametrize("outcome", Outcome)
def test_only_orders_that_may_be_billed_are_chargeable(outcome: Outcome) -> None:
    """Open, accepted, ambiguous and unproven attempts count as money; proof of the contrary frees it."""
    maybe_billed = {Outcome.OPEN, Outcome.ACCEPTED, Outcome.AMBIGUOUS, Outcome.UNPROVEN}

    assert (outcome in maybe_billed) == outcome.is_chargeable
