"""Charts are well-formed, escaped, and say what they hold."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from batchgen.report.charts import HEIGHT, WIDTH, Line, bars, number, over_time, scale
from batchgen.report.night import Axis

AXIS = Axis.over(datetime(2026, 11, 22, 1, tzinfo=UTC), datetime(2026, 11, 22, 1, tzinfo=UTC) + timedelta(hours=8))
HOSTILE = '</svg><script>alert("x")</script>&'


def parsed(svg: str) -> ET.Element:
    """Read a chart as a browser would that forgives nothing."""
    return ET.fromstring(svg)  # noqa: S314 - written by us


def points(svg: str) -> list[list[tuple[float, float]]]:
    """Give the points of each line."""
    lines = parsed(svg).iter("polyline")
    return [[tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()] for line in lines]  # type: ignore[misc] # pairs


def test_a_line_has_a_point_for_every_step_and_stays_in_its_chart() -> None:
    """The largest value is the highest, and the axis begins at nothing."""
    svg = over_time(AXIS, [Line(name="a", values=[float(step) for step in range(AXIS.steps)])], label="x")

    (drawn,) = points(svg)
    assert AXIS.steps == len(drawn)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn)
    assert drawn[-1][1] == min(y for _, y in drawn)
    assert sorted(drawn) == drawn


def test_the_limit_is_drawn_even_where_nothing_comes_near_it() -> None:
    """It makes the scale."""
    svg = over_time(AXIS, [Line(name="a", values=[1.0] * AXIS.steps)], label="x", cap=50.0, whole=False)

    assert 'class="cap"' in svg
    assert ">60<" in svg


def test_a_night_of_one_step_and_without_values_is_drawn_as_well() -> None:
    """A batch that has just begun."""
    axis = Axis.over(AXIS.begin_of(0), AXIS.begin_of(0))

    assert [[(52.0, 176.0)]] == points(over_time(axis, [Line(name="a", values=[0])], label="x"))


def test_names_are_escaped_everywhere() -> None:
    """A model's name comes from a catalogue that others write."""
    drawn = [
        over_time(AXIS, [Line(name=HOSTILE, values=[1] * AXIS.steps)], label=HOSTILE),
        bars({HOSTILE: (1.0,)}, label=HOSTILE, figures={HOSTILE: HOSTILE}),
    ]

    for svg in drawn:
        assert {"script"}.isdisjoint(element.tag for element in parsed(svg).iter())
        assert "style" not in svg


def test_of_two_values_the_smaller_lies_in_the_larger() -> None:
    """And has the first colour, which the legend gives to p50."""
    rects = list(parsed(bars({"m": (2.0, 4.0)}, label="x", figures={"m": "2 and 4"})).iter("rect"))

    assert ["bar c1", "bar c0"] == [rect.attrib["class"] for rect in rects]
    assert 2 * float(rects[1].attrib["width"]) == float(rects[0].attrib["width"])


@pytest.mark.parametrize(
    ("most", "whole", "step"),
    [(0, True, 1), (3, True, 1), (5, True, 2), (100, True, 30), (0.5, False, 0.2), (400, True, 100), (0, False, 1e-6)],
)
def test_ticks_are_round(most: float, whole: bool, step: float) -> None:
    """Whole numbers for things that are counted."""
    assert step == pytest.approx(scale(most, whole=whole))


def test_large_ticks_are_short() -> None:
    """The margin has room for six characters."""
    assert ["0", "0.25", "9000", "12k", "150k"] == [number(value) for value in (0, 0.25, 9000, 12_000, 150_000)]
