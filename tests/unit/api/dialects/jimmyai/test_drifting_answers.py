"""T11: ten thousand answers that drift from the description, each field missing, null, of another type, or huge."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import yaml

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core import readings as r
from batchgen.core.dialects import Reply
from tests.unit.api.dialects.jimmyai.jobs import job

ANSWERS = 10_000
DIALECT = JimmyAI()
DESCRIPTION = yaml.safe_load((Path(__file__).parents[4] / "data" / "openapi-images.yaml").read_text(encoding="utf-8"))
MISSING = object()
STRANGE: tuple[object, ...] = (
    MISSING, None, True, 0, -1, 7, 20000.5, 10**400, "", " ", "x", "y" * 100_000, "\x00", "../..", [], ["x"], {}, {"code": -1}, [[[[]]]],
)  # fmt: skip
FIELDS: dict[str, object] = {
    "string": "word", "integer": 50, "number": 0.06, "boolean": True, "array": [], "object": {}, "null": None,
}  # fmt: skip
COMPLETED_AT = "https://cdn.example.net/out/img_1.png"


def _whole(schema: dict[str, Any]) -> object:
    """Build a value with every property that a schema of the description names."""
    if "$ref" in schema:
        return _whole(DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for many in ("anyOf", "oneOf"):
        if many in schema:
            return _whole(schema[many][0])
    if "properties" in schema:
        return {name: _whole(of) for name, of in schema["properties"].items()}
    kind = schema.get("type", "string")
    return deepcopy(FIELDS[kind if isinstance(kind, str) else kind[0]])


def _body(**task: object) -> dict[str, Any]:
    """Build an answer of success with every field that the description has, and these of the task."""
    whole = _whole({"$ref": "#/components/schemas/ImageTaskCreateResponse"})
    assert isinstance(whole, dict)
    return whole | {"code": 20000, "data": {**whole["data"], "error_message": None, "error_code": None, "task_id": "img_1", **task}}


def _paths(value: object, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from _paths(inner, (*at, name))


def _drift(body: dict[str, Any], random: Random) -> tuple[object, set[tuple[str, ...]]]:
    """Change one to three fields; give the answer and the places that were touched."""
    drifted, touched = deepcopy(body), set[tuple[str, ...]]()
    for path in random.sample(sorted(_paths(body)), random.choice([1, 1, 2, 3])):
        inner: Any = drifted
        for name in path[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict):
            continue
        value = random.choice(STRANGE)
        touched.add(path)
        if value is MISSING:
            inner.pop(path[-1], None)
        else:
            inner[path[-1]] = deepcopy(value)
    return drifted, touched


def _drifted(body: dict[str, Any], read: Callable[[Reply], object]) -> Iterator[tuple[object, set[tuple[str, ...]], str]]:
    """Read ten thousand answers that drift from a body; give each reading, what was touched, and the answer for the message."""
    random = Random(11)
    for _ in range(ANSWERS):
        answer, touched = _drift(body, random)
        text = json.dumps(answer)
        yield read(Reply(status=200, headers={}, body=text.encode())), touched, text[:300]


def _is_touched(touched: set[tuple[str, ...]], *place: str) -> bool:
    return any(path == place[: len(path)] for path in touched)


def test_no_drift_of_an_acceptance_loses_the_id_or_allows_another_order() -> None:
    """With the id in its place the order is accepted under it, or in doubt; nothing is read as leave to order again."""
    seen: Counter[str] = Counter()
    for reading, touched, text in _drifted(_body(status="queued", cost=0.06), lambda reply: DIALECT.read_submit(job(), reply)):
        seen[type(reading).__name__] += 1
        if not _is_touched(touched, "data", "task_id"):
            in_doubt = _is_touched(touched, "code") and isinstance(reading, r.Unreadable) and "img_1" in reading.message
            assert in_doubt or (isinstance(reading, r.Accepted) and reading.task_id == "img_1"), (reading, text)
        elif not _is_touched(touched, "code"):
            assert isinstance(reading, r.Accepted | r.Unreadable), (reading, text)

    assert seen["Accepted"] > ANSWERS / 2
    assert seen["Unreadable"] > 100


def test_no_drift_of_a_finished_task_gives_it_up() -> None:
    """It is finished, or asked after again; only the vendor's own word of failure ends it."""
    body = _body(status="completed", result={"image_url": COMPLETED_AT, "image_urls": [COMPLETED_AT]})
    seen: Counter[str] = Counter()
    for reading, touched, text in _drifted(body, lambda reply: DIALECT.read_poll(job(task_id="img_1"), reply)):
        seen[type(reading).__name__] += 1
        assert isinstance(reading, r.Done | r.Running | r.Trouble | r.NotFound) or _is_touched(touched, "code"), (reading, text)
        assert not isinstance(reading, r.Ended), (reading, text)

    assert seen["Done"] > ANSWERS / 2
