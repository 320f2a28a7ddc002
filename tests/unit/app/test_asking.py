"""Why there were no replies, in plain words."""

import asyncio

import pytest

from batchgen.app.asking import reason, replies
from batchgen.core.dialects import Call, Reply
from batchgen.core.errors import ExchangeError, InputError
from tests.support.fake_client import FakeClient
from tests.support.fake_clock import FakeClock


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


def test_a_run_does_not_wait_long_for_an_answer_that_is_only_a_help() -> None:
    """A vendor that hangs tells neither prices nor the account, and holds up nobody."""

    class Hanging(FakeClient):
        async def ask(self, call: Call) -> Reply:
            """Never answer."""
            await asyncio.Event().wait()
            raise AssertionError(call)

    told = asyncio.run(replies(Hanging(clock=FakeClock()), [Call(method="GET", path="/balance")], patience_s=0.01))

    assert isinstance(told, ExchangeError)
    assert "no answer within 0.01 s" == str(told)
