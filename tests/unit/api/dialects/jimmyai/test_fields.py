"""What a parameter may hold, and how its text is written on the wire."""

import re

import pytest

from batchgen.api.dialects.jimmyai.fields import Field

LISTED = Field(name="a", values=("x", "y"))
SPAN = Field(name="a", shape="whole", values=("-1",), bounds=(4, 15))
PART = Field(name="a", shape="number", bounds=(0, 1))
FORM = Field(name="a", form=re.compile("[0-9]+p"), described="such as 720p", wire="b")
FREE = Field(name="a")


@pytest.mark.parametrize(
    ("field", "fitting", "others"),
    [
        (LISTED, ["x", "y"], ["", "X", "z"]),
        (SPAN, ["4", "15", "-1"], ["3", "16", "4.0", "-2", "", "4 ", "\u0665", "1e1", "9" * 50]),
        (PART, ["0", "1", "0.5", "1.0"], ["-0.1", "1.01", ".5", "nan", "inf"]),
        (FORM, ["720p"], ["p", "720", "720p\n"]),
        (FREE, ["", "anything"], []),
    ],
)
def test_a_value_fits_or_not(field: Field, fitting: list[str], others: list[str]) -> None:
    """Listed values, bounds on both sides, whole forms."""
    assert [value for value in (*fitting, *others) if field.fits(value)] == fitting


@pytest.mark.parametrize(
    ("field", "value", "written"),
    [
        (LISTED, "1", "1"),
        (SPAN, "4", 4),
        (SPAN, "soon", "soon"),
        (PART, "0.5", 0.5),
        (PART, "1", 1),
        (Field(name="a", shape="boolean"), "true", True),
        (Field(name="a", shape="boolean"), "false", False),
        (Field(name="a", shape="boolean"), "yes", "yes"),
    ],
)
def test_a_value_is_written_as_its_type(field: Field, value: str, written: object) -> None:
    """A text that is no such thing stays what it is, and nothing raises."""
    assert (written, type(written)) == (field.written(value), type(field.written(value)))


def test_a_field_says_its_name_and_what_it_takes() -> None:
    """For people, and for the wire."""
    assert ("x, y", "-1, 4 to 15", "such as 720p", "") == (LISTED.takes, SPAN.takes, FORM.takes, FREE.takes)
    assert ("a", "b") == (LISTED.wire_name, FORM.wire_name)
