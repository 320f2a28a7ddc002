"""The shipped descriptions against fal's queue and Replicate's predictions, over real HTTP on loopback."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from batchgen.core.dialects import Attachment, Call, Dialect, Question, Reply
from batchgen.core.jobs import Job
from batchgen.core.readings import (
    Accepted,
    Done,
    Ended,
    NotFound,
    PollReading,
    Rejected,
    Running,
    Stopped,
    SubmitReading,
    Throttled,
    Trouble,
    Unreadable,
)
from tests.support.builders import job
from tests.support.fake_queues import FakeQueue, Fault, open_fal, open_replicate
from tests.unit.api.dialects.http.described import shipped

FAL = job(model="fal-ai/flux/dev", params={"image_size": "square", "num_inference_steps": "28", "guidance_scale": "3.5"})
REPLICATE = job(model="lab/flux-dev", params={"aspect_ratio": "16:9", "seed": "7"})


class Desk:
    """One vendor, its description, and a job that is ordered there."""

    def __init__(self, queue: FakeQueue, dialect: Dialect, order: Job) -> None:
        self.queue = queue
        self.dialect = dialect
        self.job = order

    def send(self, call: Call) -> Reply:
        """Send a call as the client would."""
        header, value = self.dialect.authorization
        connection = http.client.HTTPConnection("127.0.0.1", int(self.queue.url.rpartition(":")[2]), timeout=10)
        headers = {**call.headers, header: value.replace("{key}", self.queue.key), "Content-Type": call.content_type}
        try:
            connection.request(call.method, call.path, b"".join(call.pieces) or None, headers)
            answer = connection.getresponse()
            named = {name.lower(): text for name, text in answer.getheaders()}
            return Reply(status=answer.status, headers=named, body=answer.read())
        finally:
            connection.close()

    def order(self, *attachments: Attachment) -> SubmitReading:
        """Order, and follow the task that was named."""
        reading = self.dialect.read_submit(self.job, self.send(self.dialect.submit(self.job, attachments)))
        if isinstance(reading, Accepted):
            self.job = replace(self.job, task_id=reading.task_id)
        return reading

    def ask(self) -> PollReading:
        """Ask once, and once more where the result is told apart."""
        reading = self.dialect.read_poll(self.job, self.send(self.dialect.poll(self.job)))
        return reading.read(self.send(reading.call)) if isinstance(reading, Question) else reading

    def follow(self) -> PollReading:
        """Order and ask three times."""
        self.order()
        self.ask()
        self.ask()
        return self.ask()


@pytest.fixture
def fal() -> Iterator[Desk]:
    """Serve fal's queue."""
    with open_fal() as queue:
        yield Desk(queue, shipped("fal-queue"), FAL)


@pytest.fixture
def replicate() -> Iterator[Desk]:
    """Serve Replicate's predictions."""
    with open_replicate() as queue:
        yield Desk(queue, shipped("replicate-predictions"), REPLICATE)


@pytest.fixture(params=["fal", "replicate"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """Give each of the two."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Desk)
    return found


def test_an_order_is_followed_to_its_image(desk: Desk) -> None:
    """Accepted, waiting, running, done: one order on the bill, and a URL."""
    readings = [desk.order(), desk.ask(), desk.ask(), desk.ask()]

    assert [Accepted, Running, Running, Done] == [type(reading) for reading in readings]
    assert Done(urls=(f"{desk.queue.url}/files/task-1.png",)) == readings[-1]
    assert [desk.job.model] == [order.model for order in desk.queue.bill]
    assert all(reading.is_known_word for reading in readings if isinstance(reading, Running))


def test_fal_is_sent_numbers_as_numbers(fal: Desk) -> None:
    """And a reference by its address."""
    fal.order(Attachment(role="images", url="https://example.com/a.png"))

    assert {
        "prompt": FAL.prompt,
        "num_images": 1,
        "image_size": "square",
        "num_inference_steps": 28,
        "guidance_scale": 3.5,
        "image_url": "https://example.com/a.png",
    } == fal.queue.bill[0].body


def test_replicate_is_sent_an_input(replicate: Desk) -> None:
    """With what is set, and nothing else."""
    replicate.order()

    assert {"input": {"prompt": REPLICATE.prompt, "aspect_ratio": "16:9", "seed": 7}} == replicate.queue.bill[0].body


def test_replicate_may_give_one_url_instead_of_a_list(replicate: Desk) -> None:
    """Models differ in that."""
    replicate.job = replace(REPLICATE, model="lab/flux-pro")

    assert Done(urls=(f"{replicate.queue.url}/files/task-1.png",)) == replicate.follow()


@pytest.mark.parametrize(
    ("fault", "expected", "billed"),
    [("throttled", Throttled, 0), ("html_after", Unreadable, 1), ("locked", Stopped, 0), ("bad_key", Stopped, 0)],
)
def test_an_order_that_fails_says_what_was_billed(desk: Desk, fault: Fault, expected: type, billed: int) -> None:
    """A page after the acceptance proves nothing, so the order may have been billed, and it was."""
    desk.queue.faults.add(fault)

    reading = desk.order()

    assert isinstance(reading, expected)
    assert billed == len(desk.queue.bill)
    assert not isinstance(reading, Stopped) or reading.kind == {"locked": "balance", "bad_key": "auth"}[fault]
    assert not isinstance(reading, Throttled) or reading.retry_after_s == 30.0


def test_a_word_never_heard_of_keeps_the_task_alive(desk: Desk) -> None:
    """It is named once, and asked after again."""
    desk.order()
    desk.queue.faults.add("strange_word")

    reply = desk.send(desk.dialect.poll(desk.job))
    reading = desk.dialect.read_poll(desk.job, reply)

    assert isinstance(reading, Running)
    assert not reading.is_known_word
    assert [f"status {reading.status}"] == list(desk.dialect.unfamiliar(desk.job, reply))


def test_a_moderated_task_ends_as_such(desk: Desk) -> None:
    """Fal says so at the result, Replicate in the prediction."""
    desk.queue.faults.add("moderated")

    reading = desk.follow()

    assert isinstance(reading, Ended)
    assert reading.reason == "moderated"


@pytest.mark.parametrize(("name", "reason"), [("fal", "transient"), ("replicate", "remote")])
def test_a_failed_task_ends_as_its_description_says(request: pytest.FixtureRequest, name: str, reason: str) -> None:
    """A timeout of fal's runners is worth another order; an aborted prediction is not known to be."""
    desk: Desk = request.getfixturevalue(name)
    desk.queue.faults.add("result_error")

    reading = desk.follow()

    assert isinstance(reading, Ended)
    assert reason == reading.reason


def test_a_result_that_is_not_there_yet_is_no_end(fal: Desk) -> None:
    """The queue may say finished a moment before the result can be fetched."""
    fal.order()
    done = json.dumps({"status": "COMPLETED"}).encode()
    question = fal.dialect.read_poll(fal.job, Reply(status=200, body=done))
    assert isinstance(question, Question)

    assert Trouble(message="Request is still in progress") == question.read(fal.send(question.call))


def test_an_unknown_task_is_not_found(desk: Desk) -> None:
    """Yet, or any more."""
    desk.job = replace(desk.job, task_id="task-99")

    assert isinstance(desk.ask(), NotFound)


def test_an_unknown_model_is_a_wrong_address(desk: Desk) -> None:
    """The model stands in the path, so the vendor does not know the path."""
    desk.job = replace(desk.job, model="nobody")

    assert isinstance(desk.order(), Stopped | Rejected)
    assert desk.queue.bill == []
