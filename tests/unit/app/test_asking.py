"""Why there were no replies, in plain words."""

import pytest

from batchgen.app.asking import reason
from batchgen.core.errors import ExchangeError, InputError


@pytest.mark.parametrize(
    ("told", "plain"),
    [
        ("api.test: client connector dnserror (Name or service not known)", "Name or service not known"),
        ("api.test: client connector error (Connection refused)", "Connection refused"),
        ("api.test: server timeout error", "no answer in time"),
        ("api.test: server disconnected error", "the connection broke off"),
        ("api.test: the answer is longer than 1 MiB", "the answer is longer than 1 MiB"),
    ],
)
def test_no_class_of_a_library_is_named(told: str, plain: str) -> None:
    """The system's words are kept, and a sentence of ours is left alone."""
    assert plain == reason(ExchangeError(told, host="api.test"))


def test_wrong_input_speaks_for_itself() -> None:
    """It has no host."""
    assert "the API key is empty" == reason(InputError("the API key is empty"))
