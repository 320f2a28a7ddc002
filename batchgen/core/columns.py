"""What the columns of a table hold, for those who write tables and those who read them."""

from enum import StrEnum


class Kind(StrEnum):
    """What a column holds where it is not empty."""

    TEXT = "text"
    WHOLE = "whole"
    """A whole number of up to 64 bits."""
    REAL = "real"
    CLAIM = "claim"
    """True or false."""
    JSON = "json"
    """A JSON value, as text."""
