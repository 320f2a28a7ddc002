"""Every history of publishing an image, with up to three faults; and that each promise is needed."""

from functools import partial
from typing import Final

import pytest

from tests.model import publishing
from tests.model.publishing import Rules, World
from tests.model.search import Found, search


def searched(rules: Rules) -> Found[World]:
    """Try every history of one paid job."""
    return search(World(), moves=partial(publishing.moves, rules=rules), broken=publishing.broken, is_end=publishing.is_end)


def test_no_history_of_publishing_breaks_the_promise() -> None:
    """T9: with any three faults, what is recorded as saved is a whole file that lasts, and there is always a way on."""
    found = searched(Rules())

    assert ("", ()) == (found.wrong, found.history)
    assert found.worlds > 500


BROKEN: Final = {
    "the bytes are never synced": Rules(syncs_file=False, syncs_what_it_links=False),
    "what is linked is not synced once more": Rules(syncs_what_it_links=False),
    "the folder is not synced": Rules(syncs_folder=False),
    "a file is adopted by its name": Rules(checks_hash=False),
    "saved is recorded before the file stands in its place": Rules(saves_last=False),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_of_publishing_is_found_out(name: str) -> None:
    """Without any one of the promises some history ends with a saved job whose file is not there, torn, or soon gone."""
    found = searched(BROKEN[name])

    assert found.wrong == "saved without a whole file that lasts"
    assert found.history[-1] in {"ImagesSaved", "power cut", "power cut, the link is gone"}
