"""Tests of text setting: nothing is lost, nothing is wider than its box, what cannot fit is cut openly."""

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from batchgen.sim.lettering import fit, width_of, write_line


@settings(deadline=None)
@given(text=st.text(alphabet="abc déŁ中文,.\n\t\u202e", max_size=120))
def test_wrapping_keeps_every_character(text: str) -> None:
    """The lines together hold all that is not white space."""
    setting = fit(text, width=400, height=4000, largest=20, smallest=10)

    assert "".join(text.split()) == "".join("".join(setting.lines).split())


@settings(deadline=None)
@given(text=st.text(alphabet="abc déŁ中文,. ", max_size=300), width=st.integers(60, 500))
def test_no_line_is_wider_than_the_box(text: str, width: int) -> None:
    """Long words are broken rather than drawn over the edge."""
    setting = fit(text, width=width, height=200, largest=30, smallest=10)

    assert all(width_of(line, setting.size) <= width for line in setting.lines[:-1])


def test_a_short_text_is_set_large() -> None:
    """A text with room to spare has the largest size."""
    assert fit("fox", width=400, height=200, largest=30, smallest=10).size == 30


def test_a_long_text_shrinks_before_it_is_cut() -> None:
    """A text that fits at a smaller size is shown whole."""
    setting = fit("word " * 60, width=400, height=200, largest=60, smallest=8)

    assert 8 < setting.size < 60
    assert "…" not in "".join(setting.lines)


def test_a_text_too_long_at_the_smallest_size_ends_in_an_ellipsis() -> None:
    """What is cut is seen to be cut, and the box is kept."""
    setting = fit("word " * 500, width=200, height=80, largest=30, smallest=12)

    assert setting.lines[-1].endswith("…")
    assert setting.height <= 80


def test_a_character_without_a_glyph_is_framed() -> None:
    """An invisible character leaves ink and takes room."""
    image = Image.new("RGB", (80, 40))

    write_line(ImageDraw.Draw(image), "\u202e", at=(4, 4), size=24, colour=(255, 255, 255))

    assert image.getbbox() is not None
    assert width_of("\u202e", 24) > 20
