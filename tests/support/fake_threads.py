"""A pool of no threads: work is done in the caller's thread, so that a test sees one order of things."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class FakeThreads(Executor):
    """An Executor whose work is done at once, or ``work_s`` seconds of the loop's time later."""

    def __init__(self, work_s: float = 0.0) -> None:
        self.work_s = work_s

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Do the work now or later, whoever still waits for it."""
        future: Future[T] = Future()

        def carry_out() -> None:
            try:
                future.set_result(work(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - an Executor hands on whatever its work raises
                future.set_exception(error)

        future.set_running_or_notify_cancel()
        if self.work_s:
            asyncio.get_running_loop().call_later(self.work_s, carry_out)
        else:
            carry_out()
        return future
