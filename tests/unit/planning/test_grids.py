"""Grids: what they expand to, what they cost to count, and what never changes."""

import json
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.planning.cells import Axis, Cells
from tests.support.manifests import HEAD, Desk

VALUES = {
    "ratio": ["1:1", "16:9", "9:16", "3:2"],
    "quality": ["low", "medium", "high"],
    "background": ["auto", "opaque"],
    "resolution": ["1k", "2k"],
}


@st.composite
def grids(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw a grid: some parameters in some order, each with some of its values."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=4))
    return {name: draw(st.lists(st.sampled_from(VALUES[name]), unique=True, min_size=1)) for name in names}


def body(grid: dict[str, list[str]], *, prompts: tuple[str, ...] = ("a", "b"), extra: str = "") -> str:
    """Write the rest of a manifest."""
    axes = ", ".join(f"{name}: [{', '.join(values)}]" for name, values in grid.items())
    return f"prompts: [{', '.join(prompts)}]\ngrid: {{{axes}}}\n{extra}"


relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


@relaxed
@given(grid=grids(), samples=st.integers(1, 3))
def test_the_count_is_the_expansion(desk: Desk, grid: dict[str, list[str]], samples: int) -> None:
    """Arithmetic and expansion agree, every key and position is unique, and the first axis is the slowest."""
    plan = desk.plan(body(grid, extra=f"samples: {samples}\n"))

    jobs = list(plan.jobs())

    assert plan.total == len(jobs) == len({job.key for job in jobs}) == len({job.position for job in jobs})
    first = [json.loads(job.params) for job in jobs if job.prompt == "a" and job.sample == 1]
    assert [dict(zip(grid, values, strict=True)) for values in product(*grid.values())] == [
        {name: params[name] for name in grid} for params in first
    ]


@relaxed
@given(grid=grids(), seed=st.randoms())
def test_order_names_and_tags_do_not_change_identity(desk: Desk, grid: dict[str, list[str]], seed: object) -> None:
    """Re-ordered keys and values, other names, tags, limits and outputs order nothing new."""
    shuffled = {name: list(reversed(values)) for name, values in reversed(grid.items())}
    head = HEAD.replace("study", "renamed") + "tags: [x]\nlimits: {in_flight: 9}\noutput: {name: '{{ key }}'}\norder: by_cell\n"

    before = {job.key for job in desk.jobs(body(grid))}
    after = {job.key for job in desk.jobs(body(shuffled, prompts=("{text: b, id: other}", "a")), head=head)}

    assert before == after


@relaxed
@given(grid=grids(), name=st.sampled_from(sorted(VALUES)))
def test_one_more_value_adds_exactly_its_rows(desk: Desk, grid: dict[str, list[str]], name: str) -> None:
    """Every key of before stays, and every new row has the new value."""
    smaller = {**grid, name: VALUES[name][:1]}
    larger = {**grid, name: VALUES[name][:2]}

    before = {job.key for job in desk.jobs(body(smaller))}
    after = desk.jobs(body(larger))

    new = [job for job in after if job.key not in before]
    assert before < {job.key for job in after}
    assert len(new) * 2 == len(after)
    assert {json.loads(job.params)[name] for job in new} == {VALUES[name][1]}


@relaxed
@given(grid=grids(), rule=grids())
def test_exclude_removes_exactly_what_matches(desk: Desk, grid: dict[str, list[str]], rule: dict[str, list[str]]) -> None:
    """An exclude rule on axes takes the matching cells away, and nothing else."""
    rule = {name: values for name, values in rule.items() if set(values) & set(grid.get(name, ()))}
    cells = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    kept = [cell for cell in cells if not all(cell[name] in values for name, values in rule.items())]
    if not rule or not kept:
        return
    written = ", ".join(f"{name}: [{', '.join(values)}]" for name, values in rule.items())

    jobs = desk.jobs(body(grid, prompts=("a",), extra=f"exclude: [{{{written}}}]\n"))

    assert kept == [{name: json.loads(job.params)[name] for name in grid} for job in jobs]


def test_zip_is_one_more_axis_and_the_fastest(desk: Desk) -> None:
    """Columns of a zip move together, inside every cell of the grid."""
    jobs = desk.jobs(body({"ratio": ["1:1", "16:9"]}, prompts=("a",), extra="zip: {resolution: [1k, 2k], quality: [low, high]}\n"))

    cells = [(job.cell, job.params) for job in jobs]
    assert [cell for cell, _ in cells] == ["1x1_1k-low", "1x1_2k-high", "16x9_1k-low", "16x9_2k-high"]
    assert json.loads(cells[1][1]) == {"model": "gpt-image-2", "ratio": "1:1", "resolution": "2k", "quality": "high"}


def test_include_adds_one_cell_with_its_own_parameters(desk: Desk) -> None:
    """An included cell need not name every axis: the rest comes from the layers below."""
    jobs = desk.jobs(body({"ratio": ["1:1"]}, prompts=("a",), extra="include: [{ratio: 21:9, quality: high}, {quality: low}]\n"))

    assert [(job.cell, json.loads(job.params)) for job in jobs] == [
        ("1x1", {"model": "gpt-image-2", "ratio": "1:1"}),
        ("21x9_high", {"model": "gpt-image-2", "ratio": "21:9", "quality": "high"}),
        ("low", {"model": "gpt-image-2", "quality": "low"}),
    ]


def test_include_is_not_subject_to_exclude(desk: Desk) -> None:
    """Exclude only removes from the product, include only adds: an excluded cell can be added again."""
    jobs = desk.jobs(
        body(
            {"ratio": ["1:1", "16:9"], "quality": ["low", "high"]},
            prompts=("a",),
            extra="exclude: [{ratio: 16:9}]\ninclude: [{ratio: 16:9, quality: low}]\n",
        )
    )

    assert [job.cell for job in jobs] == ["1x1_low", "1x1_high", "16x9_low_x2"]


@pytest.mark.parametrize("include", ["{ratio: 1:1}", "{quality: low, ratio: 1:1}", "{ratio: 9:16}, {ratio: 9:16}"])
def test_an_include_that_exists_is_refused(desk: Desk, include: str) -> None:
    """A cell is not bought twice by mistake, whether a default is spelled out or not."""
    head = HEAD.replace("{model", "{quality: low, model")

    problems = desk.problems(f"prompts: [a]\ngrid: {{ratio: [1:1]}}\ninclude: [{include}]\n", head=head)

    assert [problem.code for problem in problems] == ["E305"]


def test_overrides_change_matching_rows_in_order(desk: Desk) -> None:
    """Later overrides see what earlier ones did; unset leaves a parameter to the API."""
    extra = (
        "overrides:\n"
        "  - {when: {ratio: [16:9, 9:16]}, set: {quality: high}}\n"
        "  - {when: {quality: high}, set: {resolution: 2k}, unset: [quality]}\n"
        "  - {set: {background: opaque}}\n"
    )

    jobs = desk.jobs(body({"ratio": ["1:1", "16:9"]}, prompts=("a",), extra=extra))

    assert [json.loads(job.params) for job in jobs] == [
        {"model": "gpt-image-2", "ratio": "1:1", "background": "opaque"},
        {"model": "gpt-image-2", "ratio": "16:9", "background": "opaque", "resolution": "2k"},
    ]


def test_rules_with_unknown_names_are_left_out(desk: Desk) -> None:
    """An unknown parameter in a rule is told once, and nothing is concluded from the rule."""
    problems = desk.problems("prompts: [a]\ngrid: {ratio: [1:1]}\nexclude: [{raito: 3:1}]\noverrides: [{unset: [zzz]}]\n")

    assert [(problem.code, problem.line) for problem in problems] == [("E104", 6), ("E104", 7)]
    assert problems[1].hint.startswith("there are background, images, mask, model")


def test_an_override_that_matches_nothing_warns(desk: Desk) -> None:
    """It is told where it stands."""
    plan = desk.plan("prompts: [a]\noverrides: [{when: {model: nano-banana-2}, set: {ratio: 1:1}}]\n")

    assert [(w.code, w.line, w.column) for w in plan.warnings] == [("W301", 5, 13)]


def test_precedence_is_as_documented(desk: Desk) -> None:
    """Defaults < sweep params < cell < prompt params < overrides < --set."""
    text = (
        "version: 1\nname: x\n"
        "defaults: {model: gpt-image-2, ratio: 1:1, quality: low, resolution: 1k, background: auto, moderation: auto}\n"
        "sweeps:\n"
        "  - name: s\n"
        "    params: {quality: medium, resolution: 1k, background: auto, moderation: auto, output_format: png}\n"
        "    prompts: [{text: a, params: {background: opaque, moderation: auto, output_format: png}}]\n"
        "    grid: {resolution: [2k]}\n"
        "    overrides: [{set: {moderation: low, output_format: png}}]\n"
    )

    plan = desk.plan(text, head="", sets=["output_format=webp"])

    job = next(plan.jobs())
    assert json.loads(job.params) == {
        "model": "gpt-image-2",
        "ratio": "1:1",
        "quality": "medium",
        "resolution": "2k",
        "background": "opaque",
        "moderation": "low",
        "output_format": "webp",
    }
    assert [(found.param, found.layer, found.place.removeprefix(str(desk.path))) for found in plan.explain(job.key[:6])] == [
        ("background", "prompt", ":7:46"),
        ("model", "defaults", ":3:19"),
        ("moderation", "overrides", ":9:36"),
        ("output_format", "--set", "the command line"),
        ("quality", "params", ":6:23"),
        ("ratio", "defaults", ":3:39"),
        ("resolution", "grid", ":8:25"),
    ]


def test_values_survive_as_text(desk: Desk) -> None:
    """no, on, 010, 1e3, dates and ratios are texts, from the file to the wire."""
    words = ["no", "on", "010", "1e3", "2026-11-22", "21:9", "1_0", ".nan", "true"]

    jobs = desk.jobs(body({"output_format": words}, prompts=tuple(words)))

    assert words * len(words) == [json.loads(job.params)["output_format"] for job in jobs]
    assert words == list(dict.fromkeys(job.prompt for job in jobs))


def test_a_single_value_is_an_axis_of_one(desk: Desk) -> None:
    """A scalar in a grid fans out to one cell."""
    assert [job.cell for job in desk.jobs("prompts: [a]\ngrid: {ratio: 16:9}\n")] == ["16x9"]


def test_labels_of_cells_are_unique() -> None:
    """Values that look alike as file names get numbers."""
    axis = Axis(section="grid", names=("x",), points=(("a b",), ("a-b",), ("a_b",)))
    cells = Cells(axes=(axis,), base={}, include=({"x": "a/b"}, {"y": "a.b"}, {"y": "a.b", "z": "c"}))

    assert [cell.label for cell in cells] == ["a-b", "a-b-2", "a-b-3", "a-b_x2", "a.b", "a.b_c"]


def test_an_include_beside_the_plain_cell_has_its_own_label() -> None:
    """Without axes the only cell is called after its model."""
    cells = Cells(axes=(), base={"model": "m"}, include=({"model": "m", "x": "y"}, {"model": "m"}))

    assert [cell.label for cell in cells] == ["m", "m_y", "m_x2"]


def test_six_axes_of_a_thousand_are_refused_by_arithmetic(desk: Desk) -> None:
    """Nothing is expanded to see that 10^18 rows are too many, and the axes are named."""
    names = ("ratio", "quality", "background", "resolution", "moderation", "output_format")
    grid = {name: [f"v{number}" for number in range(1000)] for name in names}

    problems = desk.problems(body(grid, prompts=("a",)))

    assert [problem.code for problem in problems] == ["E307"]
    assert "1,000,000,000,000,000,000 rows" in problems[0].message
    assert "ratio 1,000 x quality 1,000" in problems[0].message


def test_max_jobs_is_the_bound(desk: Desk) -> None:
    """Exactly as many are allowed, one more is not; exclude rules are taken into account."""
    grid = {"ratio": ["1:1", "16:9"], "quality": ["low", "high"]}

    assert desk.plan(body(grid), max_jobs=8).total == 8
    assert [problem.code for problem in desk.problems(body(grid), max_jobs=7)] == ["E307"]
    assert desk.plan(body(grid, extra="exclude: [{ratio: 1:1, quality: low}]\n"), max_jobs=6).total == 6
    excluded = desk.problems(body(grid, extra="exclude: [{ratio: 1:1, quality: low}]\n"), max_jobs=5)
    assert [problem.code for problem in excluded] == ["E307"]


def test_rows_of_files_count_against_the_bound(desk: Desk) -> None:
    """A file is counted before it is refused."""
    desk.put("p.txt", "a\nb\nc\n")

    problems = desk.problems("prompts: [{file: p.txt}]\n", max_jobs=2)

    assert [(problem.code, problem.message) for problem in problems] == [("E307", "3 rows; 2 are allowed")]


def test_a_grid_larger_than_what_is_held_streams(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that are not held are resolved anew, with the same result."""
    text = body({"ratio": ["1:1", "16:9"], "quality": ["low", "high"]})
    held = desk.jobs(text)

    monkeypatch.setattr("batchgen.planning.orders.HELD_CELLS", 3)

    assert held == desk.jobs(text)


def test_many_kinds_of_prompts_share_the_memory_for_cells(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held cells are dropped and resolved again when prompts bring many parameters of their own."""
    desk.put("p.csv", "prompt,quality\n" + "".join(f"p{number},q{number % 5}\n" for number in range(20)))
    text = "prompts: [{file: p.csv, prompt: prompt, params: {quality: quality}}]\n"
    held = desk.jobs(text)

    monkeypatch.setattr("batchgen.planning.orders.HELD_VARIANTS", 2)

    assert held == desk.jobs(text)
