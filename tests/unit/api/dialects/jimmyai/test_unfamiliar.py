"""The first signs that the vendor's contract moves."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Reply
from tests.unit.api.dialects.jimmyai.jobs import job

DIALECT = JimmyAI()
RECORDED = json.loads((Path(__file__).parent / "replies.json").read_text(encoding="utf-8"))


def unfamiliar(body: object, status: int = 200) -> list[str]:
    """Name what is strange in an answer given as bytes or as a JSON value."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(DIALECT.unfamiliar(job(), Reply(status=status, body=raw)))


@pytest.mark.parametrize("name", sorted(name for name in RECORDED if name not in {"QueryUnknownStatus", "BalanceFunded", "BalanceEmpty"}))
def test_documented_answers_hold_nothing_strange(name: str) -> None:
    """Every alternative of every page is familiar."""
    assert unfamiliar(RECORDED[name]) == []


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (RECORDED["QueryUnknownStatus"], ["status prompt_checking"]),
        ({"code": 30001, "msg": "?"}, ["code 30001"]),
        ({"code": "E-7"}, ["code E-7"]),
        ({"code": 20000, "data": {"task_id": "a", "eta": 3}}, ["field data.eta"]),
        ({"code": 20000, "request_id": "r", "data": None}, ["field request_id"]),
        ({"task_id": "a", "status": "dreaming", "eta": 3}, ["status dreaming", "field eta"]),
        ({"code": 20000, "data": {"result": {"image_url": "u", "thumb": "t"}}}, ["field data.result.thumb"]),
        ({"code": 20000, "data": {"data": [{"url": "u", "seed": 1}, {"seed": 2, "nsfw": 0}], "usage": {"input_tokens": 1, "cost": 2}}},
         ["field data.usage.cost", "field data.data.seed", "field data.data.nsfw"]),
        ({"created": 1, "data": [{"url": "u", "seed": 1}]}, ["field data.seed"]),
        ({"code": 20000, "data": {"result": {"deep": {"deeper": 1}}}}, ["field data.result.deep"]),
        ({"code": 20000, "data": {"status": ""}}, []),
        ({"code": None, "data": {"status": None}}, []),
        ({"code": True, "data": {"status": ["x"]}}, []),
        ({"code": 20000, "data": "soon"}, []),
        (b"", []),
        (b"<html>", []),
        (b"[1]", []),
    ],
)  # fmt: skip
def test_strange_fields_words_and_codes_are_named(body: object, names: list[str]) -> None:
    """One level into data, result and usage; a body that cannot be read is trouble anyway."""
    assert names == unfamiliar(body)


def test_the_tools_answers_are_familiar_too() -> None:
    """All of the vendor's answers share one contract."""
    fields = {
        "task_id": "upsc_1",
        "image_url": "u",
        "b64_json": "",
        "output_format": "jpg",
        "pass_count": 1,
        "status": "completed",
        "cost": 1,
    }

    assert unfamiliar({"code": 20000, "msg": "ok", "data": fields}) == []


def test_a_flood_of_fields_is_cut() -> None:
    """Ten thousand new fields are eight names."""
    assert [f"field data.f{number}" for number in range(8)] == unfamiliar(
        {"code": 0, "data": {f"f{number}": 0 for number in range(10_000)}}
    )


def test_hostile_names_stay_on_one_short_line() -> None:
    """No name of a stranger's moves the cursor, hides text or fills the log."""
    names = unfamiliar({"\x1b[2J\n\u202e": 1, "x" * 5000: 2, "\ud800": 3, "灯": 4, "code": "\x07"})

    assert names == ["code \\x07", "field \\x1b[2J\\n\\u202e", f"field {'x' * 74}", "field \ufffd", "field 灯"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON | st.fixed_dictionaries({}, optional={"code": JSON, "data": JSON, "status": JSON, "result": JSON}))
def test_no_shape_of_json_raises_or_names_too_much(body: object) -> None:
    """At most eight names, each at most eighty printable characters."""
    names = unfamiliar(json.dumps(body).encode())

    assert len(names) <= 8
    assert all(len(name) <= 80 and name.isprintable() for name in names)
