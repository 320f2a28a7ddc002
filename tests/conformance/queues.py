"""The fake queues with a shelf of pictures beside them."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.fake_queues import Answer, FakeFal, FakeQueue, FakeReplicate, _served
from tests.support.pictures import picture

_PNG = picture()


class _Pictures(FakeQueue):
    """Gives a picture for every address of a result, to anybody."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Give a picture, or the queue's own answer."""
        if path.startswith("/files/"):
            return 200, {"Content-Type": "image/png"}, _PNG
        return super().answer(method, path, headers, body)

    def turn(self, task_id: str) -> int:
        """Count a question as if one had been asked before, so that a task is done at the second."""
        self.asked.setdefault(task_id, 1)
        return super().turn(task_id)


class _Fal(_Pictures, FakeFal):
    pass


class _Replicate(_Pictures, FakeReplicate):
    pass


@contextmanager
def open_queue(vendor: str) -> Iterator[FakeQueue]:
    """Serve the queue of a shipped description on loopback until the block ends."""
    queue = _Fal(scheme="Key") if vendor == "fal-queue" else _Replicate(scheme="Bearer")
    with _served(queue):
        yield queue
