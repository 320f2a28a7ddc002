"""Ten thousand damaged answers of each kind: no paid order is lost, none is called refused, and nothing raises."""

import json
from typing import Final

import pytest

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Reply
from batchgen.core.readings import Accepted, Busy, Delivered, Done, Ended, NotFound, Rejected, Stopped, Throttled
from tests.support.damage import ANSWERED, CREATED, POLLED, Path_, at, damaged, is_blameless, places
from tests.unit.api.dialects.jimmyai.jobs import job

DIALECT: Final = JimmyAI()
ROUNDS: Final = 10_000
REFUSALS: Final = (Throttled, Busy, Stopped, Rejected)


def reply(body: object) -> Reply:
    """Give the body as a reply, with a part that was cut out of it; naming what is unfamiliar must not fail either."""
    given = Reply(status=200, body=json.dumps(body).encode(), parts=((10, 20),))
    DIALECT.unfamiliar(job(), given)
    return given


def test_a_created_task_is_accepted_while_its_id_stands_in_its_place() -> None:
    """S4, S5: whatever happens around the id it is kept; without it nothing is called refused that the vendor did not refuse."""
    accepted = 0
    for body, path, whole in damaged(1, CREATED, ROUNDS):
        reading = DIALECT.read_submit(job(), reply(body))
        place: Path_ = ("task_id",) if "task_id" in whole else ("data", "task_id")
        if at(body, place) == at(whole, place):
            accepted += 1
            assert isinstance(reading, Accepted), body
            assert at(whole, place) == reading.task_id
        elif is_blameless(path):
            assert not isinstance(reading, REFUSALS), body
    assert ROUNDS // 2 < accepted < ROUNDS


@pytest.mark.parametrize("operation", ["generate", "edit"])
def test_an_answer_is_delivered_while_its_image_stands_in_its_place(operation: str) -> None:
    """The same for images: a usable one is kept whatever stands around it, and a missing one is a doubt."""
    delivered = 0
    for body, path, whole in damaged(2, ANSWERED, ROUNDS):
        reading = DIALECT.read_submit(job(operation), reply(body))
        (place,) = (way for way in places(whole) if way[-1] in {"url", "b64_json"})
        if at(body, place) == at(whole, place):
            delivered += 1
            assert isinstance(reading, Delivered), body
        elif is_blameless(path):
            assert not isinstance(reading, REFUSALS), body
    assert ROUNDS // 2 < delivered < ROUNDS


def test_a_finished_task_stays_finished_while_its_result_stands_in_its_place() -> None:
    """P4, P5: damage beside the result changes neither its addresses nor the task's end, and no damage ends it otherwise."""
    finished = 0
    for body, path, whole in damaged(3, POLLED, ROUNDS):
        reading = DIALECT.read_poll(job(task_id="img_1"), reply(body))
        if is_blameless(path) and "result" not in path and path != ("data",):
            finished += 1
            assert isinstance(reading, Done), body
            assert reading.urls == DIALECT.read_poll(job(), reply(whole)).urls
        elif is_blameless(path):
            assert not isinstance(reading, (*REFUSALS, Ended, NotFound)), body
    assert ROUNDS // 3 < finished < ROUNDS


@pytest.mark.parametrize("status", [200, 204, 302, 400, 402, 404, 408, 425, 429, 500, 502, 504])
def test_damaged_answers_never_raise_under_any_status(status: int) -> None:
    """Every operation reads every answer, whoever it was meant for."""
    for body, _, _ in damaged(status, [*CREATED, *POLLED, *ANSWERED], 500):
        given = Reply(status=status, body=json.dumps(body).encode())
        for operation in DIALECT.operations:
            DIALECT.read_submit(job(operation), given)
        DIALECT.read_poll(job(task_id="img_1"), given)
        DIALECT.read_upload(given)
        DIALECT.read_account([given, given])
        DIALECT.read_catalogue(given)
