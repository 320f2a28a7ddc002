"""Tests of the encoders: each form decodes as what it says, and padding changes no pixel."""

import io

import pytest
from PIL import Image

from batchgen.sim.encoding import encoded

DRAWING = Image.linear_gradient("L").convert("RGB").resize((60, 40))


def opened(raw: bytes) -> Image.Image:
    """Return the fully decoded picture."""
    image = Image.open(io.BytesIO(raw))
    image.load()
    return image


@pytest.mark.parametrize(("form", "told"), [("png", "PNG"), ("jpeg", "JPEG"), ("jpg", "JPEG"), ("webp", "WEBP"), ("gif", "GIF")])
def test_a_form_decodes_as_what_it_says(form: str, told: str) -> None:
    """The bytes are of the format and the size is kept."""
    image = opened(encoded(DRAWING, form))

    assert (told, DRAWING.size) == (image.format, image.size)


@pytest.mark.parametrize("form", ["png", "webp"])
def test_transparency_is_kept_where_the_form_can(form: str) -> None:
    """PNG and WebP carry an alpha channel."""
    clear = DRAWING.copy()
    clear.putalpha(0)

    assert opened(encoded(clear, form)).mode == "RGBA"
    assert opened(encoded(clear, "jpeg")).mode == "RGB"


@pytest.mark.parametrize("size", [5_000, 65_000, 200_001])
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_padding_reaches_the_size(form: str, size: int) -> None:
    """Comments and private chunks add bytes, not pixels."""
    plain, large = encoded(DRAWING, form), encoded(DRAWING, form, at_least_bytes=size)

    assert size <= len(large) <= size + 12
    assert opened(plain).tobytes() == opened(large).tobytes()
