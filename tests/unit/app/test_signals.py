"""What a process makes of signals while it waits, and in the last words of a run."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from batchgen.app import signals


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Put the handlers of the test's process back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_awaited(number: int) -> None:
    """One that came while something else was looked at is told at once; it ends nothing, and is told once."""
    with signals.deferred():
        signal.raise_signal(number)

        assert number == signals.awaited(60.0)
        assert signals.awaited(0.0) is None


def test_a_hangup_that_is_ignored_is_not_awaited() -> None:
    """As nohup has it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with signals.deferred():
        signal.raise_signal(signal.SIGHUP)

        assert signals.awaited(0.0) is None


def _last_words(interrupts: list[int]) -> None:
    """Have a run that ends, and a signal in its last words."""

    async def run() -> None:
        with signals.draining(interrupts.append):
            await asyncio.sleep(0)

    asyncio.run(run())
    signal.raise_signal(signal.SIGTERM)
    signals.heed_again()


def test_a_signal_in_the_last_words_of_a_run_is_awaited() -> None:
    """It does not break into them, and a process that would go on to another batch learns of it."""
    interrupts: list[int] = []
    _last_words(interrupts)

    assert [] == interrupts
    assert signal.SIGTERM == signals.awaited(60.0)
    assert signals.awaited(0.0) is None


def test_a_signal_in_the_last_words_of_a_run_interrupts_the_next_one() -> None:
    """A process that has begun another run drains it at once."""
    first, second = list[int](), list[int]()
    _last_words(first)

    async def run() -> None:
        with signals.draining(second.append):
            await asyncio.sleep(0)

    asyncio.run(run())

    assert ([], [signal.SIGTERM]) == (first, second)
    assert signals.awaited(0.0) is None
