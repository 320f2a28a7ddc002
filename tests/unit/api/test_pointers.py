"""What is found in an answer, and what of it can be used."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.pointers import amount, delivered, found, retry_after_s, usable_id, usable_urls
from batchgen.core.readings import Delivered

URL = "https://cdn.example/a.png"
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/a", [{"b": [1, {"u": "x"}, {"u": "y"}]}]),
        ("/a/b/0", [1]),
        ("/a/b/*/u", ["x", "y"]),
        ("/a/b/9", []),
        ("/a/b/-", []),
        ("/a/b/٣", []),
        ("/a/b/00000000001", []),
        ("/a/*", []),
        ("/missing/b", []),
        ("/x~1y", [2]),
        ("/m~0n", [3]),
        ("/*", [4]),
        ("/", [5]),
    ],
)
def test_a_pointer_finds_its_values(pointer: str, expected: list[object]) -> None:
    """RFC 6901, and a star over lists; in an object it is a key like any other."""
    value = {"a": {"b": [1, {"u": "x"}, {"u": "y"}]}, "x/y": 2, "m~n": 3, "*": 4, "": 5}

    assert expected == list(found(value, pointer))


@given(JSON, st.text())
def test_a_pointer_never_raises(value: object, pointer: str) -> None:
    """Whatever the answer and whatever the pointer."""
    values = list(found(value, pointer))

    assert usable_urls(values) is not None
    assert delivered(values, values, parts=2) is None or values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("task-1", "task-1"),
        (17, "17"),
        (0, None),
        (True, None),
        (Decimal("1.5"), None),
        (None, None),
        ("", None),
        (" . ", None),
        ("..", None),
        ("a\nb", None),
        ("x" * 257, None),
        (["task-1"], None),
    ],
)
def test_an_id_is_a_short_printable_text_or_a_number(value: object, expected: str | None) -> None:
    """Everything else names no task."""
    assert expected == usable_id(value)


def test_urls_are_absolute_and_counted() -> None:
    """Relative, odd and overlong ones are none; repeats are one; sixteen are enough."""
    odd = [None, 7, "/a.png", "ftp://x/a", "https://", "https:///a", "https://x/\x00", "https://x/" + "a" * 8192, "data:;base64,AAAA"]

    assert (URL, "HTTP://x/b") == usable_urls([*odd, f" {URL}\n", URL, "HTTP://x/b"])
    assert len(usable_urls(f"https://x/{number}" for number in range(40))) == 16


@pytest.mark.parametrize(
    ("base64", "urls", "expected"),
    [
        (["\x00part:0"], [], Delivered(parts=(0,))),
        (["\x00part:1"], ["\x00part:0", URL], Delivered(parts=(1, 0))),
        (["\x00part:2"], [URL], Delivered(urls=(URL,))),
        (["AAAA"], [URL], Delivered(urls=("data:;base64,AAAA",))),
        (["AA\nAA=", 7], [], Delivered(urls=("data:;base64,AAAA=",))),
        (["data:image/png;base64,AAAA"], [], Delivered(urls=("data:image/png;base64,AAAA",))),
        ([], ["data:image/png;base64,AA-_"], Delivered(urls=("data:image/png;base64,AA-_",))),
        ([], [URL, URL, None], Delivered(urls=(URL,))),
        (["not base64!", ""], ["data:image/png,AAAA", "data:;base64,"], None),
        ([], [], None),
    ],
)
def test_images_are_taken_from_parts_then_from_the_answer_then_from_urls(
    base64: list[object], urls: list[object], expected: Delivered | None
) -> None:
    """One of the two is always empty, and a part that is not there is none."""
    assert expected == delivered(base64, urls, parts=2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0.025", 25_000), (Decimal("0.04"), 40_000), (2, 2_000_000), (True, None), (None, None), ("x", None), (-1, None), ([], None)],
)
def test_an_amount_is_a_finite_decimal(value: object, expected: int | None) -> None:
    """In millionths; nonsense is nothing."""
    assert expected == amount(value)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after-ms": "1500", "retry-after": "30"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2.5"}, 2.5),
        ({"retry-after": "Tue, 24 Nov 2026 12:01:00 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Tue, 24 Nov 2026 11:00:00 GMT", "date": DATE}, None),
        ({"retry-after": "Tue, 24 Nov 2026 12:01:00", "date": DATE}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_the_wish_to_wait_is_read_in_every_form(headers: dict[str, str], expected: float | None) -> None:
    """Milliseconds are finer, a date is measured against the answer's own clock, junk is nothing."""
    assert expected == retry_after_s(headers)


def test_a_long_text_costs_no_more_than_a_look() -> None:
    """No pattern goes back and forth over what a vendor sends."""
    hostile: list[Any] = ["A" * 500_000 + "!", "AAAA" + " " * 500_000 + "!", json.dumps("=" * 500_000)]

    assert delivered(hostile, hostile, parts=0) is None
