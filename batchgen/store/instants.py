"""Instants in the database: fixed-width ISO-8601 UTC text, which sorts like time and reads the same on every engine."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, String, Text, TypeDecorator, type_coerce
from sqlalchemy.engine import Dialect


@lru_cache(maxsize=64)
def to_text(at: datetime) -> str:
    """Write an aware instant as ``2026-11-22T01:02:03.123456Z``; raise ValueError for a naive one.

    Remembers the latest, because one event writes its instant into several rows.
    """
    if at.tzinfo is None:
        msg = "an instant without a time zone"
        raise ValueError(msg)
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def from_text(text: str) -> datetime:
    """Read back what ``to_text`` wrote, as an aware UTC instant."""
    return datetime.fromisoformat(text)


class Instant(TypeDecorator[datetime]):
    """A column that holds an aware instant as text."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Write the instant."""
        return None if value is None else to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """Read the instant."""
        return None if value is None else from_text(value)


def as_stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Read a column without turning its text into an instant."""
    return type_coerce(column, Text) if isinstance(column.type, Instant) else column
