"""Tests of the pictures: real PNGs of the right aspect, the same each time, whatever the prompt holds."""

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batchgen.sim.encoding import padded
from batchgen.sim.picture import PictureSpec, animate, dimensions, draw

SPEC = PictureSpec(
    name="img_0123456789ab-0",
    prompt="A neon sign that says OPEN",
    model="gpt-image-2",
    ratio="16:9",
    resolution="1k",
    quality="medium",
    sample=1,
)


def opened(png: bytes) -> Image.Image:
    """Return the fully decoded picture."""
    image = Image.open(io.BytesIO(png), formats=["PNG"])
    image.load()
    return image


def test_a_picture_is_a_png_of_the_right_size() -> None:
    """It decodes to the end and has the dimensions of its ratio."""
    image = opened(draw(SPEC))

    assert image.size == (512, 288)
    assert image.mode == "RGB"


def test_a_picture_is_the_same_each_time() -> None:
    """Two drawings of one specification agree byte for byte."""
    first = draw(SPEC)
    draw.cache_clear()

    assert first == draw(SPEC)


def test_two_tasks_of_one_prompt_differ() -> None:
    """Siblings share the prompt, not the bytes."""
    assert draw(SPEC) != draw(replace(SPEC, name="img_ba9876543210-0"))


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        ("1:1", "1k", (512, 512)),
        ("auto", "1k", (512, 512)),
        ("9:16", "1k", (288, 512)),
        ("19.5:9", "1k", (512, 236)),
        ("1:1", "2k", (724, 724)),
        ("21:9", "4k", (1024, 439)),
        ("1600x1200", "1k", (512, 384)),
    ],
)
def test_dimensions_follow_ratio_and_resolution(ratio: str, resolution: str, size: tuple[int, int]) -> None:
    """The long side grows with the resolution and the aspect is kept."""
    assert size == dimensions(ratio, resolution, 0.5)


def test_full_scale_draws_1k_at_1024_pixels() -> None:
    """The scale is relative to the real service's size."""
    assert dimensions("1:1", "1k", 1.0) == (1024, 1024)


@pytest.mark.parametrize("ratio", ["3:1", "1:3", "21:9", "9:21", "1:1"])
@pytest.mark.parametrize("scale", [0.02, 0.1, 0.5])
def test_a_small_or_narrow_picture_still_holds_a_long_prompt(ratio: str, scale: float) -> None:
    """The card never breaks the drawing, however little room it has."""
    image = opened(draw(replace(SPEC, ratio=ratio, scale=scale, prompt="many words " * 400)))

    assert min(image.size) >= 96


@pytest.mark.parametrize(
    "prompt",
    ["", " ", "\x00\x1b[31m\r\n\t", "\u202e\u200b", "\ud800", "一只狐狸" * 300, "x" * 4000, "😀🏳️‍🌈", "<b>{{ x }}</b>", "é\u0301"],
)
def test_a_hostile_prompt_is_drawn(prompt: str) -> None:
    """Controls, surrogates, missing scripts and endless words become a picture like any other."""
    assert opened(draw(replace(SPEC, prompt=prompt))).size == (512, 288)


@settings(max_examples=30, deadline=None)
@given(prompt=st.text(max_size=300))
def test_any_text_is_drawn(prompt: str) -> None:
    """No text stops the drawing."""
    assert draw(replace(SPEC, prompt=prompt, scale=0.15)).startswith(b"\x89PNG")


def test_padding_reaches_the_size_and_still_decodes() -> None:
    """A padded picture has exactly the wanted size and the same pixels."""
    plain = draw(SPEC)

    padded_png = padded(plain, 300_000)

    assert len(padded_png) == 300_000
    assert opened(plain).tobytes() == opened(padded_png).tobytes()


def test_padding_never_shrinks() -> None:
    """A picture that is large enough is left alone."""
    plain = draw(SPEC)

    assert plain == padded(plain, len(plain) + 11)


def test_exact_pixels_are_drawn_at_full_scale() -> None:
    """A size in pixels is met, and scaled like any other."""
    wanted = replace(SPEC, pixels=(300, 200), scale=1.0)

    assert opened(draw(wanted)).size == (300, 200)
    assert opened(draw(replace(wanted, scale=0.5))).size == (150, 100)


@pytest.mark.parametrize("side", [1, 3, 4000])
def test_an_inset_of_any_size_is_laid_into_the_corner(side: int) -> None:
    """A tiny source is enlarged and a large one reduced; the far corner stays as it was."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (0, 0, 255)).save(buffer, "PNG")

    plain, edited = opened(draw(SPEC)), opened(draw(replace(SPEC, inset=buffer.getvalue())))

    assert edited.getpixel((50, 50)) == (0, 0, 255)
    assert edited.getpixel((500, 10)) == plain.getpixel((500, 10))


def test_the_frames_of_a_film_differ() -> None:
    """The landscape moves, the size stays."""
    frames = list(animate(replace(SPEC, scale=0.2), 4))

    assert {frame.size for frame in frames} == {(205, 115)}
    assert len({frame.tobytes() for frame in frames}) == 4
