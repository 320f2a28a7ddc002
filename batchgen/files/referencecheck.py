"""What a reference image is, looked at before it is sent anywhere: a broken one would be found out by a paid order."""

import io
from typing import Final

from batchgen.core.dialects import ImageFacts
from batchgen.core.errors import BadImageError
from batchgen.files.imagecheck import check

_MAX_BYTES: Final = 30 * 1024 * 1024
_MAX_PIXELS: Final = 64_000_000


def inspect_image(content: bytes) -> ImageFacts:
    """Decode the whole picture and describe it; raise BadImageError when it is none, or is over 30 MiB or 64 million pixels.

    ``has_alpha`` says that its pixels can be transparent, not that one is.
    """
    if len(content) > _MAX_BYTES:
        raise BadImageError(f"the image has {len(content)} bytes, more than the {_MAX_BYTES} allowed", reason="too_big")
    picture = check(io.BytesIO(content), size_bytes=len(content), max_pixels=_MAX_PIXELS)
    return ImageFacts(
        media_type=picture.media_type,
        bytes=len(content),
        width=picture.width,
        height=picture.height,
        has_alpha=picture.has_alpha,
    )
