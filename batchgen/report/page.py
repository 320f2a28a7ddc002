"""The page of a batch: one HTML file that holds its own style, script and facts, and asks no network for anything.

Prompts, answers and names are hostile text. Jinja escapes what it writes, the facts are JSON without a ``<``, the script writes text nodes
only, and the page's policy (Content Security Policy Level 3) lets nothing run but the one script and style whose hashes it names.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader

from batchgen.core.money import from_micros, shown
from batchgen.report import charts
from batchgen.report.claims import Claim
from batchgen.report.night import Axis, Night

HEAD: Final = "<!doctype html>\n<!-- batchgen.report/1 -->\n"
"""How every page begins; by it a page of ours is known, and may be replaced."""
_ROWS: Final = 12
"""Lines of a table beside a chart over time; its steps are put together to so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What the page tells of the night as a whole: the morning's lines, its figures, the cap in micros, and pauses as steps."""

    lines: Sequence[str]
    unit: str
    night: Night | None = None
    cap: int | None = None
    pauses: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page shows. ``jobs`` are plain objects as ``page.js`` reads them; each names its prompt by its place in ``prompts``.

    ``every_s`` is how often a page that is served asks for news after ``cursor``; 0 for one that lies in a folder.
    """

    batch: str
    headline: str
    evening: Evening
    prompts: Sequence[str]
    jobs: Sequence[Mapping[str, Any]]
    claims: Sequence[Claim] = ()
    tags: Sequence[str] = ()
    every_s: float = 0.0
    cursor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chart:
    """A chart with its numbers: the rows of the table beside it."""

    title: str
    svg: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[str] = field(default=())


def render(page: Page) -> str:
    """Write the page."""
    style, script = _part("page.css"), _part("page.js")
    facts = {
        "schema": "batchgen.report/1",
        "batch": page.batch,
        "unit": page.evening.unit,
        "tags": list(page.tags),
        "every_s": page.every_s,
        "cursor": page.cursor,
        "prompts": list(page.prompts),
        "jobs": list(page.jobs),
    }
    return HEAD + _templates().get_template("page.html.j2").render(
        batch=page.batch,
        headline=page.headline,
        policy=policy(style, script, is_served=page.every_s > 0),
        style=style,
        script=script,
        data=harmless_json(facts),
        night=night_part(page.evening),
        claims=page.claims,
        claim_list=claims_part(page.claims),
    )


def night_part(evening: Evening) -> str:
    """Write the lines and charts of the night as a piece of HTML."""
    drawn = [] if evening.night is None else _charts(evening.night, evening)
    return _templates().get_template("night.html.j2").render(lines=evening.lines, charts=drawn, colors=charts.COLORS)


def claims_part(claims: Sequence[Claim]) -> str:
    """Write the list of claims as a piece of HTML."""
    return _templates().get_template("claims.html.j2").render(claims=claims)


def policy(style: str, script: str, *, is_served: bool) -> str:
    """Give the content security policy: pictures from beside the page, one style, one script; news only where the page is served."""
    parts = [
        "default-src 'none'",
        "img-src 'self' data:",
        "media-src 'self'",
        f"style-src '{_hash_source(style)}'",
        f"script-src '{_hash_source(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join([*parts, "connect-src 'self'"] if is_served else parts)


def harmless_json(facts: object) -> str:
    """Write JSON that means nothing to HTML, wherever it stands."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _charts(night: Night, evening: Evening) -> list[_Chart]:
    axis, unit, pauses = night.axis, evening.unit, evening.pauses
    found = [
        _over_time("In flight", axis, {"tasks in flight": night.in_flight()}, pauses=pauses, is_sum=False),
        _over_time(f"Done every {_length(axis.step_s)}", axis, {"saved": night.saved, "failed": night.failed}, pauses=pauses),
    ]
    if spent := night.spent():
        found.append(_cost(axis, spent, evening.cap, unit))
    if latencies := night.latencies():
        figures = {model: f"p50 {one.p50_s:.1f} s, p95 {one.p95_s:.1f} s" for model, one in latencies.items()}
        values = {model: (one.p50_s, one.p95_s) for model, one in latencies.items()}
        rows = [(model, f"{one.tasks:,}", f"{one.p50_s:.1f} s", f"{one.p95_s:.1f} s") for model, one in latencies.items()]
        svg = charts.bars(values, label="Seconds from an accepted order to its result, by model", figures=figures)
        found.append(_chart("Latency by model", svg, ("model", "tasks", "p50", "p95"), rows, legend=("p50", "p95")))
    if night.causes:
        causes = dict(night.causes.most_common())
        svg = charts.bars(
            {cause: (jobs,) for cause, jobs in causes.items()}, label="Failures by cause", figures={c: f"{n:,}" for c, n in causes.items()}
        )
        found.append(_chart("Failures by cause", svg, ("cause", "jobs"), [(cause, f"{jobs:,}") for cause, jobs in causes.items()]))
    if any(night.throttled) or pauses:
        found.append(_over_time("Throttled answers and pauses (shaded)", axis, {"throttled": night.throttled}, pauses=pauses))
    return found


def _over_time(
    title: str, axis: Axis, values: Mapping[str, Sequence[int]], *, pauses: Sequence[tuple[int, int]], is_sum: bool = True
) -> _Chart:
    lines = [charts.Line(name=name, values=row) for name, row in values.items()]
    svg = charts.over_time(axis, lines, label=title, bands=pauses)
    rows = [
        (f"{axis.begin_of(first):%m-%d %H:%M:%S}", *(f"{(sum if is_sum else max)(row[first:end]):,}" for row in values.values()))
        for first, end in _groups(axis)
    ]
    return _chart(title, svg, ("from", *values), rows, legend=tuple(values))


def _cost(axis: Axis, spent: Mapping[str, Sequence[int]], cap: int | None, unit: str) -> _Chart:
    lines = [charts.Line(name=model, values=[float(from_micros(micros)) for micros in row]) for model, row in spent.items()]
    total = [sum(row[step] for row in spent.values()) for step in range(axis.steps)]
    if len(lines) > 1:
        lines.append(charts.Line(name="all", values=[float(from_micros(micros)) for micros in total]))
    level = None if cap is None else float(from_micros(cap))
    title = f"Cost in {unit or 'the unit of the vendor'}, orders in doubt included"
    svg = charts.over_time(axis, lines, label=title, cap=level, whole=False)
    rows = [(model, shown(row[-1], unit), _share(row[-1], total[-1])) for model, row in spent.items()]
    rows.append(("all", shown(total[-1], unit), "" if cap is None else f"{_share(total[-1], cap)} of the limit of {shown(cap, unit)}"))
    return _chart(title, svg, ("model", "cost", "share"), rows, legend=tuple(line.name for line in lines))


def _chart(title: str, svg: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, legend: Sequence[str] = ()) -> _Chart:
    return _Chart(title=title, svg=svg, columns=columns, rows=rows, legend=legend)


def _groups(axis: Axis) -> list[tuple[int, int]]:
    size = -(-axis.steps // _ROWS)
    return [(first, min(axis.steps, first + size)) for first in range(0, axis.steps, size)]


def _share(part: int, whole: int) -> str:
    return f"{Decimal(part) / Decimal(whole):.1%}" if whole else ""


def _length(length_s: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if length_s % size == 0:
            return name if length_s == size else f"{length_s // size} {name}s"
    return f"{length_s} seconds"


def _hash_source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str) -> str:
    return files("batchgen.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("batchgen", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
