"""A whole worker with the real dialect meets damaged answers: whatever they say, nothing is bought twice and no task is lost."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Call, Reply
from batchgen.core.ports import Answer
from batchgen.core.states import State
from tests.support.builders import job, limits, rig
from tests.support.damage import ANSWERED, CREATED, Path_, at, damaged, is_blameless, places
from tests.support.fake_client import FakeClient
from tests.support.fake_clock import FakeClock

ROUNDS: Final = 1_500
USABLE: Final = {"https://cdn.example.net/sync/9a.png"}


@dataclass(slots=True, kw_only=True)
class DamagedVendor(FakeClient):
    """Answers every order alike, with something wrong; its tasks end in a picture."""

    body: object
    posts: int = 0
    polled: set[str] = field(default_factory=set)

    async def order(self, call: Call, answer: Answer | None = None) -> Reply:  # noqa: ARG002 - the port's signature
        """Count the order and give the damaged answer."""
        self.posts += 1
        text = json.dumps(self.body).encode()
        if answer is None:
            return Reply(status=200, body=text)
        answer.begin(200, {})
        answer.write(text)
        return answer.finish()

    async def ask(self, call: Call) -> Reply:
        """Tell that the task is finished."""
        self.polled.add(call.path.rpartition("/")[2])
        done = {"status": "completed", "result": {"image_url": "https://cdn.example.net/a.png"}}
        return Reply(status=200, body=json.dumps({"code": 20000, "data": done}).encode())


def work_through(operation: str, body: object) -> tuple[DamagedVendor, Any]:
    """Order one image, resume once, and give the vendor and the row."""
    clock = FakeClock()
    vendor = DamagedVendor(clock=clock, body=body)
    row = job(operation=operation, model="gpt-image-2", params={"model": "gpt-image-2"})
    first = rig([row], clock=clock, client=vendor, dialect=JimmyAI(), limits=limits(attempts=2))
    first.run()
    rig((), clock=clock, ledger=first.ledger, client=vendor, shelf=first.shelf, dialect=JimmyAI(), limits=limits(attempts=2)).run()
    return vendor, first.job()


@pytest.mark.slow
def test_a_damaged_acceptance_buys_once_and_loses_no_task() -> None:
    """While the id stands in its place the picture is saved; without it one order is out, unless the vendor's own words were damaged."""
    saved = held = 0
    for body, path, whole in damaged(11, CREATED, ROUNDS):
        vendor, row = work_through("image", body)
        place: Path_ = ("task_id",) if "task_id" in whole else ("data", "task_id")

        if at(body, place) == at(whole, place):
            saved += 1
            assert (1, State.SAVED, at(whole, place)) == (vendor.posts, row.state, row.task_id), body
        elif is_blameless(path):
            held += 1
            assert (1, True) == (vendor.posts, row.state in {State.AMBIGUOUS, State.SAVED}), body
    assert saved > held > ROUNDS // 20


@pytest.mark.slow
def test_a_damaged_delivery_buys_once_and_loses_no_image() -> None:
    """While the image stands in its place it is fetched from there; without it one order is out and waits for a decision."""
    saved = 0
    for body, path, whole in damaged(12, ANSWERED, ROUNDS):
        vendor, row = work_through("generate", body)
        (place,) = (way for way in places(whole) if way[-1] in {"url", "b64_json"})

        assert vendor.posts == 1 or not is_blameless(path), body
        if at(body, place) == at(whole, place) and at(whole, place) in USABLE:
            saved += 1
            assert State.SAVED == row.state, body
        elif is_blameless(path):
            assert row.state in {State.AMBIGUOUS, State.SAVED, State.FAILED}, body
    assert saved > ROUNDS // 10
