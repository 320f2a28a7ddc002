"""Say where a long command is while nothing else is said."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final

_SAY_EVERY_S: Final = 2.0


class Progress:
    """Where a long command is, told again and again from a thread of its own: one question to a large database takes its time."""

    def __init__(self) -> None:
        self._text = "opening the job database"

    def at(self, text: str) -> None:
        """Note what is being done now."""
        self._text = text

    @contextmanager
    def told(self, say: Callable[[str], None]) -> Iterator[None]:
        """Say it every two seconds until the block ends."""
        ended = Event()

        def speak() -> None:
            while not ended.wait(_SAY_EVERY_S):
                with suppress(OSError):  # nobody listens, and the work matters more
                    say(self._text)

        thread = Thread(target=speak, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
