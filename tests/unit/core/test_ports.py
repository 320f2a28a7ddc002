"""Values that cross the ports."""

from base64 import b64decode

import pytest

from batchgen.core.dialects import Attachment, Call
from batchgen.core.ports import ReferenceFile


@pytest.mark.parametrize(
    ("body", "pieces"),
    [(None, ()), (b"", (b"",)), (b"whole", (b"whole",)), ((b"head", b"image", b"tail"), (b"head", b"image", b"tail")), ((), ())],
)
def test_a_body_is_given_in_pieces(body: bytes | tuple[bytes, ...] | None, pieces: tuple[bytes, ...]) -> None:
    """Bytes are one piece, pieces stay what they are (nothing large is copied), no body has none."""
    assert pieces == Call(method="POST", path="/", body=body).pieces


def test_pieces_are_shared_between_calls() -> None:
    """The bytes of a large reference are the same object in every order that sends it."""
    large = b"x" * 1000
    calls = [Call(method="POST", path="/", body=(b"head", large)) for _ in range(2)]

    assert calls[0].pieces[1] is calls[1].pieces[1] is large


def test_an_uploaded_attachment_is_its_address() -> None:
    """A URL stands in a JSON field as it is, even where the content is at hand."""
    assert "https://cdn.example/a.png?b=c" == Attachment(role="images", url="https://cdn.example/a.png?b=c", content=b"x").address


@pytest.mark.parametrize("content", [b"shoe", b"\xff\xfb\x00", b"", None])
def test_content_stands_in_a_field_as_a_data_uri(content: bytes | None) -> None:
    """Type and standard base64 with padding, on one line."""
    head, _, text = Attachment(role="images", media_type="image/png", content=content).address.partition(",")

    assert "data:image/png;base64" == head
    assert (content or b"") == b64decode(text, validate=True)


def test_a_reference_files_bytes_are_not_shown() -> None:
    """A traceback or a diary line does not hold an image."""
    assert "secret" not in repr(ReferenceFile(content=b"secret", filename="a.png", media_type="image/png", send="auto"))
