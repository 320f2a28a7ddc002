"""Look at the images that customers send: as file parts, as data URIs, or as URLs of this vendor's own storage."""

import base64
import binascii
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from PIL import Image

from batchgen.sim.order import Order, Refusal, misfit

LARGEST_BYTES = 20_000_000
_PART_FORMATS = ("PNG", "JPEG", "WEBP")
_URI_FORMATS = (*_PART_FORMATS, "GIF", "BMP", "TIFF")
_PREVIEW_SIDE = 160
_DATA_URI = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)

Resolve = Callable[[str], bytes | None]
"""From a URL to the bytes behind it: empty for a foreign host, None for what this vendor does not have or no longer."""


def is_image(raw: bytes, formats: tuple[str, ...] = _PART_FORMATS) -> bool:
    """Return whether the bytes are an image in one of the forms, as far as its header tells."""
    try:
        with Image.open(io.BytesIO(raw), formats=formats):
            return True
    except _UNREADABLE:
        return False


def preview(raw: bytes) -> str:
    """Return a small JPEG of the image as base64, or '' when it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(raw)) as image:
            image.draft("RGB", (_PREVIEW_SIDE, _PREVIEW_SIDE))
            image.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
            small = Image.new("RGB", image.size, (255, 255, 255))
            shown = image.convert("RGBA")
            small.paste(shown, mask=shown)
    except _UNREADABLE:
        return ""
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode()


def seen(reference: str, resolve: Resolve) -> bytes | None:
    """Return the bytes of a reference, empty for a URL taken on trust, None when the vendor refuses it."""
    if reference.lower().startswith(("http://", "https://")):
        raw = resolve(reference)
        return raw if not raw or is_image(raw, _URI_FORMATS) else None
    if not (prefix := _DATA_URI.match(reference)):
        return None
    try:
        raw = base64.b64decode(reference[prefix.end() :], validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if is_image(raw, _URI_FORMATS) else None


def looked_at(wanted: Order, references: Mapping[str, list[str]], resolve: Resolve) -> Order | Refusal:
    """Return the order with a preview of its first reference, or the refusal that names the field of the first bad one."""
    first: bytes | None = None
    for field, sent in references.items():
        for reference in sent:
            raw = seen(reference, resolve)
            if raw is None:
                return misfit(field)
            first = raw if first is None else first
    return replace(wanted, preview=preview(first)) if first else wanted
