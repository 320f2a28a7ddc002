"""Take a multipart/form-data body apart, byte for byte; the hash of the raw body is the vendor's proof of what was sent."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Hold one part of a form; a part without a file name is a text field."""

    name: str
    filename: str | None
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text; bytes that are not UTF-8 become replacement characters."""
        return self.body.decode("utf-8", "replace")


def parse(content_type: str, raw: bytes) -> list[Part] | None:
    """Return the parts of the body in their order, or None when it is not a well-formed form."""
    boundary = _boundary(content_type)
    if boundary is None:
        return None
    opening, *pieces = (b"\r\n" + raw).split(b"\r\n--" + boundary)
    if opening.strip() or not pieces or not pieces[-1].startswith(b"--"):
        return None
    parts = [_part(piece) for piece in pieces[:-1]]
    whole = [part for part in parts if part is not None]
    return whole if len(whole) == len(parts) else None


def _boundary(content_type: str) -> bytes | None:
    head = _headers(f"Content-Type: {content_type}")
    boundary = head.get_boundary() if head.get_content_type() == "multipart/form-data" else None
    return boundary.encode("utf-8", "surrogateescape") if boundary else None


def _part(piece: bytes) -> Part | None:
    head, blank, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = _headers(head.decode("utf-8", "replace"))
    name = headers.get_param("name", header="content-disposition")
    if not blank or headers.get_content_disposition() != "form-data" or not isinstance(name, str):
        return None
    return Part(name=name, filename=headers.get_filename(), body=body)


def _headers(text: str) -> EmailMessage:
    return HeaderParser(policy=HTTP).parsestr(text)
