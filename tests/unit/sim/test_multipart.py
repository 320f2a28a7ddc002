"""Tests of the form parser: what goes in comes out byte for byte, and what is no form is noticed."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.sim.multipart import Part, parse


def form(**files: bytes) -> tuple[str, bytes]:
    """Return content type and body as an HTTP client writes them."""
    request = httpx.Request("POST", "http://x", files={name: (f"{name}.png", body) for name, body in files.items()})
    return request.headers["content-type"], request.read()


@given(st.lists(st.binary(max_size=200) | st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\n\n"]), min_size=1, max_size=4))
def test_bodies_survive_byte_for_byte(bodies: list[bytes]) -> None:
    """Line ends and dashes inside a part are content."""
    content_type, raw = form(**{f"p{index}": body for index, body in enumerate(bodies)})

    parts = parse(content_type, raw)

    assert parts is not None
    assert bodies == [part.body for part in parts]


def test_texts_and_files_are_told_apart() -> None:
    """A part with a file name is a file, in the order sent, whatever alphabet the name has."""
    request = httpx.Request("POST", "http://x", data={"prompt": "狐"}, files=[("image", ('é "狐".png', b"\x89"))])

    parts = parse(request.headers["content-type"], request.read())

    assert parts is not None
    assert [(part.name, part.filename is None) for part in parts] == [("prompt", True), ("image", False)]
    assert parts[0].text == "狐"
    assert (parts[1].filename or "").startswith("é")


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        ("", b""),
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\ncut off"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n--x--"),
        ("multipart/form-data; boundary=x", b"prologue\r\n--x--"),
        ("multipart/mixed; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--"),
    ],
)
def test_a_body_that_is_no_form_is_noticed(content_type: str, raw: bytes) -> None:
    """A missing boundary, name or end makes no form."""
    assert parse(content_type, raw) is None


def test_a_minimal_form_is_read() -> None:
    """Quoted and bare boundaries mean the same."""
    raw = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"

    assert [Part(name="a", filename=None, body=b"b")] == parse('multipart/form-data; boundary="x"', raw)
    assert [Part(name="a", filename=None, body=b"b")] == parse("Multipart/Form-Data;boundary=x", raw)


@given(st.text(max_size=60), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content_type: str, raw: bytes) -> None:
    """No body stops the parser."""
    parts = parse(f"multipart/form-data; boundary={content_type}", raw)

    assert parts is None or all(part.body in raw for part in parts)
