"""Charts as SVG text: made for a page that allows no style attribute, no script and no network, so all looks come from classes.

Every chart is 640 units wide and scales with the page. Texts are escaped; numbers stand beside each chart in a table that the page writes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from batchgen.report.night import Axis

WIDTH: Final = 640
HEIGHT: Final = 200
_LEFT: Final = 52
_RIGHT: Final = 12
_TOP: Final = 10
_BOTTOM: Final = 24
_PLOT_WIDTH: Final = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT: Final = HEIGHT - _TOP - _BOTTOM
_BAR: Final = 22
_LABEL: Final = 190
_LABEL_CHARS: Final = 28
_FIGURES: Final = 130
_TICKS: Final = 4
COLORS: Final = 8
"""How many colours the page has for lines; more lines begin again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart: its name and a value for every step."""

    name: str
    values: Sequence[float]


def over_time(
    axis: Axis,
    lines: Sequence[Line],
    *,
    label: str,
    cap: float | None = None,
    bands: Sequence[tuple[int, int]] = (),
    whole: bool = True,
) -> str:
    """Draw lines over time; ``cap`` is a level that must not be passed, ``bands`` are shaded steps, first and last.

    Ticks are whole numbers where the values are ``whole``.
    """
    most = max([0.0, cap or 0.0, *(value for line in lines for value in line.values)])
    top = scale(most, whole=whole) * _TICKS
    parts = [_shade(axis, first, last) for first, last in bands]
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        y = _y(value, top)
        parts.append(f'<line class="rule" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    marks = _marks(axis)
    for step in marks:
        anchor = "end" if step == marks[-1] and step else "middle"
        parts.append(f'<text class="tick" x="{_x(axis, step):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{_clock(axis, step)}</text>')
    for index, line in enumerate(lines):
        points = " ".join(f"{_x(axis, step):.1f},{_y(value, top):.1f}" for step, value in enumerate(line.values))
        parts.append(f'<polyline class="line c{index % COLORS}" points="{points}"><title>{escape(line.name)}</title></polyline>')
    if cap is not None:
        y = _y(cap, top)
        parts.append(f'<line class="cap" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{WIDTH - _RIGHT}" y="{y - 4:.1f}" text-anchor="end">limit</text>')
    return _svg(label, HEIGHT, parts)


def bars(values: Mapping[str, Sequence[float]], *, label: str, figures: Mapping[str, str]) -> str:
    """Draw bars that lie; of several values of a name the largest comes first and the others lie in it. ``figures`` stand at their ends."""
    most = max([1e-9, *(value for row in values.values() for value in row)])
    room = WIDTH - _LABEL - _FIGURES
    parts = []
    for row, (name, lengths) in enumerate(values.items()):
        y = row * _BAR + 4
        parts.append(f'<text class="name" x="{_LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(shortened(name))}</text>')
        for index, value in enumerate(sorted(lengths, reverse=True)):
            shade = f"c{0 if len(lengths) == 1 else len(lengths) - 1 - index}"
            parts.append(
                f'<rect class="bar {shade}" x="{_LABEL}" y="{y}" width="{max(1.0, value / most * room):.1f}" height="{_BAR - 6}"/>'
            )
        end = _LABEL + max(lengths) / most * room + 6
        parts.append(f'<text class="figure" x="{end:.1f}" y="{y + 13}">{escape(figures[name])}</text>')
    return _svg(label, len(values) * _BAR + 8, parts)


def scale(most: float, *, whole: bool) -> float:
    """Give the distance of the ticks: 1, 2, 3 or 5 times a power of ten, and a whole number where the values are ``whole``."""
    wanted = max(most / _TICKS, 1.0 if whole else 1e-6)
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step for factor in (1, 2, 3, 5, 10) if (step := power * factor) >= wanted * (1 - 1e-9))


def number(value: float) -> str:
    """Write a tick, without digits that say nothing."""
    return f"{value / 1000:.6g}k" if value >= 10_000 else f"{value:.6g}"


def shortened(name: str) -> str:
    """Cut a name to what fits before a bar."""
    return name if len(name) <= _LABEL_CHARS else name[: _LABEL_CHARS - 1] + "…"


def _svg(label: str, height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _x(axis: Axis, step: float) -> float:
    return _LEFT + _PLOT_WIDTH * step / max(1, axis.steps - 1)


def _y(value: float, top: float) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - max(0.0, value) / top)


def _shade(axis: Axis, first: int, last: int) -> str:
    left, right = _x(axis, first), _x(axis, last)
    return f'<rect class="band" x="{left:.1f}" y="{_TOP}" width="{max(2.0, right - left):.1f}" height="{_PLOT_HEIGHT}"/>'


def _marks(axis: Axis) -> list[int]:
    """Give the steps that are named below the plot."""
    if axis.steps == 1:
        return [0]
    count = min(6, axis.steps)
    return sorted({round(index * (axis.steps - 1) / (count - 1)) for index in range(count)})


def _clock(axis: Axis, step: int) -> str:
    at = axis.begin_of(step)
    if axis.step_s * axis.steps > 2 * 86_400:
        return f"{at:%m-%d %H:%M}"
    return f"{at:%H:%M:%S}" if axis.step_s < 60 else f"{at:%H:%M}"
