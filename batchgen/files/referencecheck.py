"""What a reference image is, looked at before it is sent anywhere: a broken one would be found out by a paid order."""

import os
from typing import Final

from batchgen.core.dialects import ImageFacts
from batchgen.core.errors import BadImageError, FileError
from batchgen.files.folders import write_all
from batchgen.files.inspector import MAX_PIXELS, Inspector
from batchgen.files.sniff import Picture

_MAX_BYTES: Final = 30 * 1024 * 1024


def inspect_image(content: bytes, inspector: Inspector) -> ImageFacts:
    """Have the whole picture decoded and describe it; raise BadImageError when it is none, or is over 30 MiB or 64 million pixels.

    ``has_alpha`` says that its pixels can be transparent, not that one is. Raises FileError when the check cannot be started.
    """
    if len(content) > _MAX_BYTES:
        raise BadImageError(f"the image has {len(content)} bytes, more than the {_MAX_BYTES} allowed", reason="too_big")
    picture = _picture(content, inspector)
    return ImageFacts(
        media_type=picture.media_type,
        bytes=len(content),
        width=picture.width,
        height=picture.height,
        has_alpha=picture.has_alpha,
    )


def _picture(content: bytes, inspector: Inspector) -> Picture:
    """Hand the content over in a file that has no name and is on no disk."""
    try:
        memory = os.memfd_create("reference")
        try:
            write_all(memory, content)
            return inspector.inspect(memory, size_bytes=len(content), max_pixels=MAX_PIXELS)
        finally:
            os.close(memory)
    except OSError as error:
        raise FileError(f"cannot hand a reference image over to its check: {error.strerror}") from error
