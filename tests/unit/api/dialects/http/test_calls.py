"""How a description's placeholders become calls."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects import dialect_for, known_uses
from batchgen.api.dialects.http import HttpDialect, filling
from batchgen.core.dialects import Attachment, Call
from batchgen.core.jobs import JobKey
from tests.unit.api.dialects.http.described import ORDER, SPLIT, SYNC, TASKS, body_of, dialect

FIRST = Attachment(role="images", url="https://example.com/a.png")
SECOND = Attachment(role="images", media_type="image/png", content=b"png")
MASK = Attachment(role="mask", url="https://example.com/m.png")


def test_an_order_fills_every_place() -> None:
    """Placeholders that stand alone keep their type, the others become part of a text."""
    call = dialect(TASKS).submit(ORDER, (FIRST, SECOND, MASK))

    assert ("POST", "/lab/one/oil%20%26%20ink", "api", False) == (call.method, call.path, call.host, call.is_synchronous)
    assert {"Idempotency-Key": ORDER.key, "X-Style": "oil & ink"} == call.headers
    assert {
        "prompt": 'A "neon" sign',
        "n": 1,
        "nothing": None,
        "options": {"steps": 28, "scale": 3.5, "safe": False},
        "look": "oil & ink at 3.5",
        "label": "one no. 1, https://example.com/a.png,data:image/png;base64,cG5n",
        "image": "https://example.com/a.png",
        "second": "data:image/png;base64,cG5n",
        "all": ["https://example.com/a.png", ["https://example.com/m.png"], {"format": "png"}],
        "none": {},
    } == json.loads(body_of(call))


def test_what_is_not_set_is_left_out() -> None:
    """With the text that names it, and with what thereby became empty; what was empty before stays."""
    call = dialect(TASKS).submit(replace(ORDER, params={}))

    assert call.path == "/lab/one/"
    assert {"Idempotency-Key": ORDER.key} == call.headers
    assert {"prompt": 'A "neon" sign', "n": 1, "nothing": None, "none": {}} == json.loads(body_of(call))


def test_the_body_is_the_same_each_time() -> None:
    """Keys are sorted, so its hash can stand for the order."""
    turned = replace(ORDER, params=dict(sorted(ORDER.params.items(), reverse=True)))

    assert body_of(dialect(TASKS).submit(ORDER, (FIRST,))) == body_of(dialect(TASKS).submit(turned, (FIRST,)))


def test_a_body_of_nothing_is_an_empty_object() -> None:
    """Never no body."""
    assert {} == filling.body({"a": "{{ steps }}"}, {})


@pytest.mark.parametrize(
    ("kind", "text", "sent"),
    [
        ("int", "28", 28),
        ("int", "2.5", "2.5"),
        ("number", "7", 7),
        ("number", "-0.25", -0.25),
        ("number", "1e5", "1e5"),
        ("bool", "true", True),
        ("bool", "false", False),
        ("bool", "yes", "yes"),
        ("text", "28", "28"),
        (("1", "2"), "1", "1"),
    ],
)
def test_a_parameter_has_its_wire_type(kind: object, text: str, sent: object) -> None:
    """What is none of the type stays text; the plan has refused it before."""
    filled = filling.wire(kind, text)

    assert (type(sent), sent) == (type(filled), filled)


@pytest.mark.parametrize(
    ("task_id", "quoted"),
    [
        ("task-1", "task-1"),
        ("../../account", "..%2F..%2Faccount"),
        ("..", "%252E%252E"),
        ("a?x=1#y", "a%3Fx%3D1%23y"),
        ("100% \n", "100%25%20%0A"),
        ("\ud800", "%3F"),
        (None, ""),
    ],
)
def test_an_id_is_one_step_of_a_path(task_id: str | None, quoted: str) -> None:
    """Whatever it holds."""
    assert Call(method="GET", path=f"/tasks/{quoted}?of=lab") == dialect(TASKS).poll(replace(ORDER, task_id=task_id))


@given(st.text())
def test_no_model_leaves_its_place(model: str) -> None:
    """A model keeps its slashes and nothing else."""
    path = filling.path("/v1/{{ model }}/end", {"model": model})

    assert path.startswith("/v1/")
    assert path.isascii()
    assert not any(step in {".", ".."} for step in path.split("/"))
    assert not set("?#\\ \n") & set(path)


def test_a_header_cannot_be_broken_out_of() -> None:
    """What is not printable ASCII is quoted."""
    assert {"X-A": "a%0D%0AX-Evil: 1%E7%81%AF"} == filling.headers({"X-A": "{{ style }}"}, {"style": "a\r\nX-Evil: 1灯"})


def test_a_placeholder_may_name_a_part_that_is_not_there() -> None:
    """Then it is not set; a number has no parts at all."""
    assert {} == filling.body({"a": "{{ model.5 }}", "b": "{{ sample.0 }}"}, {"model": "lab/one", "sample": 1})
    assert filling.path("/{{ model.5 }}", {"model": "a"}) == "/"
    assert {"a": "true"} == filling.headers({"a": "{{ safe }}"}, {"safe": True})


def test_a_synchronous_vendor_is_ordered_from_at_once() -> None:
    """The answer is kept, and there is nothing to ask after."""
    call = dialect(SYNC).submit(ORDER)

    assert (call.host, call.is_synchronous) == ("sync", True)
    assert Call(method="GET", path="/") == dialect(SYNC).poll(ORDER)
    assert (dialect(SYNC).synchronous, dialect(TASKS).synchronous) == (frozenset({"image"}), frozenset())


def test_the_description_says_who_it_is() -> None:
    """Name, unit, header, life of a URL, parameters and roles."""
    vendor = dialect(TASKS)

    assert ("painter", "EUR", ("X-Key", "Key {key}"), 7200.0) == (vendor.name, vendor.unit, vendor.authorization, vendor.result_ttl_s)
    assert ("model", "steps", "scale", "safe", "style", "format") == vendor.params
    assert ("https://api.example.com", "") == (vendor.base_url, vendor.key_env)
    assert (("images", "mask"), "", {}) == (vendor.roles, vendor.api_path, vendor.sync_hosts)
    assert (frozenset({"url", "base64"}), frozenset()) == (vendor.ways("image"), vendor.ways("edit"))
    assert ["lab/one", "lab/two"] == [model.name for model in vendor.models()]


def test_the_word_http_needs_a_description() -> None:
    """Without one there is no dialect."""
    assert dialect_for("http") is None
    assert isinstance(dialect_for("http", SPLIT), HttpDialect)
    assert "http" in known_uses()


def test_the_key_of_the_job_serves_against_a_second_purchase() -> None:
    """A vendor that reads idempotency keys sees the same one for the same job."""
    other = replace(ORDER, key=JobKey("f" * 32))

    assert dialect(TASKS).submit(other).headers["Idempotency-Key"] == "f" * 32
