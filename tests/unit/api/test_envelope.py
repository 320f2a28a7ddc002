"""Strict JSON: one reading or none."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.envelope import MAX_BYTES, excerpt, parse, part_of


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"a": 1} trailing',
        b"<html></html>",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": ' + b"[" * 1_000_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32-le"),
        b'{"a": "\xff"}',
        b'{"a": "' + b"x" * MAX_BYTES + b'"}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_parse_refuses_what_can_be_read_in_two_ways_or_not_at_all(body: bytes) -> None:
    """Anything but one plain JSON object in UTF-8 is no object."""
    assert parse(body) is None


def test_parse_drops_a_byte_order_mark() -> None:
    """A UTF-8 mark in front of good JSON loses no paid image."""
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_parse_keeps_fractions_exact() -> None:
    """Money never passes through binary floating point."""
    read = parse(b'{"cost": 0.1, "tiny": 1e-400}')

    assert read == {"cost": Decimal("0.1"), "tiny": Decimal("1e-400")}


@pytest.mark.parametrize("number", [b"9" * 65, b"9" * 5000, b"-" + b"9" * 64, b"1e" + b"9" * 60, b"0." + b"1" * 5000])
def test_a_senseless_number_counts_as_null_and_hides_nothing(number: bytes) -> None:
    """The id beside an absurd amount is still read."""
    assert parse(b'{"id": "a", "cost": ' + number + b"}") == {"id": "a", "cost": None}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("\x00part:0", 0),
        ("\x00part:17", 17),
        ("\x00part:999999", 999_999),
        ("\x00part:1000000", None),
        ("\x00part:01", None),
        ("\x00part:-1", None),
        ("\x00part:", None),
        ("\x00part:1 ", None),
        ("part:1", None),
        ("x\x00part:1", None),
        (None, None),
        (1, None),
        (["\x00part:1"], None),
    ],
)
def test_only_the_shelfs_own_mark_names_a_part(value: object, number: int | None) -> None:
    """What was cut out of an answer is found by its number, and by nothing else."""
    assert number == part_of(value)


@given(st.binary())
def test_parse_never_raises_on_bytes(body: bytes) -> None:
    """Whatever arrives is an object or nothing."""
    assert isinstance(parse(body), dict | None)


SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text()


@given(st.dictionaries(st.text(), SCALARS | st.lists(SCALARS) | st.dictionaries(st.text(), SCALARS)))
def test_parse_reads_every_object_that_json_writes(value: dict[str, object]) -> None:
    """Strictness costs no well-formed answer."""
    assert value == parse(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty body"),
        (b" \n ", "empty body"),
        (b"<html>\n <b>502</b>", "<html> <b>502</b>"),
        (b"\xff\x00", "\N{REPLACEMENT CHARACTER}\0"),
    ],
)
def test_excerpt_shows_a_body_on_one_line(body: bytes, text: str) -> None:
    """A person sees how the answer began."""
    assert text == excerpt(body)


def test_excerpt_is_short() -> None:
    """A megabyte of HTML does not become a megabyte of log."""
    assert len(excerpt(b"x" * 1_000_000)) == 300


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (r"bad \ud800 thing", "bad \ufffd thing"),
        (r"\uDFFF", "\ufffd"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ude00\ude00", "\ufffd\ufffd"),
        (r"\\ud800", "\\ud800"),
        (r"\\\ud800", "\\\ufffd"),
    ],
)
def test_halves_of_pairs_become_a_mark(escaped: str, read: str) -> None:
    """What no file, database or terminal can hold does not leave the parser; pairs and escaped backslashes stay as they are."""
    assert {"a": read, read: 1} == parse(f'{{"a": "{escaped}", "{escaped}": 1}}'.encode())
