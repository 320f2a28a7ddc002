"""What was seen of one picture: how it travels out of the child that decoded it, and how it is kept for the next time."""

from dataclasses import dataclass
from typing import Final

from batchgen.files.sniff import SUFFIXES

EDGE: Final = 320
"""The longest edge of a thumbnail in pixels."""

LONGEST_SIDE: Final = 2**31 - 1
_HASHES: Final = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Width and height are those of the upright picture; without a thumbnail its two sides are 0.

    ``dhash`` is a difference hash of 64 bits: each says whether a spot is brighter than its left neighbour. Pictures that look alike
    differ in few of them. A blank picture and a video have none.
    """

    media_type: str
    width: int
    height: int
    dhash: int | None
    is_blank: bool
    has_credentials: bool
    thumb_width: int
    thumb_height: int


def sight_of(told: object) -> Sight | None:
    """Read what ``asdict`` and JSON have made of a sight; None for what can be none."""
    match told:
        case {
            "media_type": str(media_type),
            "width": int(width),
            "height": int(height),
            "dhash": int() | None as dhash,
            "is_blank": bool(is_blank),
            "has_credentials": bool(has_credentials),
            "thumb_width": int(thumb_width),
            "thumb_height": int(thumb_height),
        } if (
            media_type in SUFFIXES
            and 0 < min(width, height) <= max(width, height) <= LONGEST_SIDE
            and (dhash is None or 0 <= dhash < _HASHES)
            and 0 <= min(thumb_width, thumb_height) <= max(thumb_width, thumb_height) <= EDGE
        ):
            return Sight(
                media_type=media_type,
                width=width,
                height=height,
                dhash=dhash,
                is_blank=is_blank,
                has_credentials=has_credentials,
                thumb_width=thumb_width,
                thumb_height=thumb_height,
            )
        case _:
            return None
