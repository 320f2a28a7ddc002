"""Every history of ordering, settling and deciding, with up to three faults; and that each promise is needed."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import pytest

from batchgen.core import events as e
from batchgen.core.errors import IllegalTransitionError
from batchgen.core.machine import TABLE
from batchgen.core.states import State
from tests.model import ordering
from tests.model.ordering import Advance, Rules
from tests.model.search import STUCK, Found, search

BOUGHT_AGAIN: Final = "bought again without a recorded decision"
BOOKED_AS_NOT_BOUGHT: Final = "bought, and booked as not bought"


def searched(rules: Rules, *orders: int, wanted: str = "") -> Found[ordering.World]:
    """Try every history of jobs that may be ordered so often; with ``wanted``, until that is broken, whatever else is."""

    def broken(world: ordering.World) -> str:
        wrong = ordering.broken(world)
        return wrong if wanted in {"", wrong} else ""

    start = ordering.World(jobs=tuple(map(ordering.fresh, orders)))
    return search(start, moves=partial(ordering.moves, rules=rules), broken=broken, is_end=ordering.is_end)


def advancing(changes: Mapping[tuple[State, type[e.Event]], State]) -> Advance:
    """Give the product's ``advance`` as it would be with other lines in its table."""
    lines = {**TABLE, **changes}
    return lambda state, event: lines[state, type(event)]


@pytest.mark.slow
def test_no_history_breaks_a_promise() -> None:
    """T9: two jobs, three orders, two runners and any three faults: nothing is bought twice or forgotten, and there is always a way on."""
    found = searched(Rules(), 2, 1)

    assert ("", ()) == (found.wrong, found.history)
    assert found.worlds > 200_000


BROKEN: Final = {
    "an open order is planned again": (Rules(left_open=e.SubmitNotSent), BOOKED_AS_NOT_BOUGHT),
    "an open order is sent again by policy": (Rules(left_open=e.SubmitRefused), BOOKED_AS_NOT_BOUGHT),
    "the table leads from an unknown answer to planned": (
        Rules(advance=advancing({(State.SUBMITTING, e.SubmitUnknown): State.PLANNED})),
        BOUGHT_AGAIN,
    ),
    "the table leads from a finished order to planned": (
        Rules(advance=advancing({(State.SUBMITTED, e.RenderFailed): State.PLANNED})),
        BOUGHT_AGAIN,
    ),
    "an older copy is not refused": (Rules(refuses_older_copy=False), BOUGHT_AGAIN),
    "two runners at once": (Rules(one_runner=False), BOOKED_AS_NOT_BOUGHT),
    "no intent in the journal": (Rules(notes_intents=False), "bought, and neither database nor journal knows of it"),
    "the intent is in the journal only until the power goes": (
        Rules(syncs_intents=False),
        "bought, and neither database nor journal knows of it",
    ),
    "no id in the journal": (Rules(notes_ids=False), "an id in hand is in memory only"),
    "a start does not read the journal": (Rules(reads_journal=False), "ambiguous, though its id is in the journal"),
    "nobody can decide about an ambiguous order": (Rules(operator_decides=False), STUCK),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_found_out(name: str) -> None:
    """Without any one of the promises some history ends badly; it is short enough to be read."""
    rules, wrong = BROKEN[name]

    found = searched(rules, 2, wanted=wrong)

    assert wrong == found.wrong
    assert len(found.history) <= 14, found.history


def test_a_transition_that_is_missing_from_the_table_is_found_out() -> None:
    """A runner or an operator who needs a line of the table that is gone fails loudly."""

    def advance(state: State, event: e.Event) -> State:
        if (state, type(event)) == (State.AMBIGUOUS, e.TaskAttached):
            raise IllegalTransitionError("gone")
        return TABLE[state, type(event)]

    with pytest.raises(IllegalTransitionError):
        searched(Rules(advance=advance), 2)
