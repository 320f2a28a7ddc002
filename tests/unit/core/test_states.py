"""States and outcomes."""

from pathlib import Path

import pytest

from batchgen.core.states import LIVE, MEANINGS, Outcome, State

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_every_state_has_a_meaning() -> None:
    """Each of the eight states of the contract is explained in one line."""
    assert {"planned", "submitting", "ambiguous", "submitted", "rendered", "saved", "failed", "cancelled"} == set(State)
    assert set(MEANINGS) == set(State)
    assert all(state.meaning and "\n" not in state.meaning for state in State)


@pytest.mark.parametrize("state", State)
def test_the_readme_tells_what_a_state_means(state: State) -> None:
    """The meaning is the contract with whoever reads the table."""
    assert f"| {state.meaning} |" in README


def test_the_words_for_outcomes_stand_in_every_database() -> None:
    """They are stored, and queries of auditors name them: none may change."""
    assert {"open", "not_sent", "refused", "accepted", "ambiguous", "unproven", "not_billed"} == set(Outcome)


def test_live_states_are_those_a_run_has_in_its_hands() -> None:
    """An ambiguous job waits for a decision and is not live."""
    assert {State.SUBMITTING, State.SUBMITTED, State.RENDERED} == LIVE


@pytest.mark.parametrize("outcome", Outcome)
def test_only_orders_that_may_be_billed_are_chargeable(outcome: Outcome) -> None:
    """Open, accepted, ambiguous and unproven attempts count as money; proof of the contrary frees it."""
    maybe_billed = {Outcome.OPEN, Outcome.ACCEPTED, Outcome.AMBIGUOUS, Outcome.UNPROVEN}

    assert (outcome in maybe_billed) == outcome.is_chargeable
