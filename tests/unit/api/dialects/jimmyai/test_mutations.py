"""Ten thousand damaged answers of each kind: no paid order is lost, none is called refused, and nothing raises.

Each mutation takes a documented success and makes one field of it missing, null, of another type, huge, listed or nested.
"""

import copy
import json
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.ports import Reply
from batchgen.core.readings import Accepted, Busy, Delivered, Done, Ended, NotFound, Rejected, Stopped, Throttled
from tests.unit.api.dialects.jimmyai.jobs import job

DIALECT: Final = JimmyAI()
ROUNDS: Final = 10_000
SECONDS_EACH: Final = 0.010
RECORDED: Final = json.loads((Path(__file__).parent / "replies.json").read_text(encoding="utf-8"))
CREATED: Final = [value for name, value in RECORDED.items() if name.startswith("Create")]
POLLED: Final = [value for name, value in RECORDED.items() if name.startswith(("QueryCompleted", "QuerySuccess", "QueryBare"))]
ITEMS: Final = (
    {"url": "https://cdn.example.net/sync/9a.png", "revised_prompt": "your balance violates our policy"},
    {"b64_json": "\x00part:0", "revised_prompt": "too many apples"},
    {"b64_json": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ", "revised_prompt": "x"},
)
USAGE: Final = {"input_tokens": 12, "output_tokens": 272, "output_tokens_details": {"image_tokens": 272, "text_tokens": 0}}
ANSWERED: Final = [
    *({"code": code, "msg": "ok", "data": {"created": 1, "data": [item], "usage": USAGE}} for code in (20000, "0") for item in ITEMS),
    *({"created": 1782000100, "data": [item]} for item in ITEMS),
]
DECIDING: Final = {"code", "msg", "status", "message", "error", "detail", "reason", "error_message", "error_msg"}
REFUSALS: Final = (Throttled, Busy, Stopped, Rejected)
MISSING: Final = object()

Path_ = tuple[str | int, ...]
Reading = Any  # of an order or of a task, as the test knows


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """Give the way to every field and item below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


def strange(random: Random, old: object) -> object:
    """Give something that should not stand there."""
    return random.choice(
        [
            *(MISSING, None, True, False, 0, -1, 7, 10**18, 10**90, 0.5, -1e300, "", " ", "x", "\x00", "\x00part:9", "too frequent"),
            *("x" * random.choice([300, 9000, 200_000]), "余额不足", [], {}, [None], {"a": None}, [old], [[old]], {"a": old}, [old] * 50),
            {"message": old},
        ]
    )


def mutated(random: Random, answer: object) -> tuple[object, Path_]:
    """Damage one place of a copy, and say which."""
    copied = copy.deepcopy(answer)
    path = random.choice(list(places(copied)))
    parent: object = copied
    for step in path[:-1]:
        parent = parent[step]  # type: ignore[index]  # the way was found in this very value
    replacement = strange(random, parent[path[-1]])  # type: ignore[index]  # as above
    if replacement is MISSING:
        del parent[path[-1]]  # type: ignore[attr-defined]  # as above
    else:
        parent[path[-1]] = replacement  # type: ignore[index]  # as above
    return copied, path


def damaged(seed: int, answers: list[object]) -> Iterator[tuple[object, Path_, object]]:
    """Give damaged answers, the way to the damage, and the answer as it was."""
    random = Random(seed)
    for _ in range(ROUNDS):
        whole = random.choice(answers)
        yield *mutated(random, whole), whole


def timed(body: object, read: Callable[[Reply], Reading]) -> Reading:
    """Read an answer within its time; a slow reading gets three more tries, as another program may have had the core."""
    reply = Reply(status=200, body=json.dumps(body).encode(), parts=((10, 20),))
    for _ in range(4):
        before = time.perf_counter()
        reading = read(reply)
        DIALECT.unfamiliar(job(), reply)
        if time.perf_counter() - before < SECONDS_EACH:
            return reading
    pytest.fail(f"too slow: {body!r:.200}")


def at(value: object, path: Path_) -> object:
    """Give what stands at the end of a way, or MISSING."""
    for step in path:
        try:
            value = value[step]  # type: ignore[index]  # whatever it is, it may fail
        except (TypeError, KeyError, IndexError):
            return MISSING
    return value


def is_blameless(path: Path_) -> bool:
    """Say whether the damage lies where no vendor says yes or no."""
    return DECIDING.isdisjoint(path)


def test_a_created_task_is_accepted_while_its_id_stands_in_its_place() -> None:
    """S4, S5: whatever happens around the id it is kept; without it nothing is called refused that the vendor did not refuse."""
    accepted = 0
    for body, path, whole in damaged(1, CREATED):
        reading = timed(body, lambda reply: DIALECT.read_submit(job(), reply))
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
    for body, path, whole in damaged(2, ANSWERED):
        reading = timed(body, lambda reply: DIALECT.read_submit(job(operation), reply))
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
    for body, path, whole in damaged(3, POLLED):
        reading = timed(body, lambda reply: DIALECT.read_poll(job(task_id="img_1"), reply))
        if is_blameless(path) and "result" not in path and path != ("data",):
            finished += 1
            assert isinstance(reading, Done), body
            assert reading.urls == timed(whole, lambda reply: DIALECT.read_poll(job(), reply)).urls
        elif is_blameless(path):
            assert not isinstance(reading, (*REFUSALS, Ended, NotFound)), body
    assert ROUNDS // 3 < finished < ROUNDS


@pytest.mark.parametrize("status", [200, 204, 302, 400, 402, 404, 408, 425, 429, 500, 502, 504])
def test_damaged_answers_never_raise_under_any_status(status: int) -> None:
    """Every operation reads every answer, whoever it was meant for."""
    for body, _, _ in islice(damaged(status, [*CREATED, *POLLED, *ANSWERED]), 500):
        reply = Reply(status=status, body=json.dumps(body).encode())
        for operation in DIALECT.operations:
            DIALECT.read_submit(job(operation), reply)
        DIALECT.read_poll(job(task_id="img_1"), reply)
        DIALECT.read_upload(reply)
        DIALECT.read_account([reply, reply])
        DIALECT.read_catalogue(reply)
