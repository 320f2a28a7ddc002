"""Reference images that vendors keep for us, so that each is sent once for many orders."""

from sqlalchemy import Connection, select

from batchgen.core.ports import Upload
from batchgen.store import schema as s
from batchgen.store.engine import keep_row


def find(connection: Connection, sha256: str, *, vendor: str) -> Upload | None:
    """Give the latest upload of that content to that vendor, however old."""
    row = connection.execute(select(s.upload).where(s.upload.c.vendor == vendor, s.upload.c.sha256 == sha256)).mappings().first()
    return None if row is None else Upload(**row)


def keep(connection: Connection, upload: Upload) -> None:
    """Write an upload in the place of an earlier one of the same content to the same vendor."""
    keep_row(connection, s.upload, {name: getattr(upload, name) for name in Upload.__slots__})
