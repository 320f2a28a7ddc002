"""Forms, read back by parsers that others wrote."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.multipart import Field, encode

BOUNDARY = "batchgen-0123456789abcdef0123456789abcdef"


def read(fields: list[Field]) -> list[tuple[str | None, str | None, str | None, bytes]]:
    """Encode the fields and read them with the standard library's parser of mail: name, filename, type, content."""
    body, content_type = encode(fields, boundary=BOUNDARY)
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + b"".join(body), policy=HTTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return [
        (
            _text(part.get_param("name", header="content-disposition")),
            part.get_filename(),
            part.get("content-type"),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def test_a_form_is_what_rfc_7578_says() -> None:
    """Byte for byte: dispositions, a type for files alone, CRLF, and the closing boundary."""
    fields = [
        Field(name="prompt", content=b"a\r\nb"),
        Field(name="image", content=b"\x89PNG", filename="shoe.png", media_type="image/png"),
    ]

    body, content_type = encode(fields, boundary="B")

    assert content_type == "multipart/form-data; boundary=B"
    assert b"".join(body) == (
        b'--B\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na\r\nb\r\n'
        b'--B\r\nContent-Disposition: form-data; name="image"; filename="shoe.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n'
        b"--B--\r\n"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"\n", b"--", b"\r\n--", b"\x00\xff", f"--{BOUNDARY}--\r\n".encode(), f"\r\n--{BOUNDARY}\r\n".encode()],
)
def test_contents_come_through_whatever_they_hold(content: bytes) -> None:
    """An independent parser finds the very bytes, the delimiter itself among them."""
    fields = [
        Field(name="file", content=content, filename="f.bin", media_type="application/octet-stream"),
        Field(name="last", content=b"x", filename="g", media_type="application/octet-stream"),
    ]

    assert [("file", content), ("last", b"x")] == [(name, payload) for name, _, _, payload in read(fields)]


@pytest.mark.parametrize(
    ("filename", "written"),
    [
        ('a"b.png', 'filename="a%22b.png"'),
        ("a\r\nX-Evil: 1.png", 'filename="a%0D%0AX-Evil: 1.png"'),
        ("a\nb", 'filename="a%0Ab"'),
        ("灯.png", 'filename="灯.png"'),
        ("100%.png", 'filename="100%.png"'),
        ("back\\slash", 'filename="back\\slash"'),
        ("", 'filename=""'),
        ("\ud800", 'filename="?"'),
    ],
)
def test_names_cannot_leave_their_quotes(filename: str, written: str) -> None:
    """Quotes and line breaks are percent-encoded as browsers do, all else travels as UTF-8."""
    body, _ = encode([Field(name='na"me', content=b"", filename=filename, media_type="image/png")], boundary="B")

    head = body[0].decode()

    assert f'name="na%22me"; {written}\r\n' in head
    assert head.count("\r\n") == 4


def test_large_contents_are_shared() -> None:
    """The piece is the very object, so that a reference in a thousand orders is in memory once."""
    content = b"x" * 1_000_000

    body, _ = encode([Field(name="image", content=content, filename="a", media_type="image/png")], boundary="B")

    assert any(piece is content for piece in body)


def test_a_boundary_that_occurs_is_lengthened_the_same_way_each_time() -> None:
    """No content can end its own part."""
    fields = [Field(name="a", content=b"x B y"), Field(name="b", content=b"--B-0 B-1")]

    first, second = encode(fields, boundary="B"), encode(fields, boundary="B")

    assert first == second
    assert first[1] == "multipart/form-data; boundary=B-2"


def test_an_empty_form_is_closed() -> None:
    """No part, and still a form."""
    assert encode([], boundary="B")[0] == (b"--B--\r\n",)


NAMES = st.text(st.characters(exclude_characters='"\\\r\n', exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=20)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=200)), min_size=1, max_size=5))
def test_every_form_reads_back(files: list[tuple[str, bytes]]) -> None:
    """Names and contents survive the way through another's parser, in their order."""
    fields = [Field(name="file", content=content, filename=name, media_type="application/octet-stream") for name, content in files]

    assert [content for _, content in files] == [payload for _, _, _, payload in read(fields)]
