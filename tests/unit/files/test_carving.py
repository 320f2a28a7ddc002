"""Long strings leave a JSON text as it streams by, and nothing else of it changes."""

import json
import re
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchgen.files.carving import LONG_BYTES, MAX_SKELETON_BYTES, Carver


class Repeated(str):
    """A long text whose picture in a report is short."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{self[:20]!r}…"


TEXT = st.text(max_size=20) | st.sampled_from(['"', "\\", '\\"', "\\\\", "\0part:0", "\0part:1", "狐"])
LONG_TEXT = st.builds(lambda text, count: Repeated(text * count), TEXT, st.sampled_from([0, 1, 700, 5_000]))
DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.booleans() | LONG_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LONG_TEXT, inner, max_size=3),
    max_leaves=6,
)
SMALL_SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=5)
SIZES = SMALL_SIZES.map(lambda sizes: [*sizes, 4_999])


def carve(text: bytes, sizes: list[int], *, before: bytes = b"") -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """Feed a text in chunks whose sizes repeat."""
    carver = Carver(len(before))
    at = 0
    while at < len(text):
        for size in sizes:
            carver.feed(text[at : at + size])
            at += size
    return carver.carved()


def restore(skeleton: bytes, parts: tuple[tuple[int, int], ...], file: bytes) -> bytes:
    """Put every part back into its place."""

    def part(found: re.Match[bytes]) -> bytes:
        start, end = parts[int(found[1])]
        return b'"' + file[start:end] + b'"'

    return re.sub(rb'"\\u0000part:(\d+)"', part, skeleton)


@settings(deadline=None)
@given(DOCUMENTS, SIZES, st.booleans())
@example(document=["\0part:0", Repeated("x" * 20_000)], sizes=[1], is_ascii=True)
def test_restored_text_is_the_text(document: object, sizes: list[int], is_ascii: bool) -> None:
    """Whatever the document and wherever its chunks end, nothing is lost and nothing is taken for a cut that is none."""
    text = json.dumps(document, ensure_ascii=is_ascii).encode()
    before = b"HTTP/1.1 200\r\n\r\n"

    skeleton, parts = carve(text, sizes, before=before)

    assert text == restore(skeleton, parts, before + text)
    assert json.loads(text) == json.loads(restore(skeleton, parts, before + text))
    assert all(end - start > LONG_BYTES or (before + text)[start:].startswith(rb"\u0000") for start, end in parts)
    json.loads(skeleton)


@pytest.mark.parametrize("size", [1, 2, 7, 65_536])
def test_limit_is_counted_in_raw_bytes(size: int) -> None:
    """A string of the limit stays, one byte more goes; an escape counts as the bytes that it takes."""
    at_limit = b'["' + rb"\"" * (LONG_BYTES // 2) + b'"]'
    above = b'["' + rb"\"" * (LONG_BYTES // 2) + b'x"]'

    assert (at_limit, ()) == carve(at_limit, [size])
    assert (rb'["\u0000part:0"]', ((2, 2 + LONG_BYTES + 1),)) == carve(above, [size])


def test_parts_are_numbered_in_order() -> None:
    """The number in the skeleton is the index of the place."""
    long = b"A" * 20_000

    text = b'{"a":"%s","b":"short","c":"%s"}' % (long, long.lower())

    skeleton, parts = carve(text, [4096])

    assert rb'{"a":"\u0000part:0","b":"short","c":"\u0000part:1"}' == skeleton
    assert [long, long.lower()] == [text[start:end] for start, end in parts]


def test_string_cannot_pass_for_a_cut() -> None:
    """A vendor's own text in the form of a mark is cut out like a long one, so that the mark is nobody's but ours."""
    skeleton, parts = carve(rb'{"url":"\u0000part:7"}', [5])

    assert rb'{"url":"\u0000part:0"}' == skeleton
    assert ((8, 20),) == parts


@pytest.mark.parametrize(
    "text", [b"", b"<html>502 Bad Gateway</html>", b'a "quoted" word', b'"', b'"\\', b"\xff\xfe{\0", b"null", b'{"a":']
)
def test_short_text_that_is_no_json_comes_out_unharmed(text: bytes) -> None:
    """What a gateway says is there to be read."""
    assert (text, ()) == carve(text, [3])


@pytest.mark.parametrize("size", [1000, 65_536])
def test_answer_cut_short_inside_a_long_string_is_no_json(size: int) -> None:
    """Half an image must not look like a document."""
    skeleton, parts = carve(b'{"b64_json":"' + b"A" * 50_000, [size])

    assert (b'{"b64_json":"', ()) == (skeleton, parts)


@pytest.mark.parametrize("text", [b"[" + b"1," * MAX_SKELETON_BYTES, b'["' + b'","' * MAX_SKELETON_BYTES, b"<p>" * MAX_SKELETON_BYTES])
def test_skeleton_that_grows_too_large_is_given_up(text: bytes) -> None:
    """Beyond a mebibyte nothing is kept, so nobody can read half of it."""
    assert (b"", ()) == carve(text, [65_536])


def test_skeleton_of_exactly_the_cap_is_kept() -> None:
    """The cap itself is allowed."""
    text = b"1" * MAX_SKELETON_BYTES

    assert (text, ()) == carve(text, [65_536])


def test_image_of_30_megabytes_is_never_in_memory() -> None:
    """What is held is the skeleton and a chunk."""
    carver = Carver(0)
    chunk = b"A" * 65_536
    carver.feed(b'{"b64_json":"')
    tracemalloc.start()

    for _ in range(30_000_000 // len(chunk)):
        carver.feed(chunk)
    carver.feed(b'"}')

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000
    assert rb'{"b64_json":"\u0000part:0"}' == carver.carved()[0]


@given(st.binary(max_size=400), SMALL_SIZES)
def test_any_bytes_are_taken(text: bytes, sizes: list[int]) -> None:
    """Nothing that a vendor sends ends in an error."""
    skeleton, parts = carve(text, sizes)

    assert text == restore(skeleton, parts, text)
