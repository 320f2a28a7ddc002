"""Notices that wait for their delivery."""

import threading

from batchgen.app.telling.message import Message
from batchgen.app.telling.outbox import MOST_WAITING, Outbox
from batchgen.planning.settings import NotifySettings
from tests.support.cli import wait_until
from tests.support.fake_clock import FakeClock
from tests.support.fake_log import FakeLog
from tests.support.snapshots import message, notice


class Receiver:
    """Takes notices one by one; each may be held up until the test lets it go."""

    def __init__(self, *, holds: bool = False) -> None:
        self.told: list[str] = []
        self.arrived = threading.Event()
        self.gate = threading.Event()
        if not holds:
            self.gate.set()

    def __call__(self, _notice: NotifySettings, told: Message) -> None:
        """Take a notice when the gate is open; fail at the word of a bug."""
        self.arrived.set()
        assert self.gate.wait(20)
        if told.summary == "bug":
            raise ZeroDivisionError
        self.told.append(told.summary)


def _letter(summary: str) -> tuple[NotifySettings, Message]:
    return notice(), message(summary=summary)


def test_notices_come_in_order_and_the_last_ones_last() -> None:
    """What was posted is delivered before the end is told, and all of it before the run leaves."""
    receiver = Receiver()
    outbox = Outbox(receiver, FakeLog(), FakeClock(), patience_s=10)

    for number in range(5):
        outbox.post(_letter(str(number)))
    outbox.close([_letter("end"), _letter("end too")])

    assert ["0", "1", "2", "3", "4", "end", "end too"] == receiver.told


def test_who_posts_never_waits_and_too_many_are_dropped() -> None:
    """Behind a receiver that hangs a bounded number waits; what is beyond it is noted."""
    receiver, log = Receiver(holds=True), FakeLog()
    outbox = Outbox(receiver, log, FakeClock(), patience_s=10)

    outbox.post(_letter("first"))
    assert receiver.arrived.wait(20)
    for number in range(MOST_WAITING + 2):
        outbox.post(_letter(str(number)))
    receiver.gate.set()
    outbox.close([])

    assert ["first", *map(str, range(MOST_WAITING))] == receiver.told
    assert 2 == len(log.called("notify.dropped"))


def test_what_waits_too_long_after_the_end_is_dropped_but_the_end_is_told() -> None:
    """The time of all that waits is bounded together; whoever is told of nothing else is told of the end."""
    receiver, log = Receiver(holds=True), FakeLog()
    outbox = Outbox(receiver, log, FakeClock(), patience_s=0)
    for word in ("under way", "too late"):
        outbox.post(_letter(word))
    assert receiver.arrived.wait(20)

    closing = threading.Thread(target=outbox.close, args=([_letter("end")],))
    closing.start()
    wait_until(lambda: outbox._closes_at == 0)
    receiver.gate.set()
    closing.join(20)

    assert ["under way", "end"] == receiver.told
    assert ["the run has ended"] == [line.facts["why"] for line in log.called("notify.dropped")]


def test_a_bug_in_a_delivery_loses_that_notice_alone() -> None:
    """It is noted with its traceback."""
    receiver, log = Receiver(), FakeLog()
    outbox = Outbox(receiver, log, FakeClock(), patience_s=10)

    for word in ("bug", "after it"):
        outbox.post(_letter(word))
    outbox.close([])

    assert ["after it"] == receiver.told
    assert [ZeroDivisionError] == [type(line.facts["exc_info"]) for line in log.called("notify.bug")]
