"""Base64 as vendors write it, in pieces that end anywhere."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.errors import BadImageError
from batchgen.files.inline import decoded

CONTENT = bytes(range(256)) + b"\xff\xff\xfb\xef\xbe"
PLAIN = base64.b64encode(CONTENT)


def decode(text: bytes, size: int = 7) -> bytes:
    """Decode a text that comes in pieces of one size."""
    return b"".join(decoded(text[at : at + size] for at in range(0, len(text), size)))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(PLAIN.rstrip(b"="), id="without padding"),
        pytest.param(base64.urlsafe_b64encode(CONTENT), id="url-safe"),
        pytest.param(PLAIN.replace(b"/", rb"\/"), id="escaped slashes"),
        pytest.param(PLAIN.replace(b"+", rb"\u002b").replace(b"/", rb"\u002F"), id="escaped characters"),
        pytest.param(json.dumps(base64.encodebytes(CONTENT).decode())[1:-1].encode(), id="escaped lines"),
        pytest.param(base64.encodebytes(CONTENT).replace(b"\n", b" \r\n\t"), id="white space"),
        pytest.param(rb"\n\t data:image\/png;base64," + PLAIN, id="data URL"),
        pytest.param(b"DATA:image/png;name=a; base64 ," + PLAIN, id="data URL with a name"),
    ],
)
def test_every_spelling_is_read(text: bytes, size: int) -> None:
    """What stands in a JSON string for the same bytes gives the same bytes."""
    assert CONTENT == decode(text, size)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"QUJD*", id="other character"),
        pytest.param(b"QUJD\xc3\xa9", id="not ASCII"),
        pytest.param(b"QUJD\0", id="NUL"),
        pytest.param(b"QUJDR", id="one letter over"),
        pytest.param(b"QQ==QUJD", id="text behind the padding"),
        pytest.param(b"QQ=Q", id="padding inside"),
        pytest.param(b"QUJD=", id="padding where none belongs"),
        pytest.param(b"QQ===", id="too much padding"),
        pytest.param(b"=", id="padding alone"),
        pytest.param(b"+/-_", id="two alphabets"),
        pytest.param(rb"QUJD\u0022", id="escaped quote"),
        pytest.param(rb"QUJD\\n", id="escaped backslash"),
        pytest.param(rb"QUJD\u005cn", id="backslash by number"),
        pytest.param(b"QUJD\\", id="half an escape"),
        pytest.param(rb"QUJD\u00", id="half a number"),
        pytest.param(rb"\u0000part:3", id="our own mark"),
        pytest.param(b"https://example.com/a.png", id="URL"),
        pytest.param(b"data:image/png,rawbytes", id="data URL without base64"),
        pytest.param(b"data:image/png;base64", id="data URL without content"),
        pytest.param(b"data:" + b"x" * 2000 + b";base64,QUJD", id="endless data URL"),
    ],
)
def test_anything_else_is_refused(text: bytes, size: int) -> None:
    """Guessing would turn a damaged image into another one."""
    with pytest.raises(BadImageError) as caught:
        decode(text, size)

    assert "not_base64" == caught.value.reason


def test_nothing_gives_nothing() -> None:
    """That an image is empty is found where images are checked."""
    assert b"" == decode(b"")


@given(st.binary(max_size=300), st.integers(1, 50))
def test_pieces_make_no_difference(content: bytes, size: int) -> None:
    """Any content comes back, wherever the pieces end."""
    assert content == decode(base64.b64encode(content), size)


@given(st.text("QUJ+/-_=\\nu0025b: data;se64,*", max_size=40), st.integers(1, 10))
def test_refusal_does_not_depend_on_the_pieces(text: str, size: int) -> None:
    """The same text is taken or refused, wherever its pieces end."""

    def outcome(size: int) -> bytes | str:
        try:
            return decode(text.encode(), size)
        except BadImageError as error:
            return error.reason

    assert outcome(1000) == outcome(size)
