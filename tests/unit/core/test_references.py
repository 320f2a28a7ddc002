"""How a reference travels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.dialects import Way
from batchgen.core.references import MAX_INLINE_BYTES, way_for

_WAYS: tuple[Way, ...] = ("url", "base64", "upload", "file")
_SMALL, _BIG = MAX_INLINE_BYTES, MAX_INLINE_BYTES + 1


@pytest.mark.parametrize(
    ("ways", "way"), [({"url"}, "url"), (set(_WAYS), "url"), ({"base64", "upload", "file"}, None), ({"file"}, None), (set(), None)]
)
@pytest.mark.parametrize("send", ["auto", "base64", "upload"])
def test_an_address_travels_as_an_address_or_not_at_all(ways: set[Way], way: Way | None, send: str) -> None:
    """Nobody fetches it for the vendor, whatever the manifest wants for files."""
    assert way == way_for(is_address=True, send=send, ways=frozenset(ways), size_bytes=None)


@pytest.mark.parametrize(
    ("send", "ways", "size_bytes", "way"),
    [
        ("auto", {"base64", "upload"}, _SMALL, "base64"),
        ("auto", {"base64", "upload"}, _BIG, "upload"),
        ("auto", {"base64", "upload"}, None, "upload"),
        ("auto", {"base64"}, _BIG, "base64"),
        ("auto", {"base64"}, None, "base64"),
        ("auto", {"upload"}, _SMALL, "upload"),
        ("auto", {"url"}, _SMALL, None),
        ("auto", set(), _SMALL, None),
        ("base64", {"base64", "upload"}, _BIG, "base64"),
        ("base64", {"upload"}, _SMALL, None),
        ("upload", {"base64", "upload"}, _SMALL, "upload"),
        ("upload", {"base64"}, _BIG, None),
        ("auto", set(_WAYS), _SMALL, "file"),
        ("base64", {"file"}, _SMALL, "file"),
        ("upload", {"file", "upload"}, _BIG, "file"),
    ],
)
def test_a_file_travels_as_manifest_and_size_decide(send: str, ways: set[Way], size_bytes: int | None, way: Way | None) -> None:
    """The manifest's wish is kept or refused, never bent; forms take files as they are; otherwise size decides."""
    assert way == way_for(is_address=False, send=send, ways=frozenset(ways), size_bytes=size_bytes)


@given(
    st.booleans(), st.sampled_from(["auto", "base64", "upload"]), st.frozensets(st.sampled_from(_WAYS)), st.none() | st.integers(0, 10**9)
)
def test_the_way_is_one_that_the_operation_has(is_address: bool, send: str, ways: frozenset[Way], size_bytes: int | None) -> None:
    """Whatever is asked for, nothing travels in a way that the vendor does not take; a file is never an address."""
    way = way_for(is_address=is_address, send=send, ways=ways, size_bytes=size_bytes)

    assert way is None or way in ways
    assert way is None or (way == "url") == is_address
