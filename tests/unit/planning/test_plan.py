"""Plans: identity, order, repeats, filters, forced values, explanations."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from batchgen.core.errors import InputError, ManifestError
from batchgen.core.jobs import JobSpec
from batchgen.planning.loader import load
from tests.support.manifests import HEAD, Desk
from tests.support.rules import LONGEST_GROK_PROMPT, rules_for

PNG = b"\x89PNG\r\n\x1a\n"


def by_position(jobs: list[JobSpec]) -> list[tuple[str, str, int]]:
    """Give prompt, cell and sample in running order."""
    return [(job.prompt, job.cell, job.sample) for job in sorted(jobs, key=lambda job: job.position)]


def test_a_key_is_the_hash_of_what_goes_over_the_wire(desk: Desk) -> None:
    """Canonical JSON of dialect, operation, parameters, prompt, references, sample and ordinal."""
    job = desk.jobs('prompts: ["é \\" {{ x }}"]\ngrid: {ratio: [16:9]}\n')[0]

    identity = '["jimmyai","image",{"model":"gpt-image-2","ratio":"16:9"},"é \\" {{ x }}",[],1,0]'
    assert hashlib.sha256(identity.encode()).hexdigest()[:32] == job.key
    assert json.loads(identity)[2] == json.loads(job.params)


def test_keys_of_earlier_versions_stay(desk: Desk) -> None:
    """Rows without images, with an image by its address or by its content, and repeats: nothing is ordered again."""
    desk.put("refs/a.png", PNG + b"a")
    body = (
        'references: {a: {path: refs/a.png}, w: {url: "https://example.com/w.png"}}\n'
        "sweeps:\n"
        '  - {prompts: [A fox, "é \\" {{ x }}"], grid: {ratio: [1:1, 16:9]}, samples: 2}\n'
        "  - {prompts: [A fox], params: {images: a}}\n"
        "  - {prompts: [A fox], grid: {images: [w, a]}}\n"
        "  - {prompts: [A heron, A heron], samples: 2}\n"
    )

    assert [job.key for job in desk.jobs(body)] == [
        "1f46d02b8716ade88797e7bcd0cd9294",
        "ea1fd3ad183647e9868d737156471895",
        "73936c98d08d2ece0db15fe9995b9d3d",
        "8a1f918a83b5c0c8e29a2f4bdffd4eb8",
        "2e93e53759675cd0e89697741045b347",
        "a4c6739acb875169072cbef2016ef3ac",
        "fef17b56bd37dc2254f8d013dfac5e72",
        "1561871bfe235d8f1d1c32013c7a4bb1",
        "92315a42daec14c9b3ff19f5a0f90730",
        "83f943a9d3096a247114513859c839fc",
        "c5c3499d30baa5d4e9431bd9fe2248cb",
        "bd9a1c0b919244b2023ca369c0b08d77",
        "c49697c6f4d01b3afbcd81415e2e8937",
        "c8255414a93f98282dff7f12b5b8e188",
        "1ba5e25ae219277dedf36459c0a11aad",
    ]


def test_the_simulator_shares_the_identity_of_its_vendor(desk: Desk) -> None:
    """Moving from the simulator to the vendor is a matter of the batch, not of the job."""
    body = "prompts: [a]\nprovider: {use: sim, sim: {profile: rough, seed: 7}}\n"

    plan = desk.plan(body)

    assert plan.settings.provider.sim == {"profile": "rough", "seed": "7"}
    assert [job.key for job in plan.jobs()] == [job.key for job in desk.jobs("prompts: [a]\n")]


def test_references_are_known_by_their_content(desk: Desk) -> None:
    """Another name or path for the same bytes is the same job, other bytes are another."""
    desk.put("a.png", PNG + b"1")
    desk.put("b/copy.png", PNG + b"1")
    desk.put("c.png", PNG + b"2")
    body = "references: {%s: {path: %s}}\nprompts: [{text: x, params: {images: [%s]}}]\n"

    first, renamed, other = (
        desk.jobs(body % (name, path, name))[0] for name, path in (("shoe", "a.png"), ("boot", "b/copy.png"), ("shoe", "c.png"))
    )

    assert first.key == renamed.key != other.key
    digest = hashlib.sha256(PNG + b"1").hexdigest()
    assert json.loads(first.references) == [{"name": "shoe", "sha256": digest}]
    assert "images" not in json.loads(first.params)


def test_a_grid_may_range_over_references(desk: Desk) -> None:
    """Each value is a name or a list of names; the plan knows the files."""
    desk.put("a.png", PNG)
    body = 'references: {a: {path: a.png}, w: {url: "https://example.com/w.png"}}\nprompts: [x]\ngrid: {images: [a, w, [w]]}\n'

    plan = desk.plan(body)

    jobs = list(plan.jobs())
    assert [[image["name"] for image in json.loads(job.references)] for job in jobs] == [["a"], ["w"], ["w"]]
    assert [job.cell for job in jobs] == ["a", "w", "w-2"]
    assert [(file.path, file.prompts) for file in plan.files] == [("a.png", 0)]
    assert plan.settings.references["w"].url == "https://example.com/w.png"


def test_repeated_texts_stay_and_are_counted(desk: Desk) -> None:
    """N prompts in, n rows out, each with its own key; a warning counts the repeats."""
    body = "prompts: [a, {text: a, id: again}, b, {text: a, params: {quality: low}}]\nsamples: 2\n"

    plan = desk.plan(body)

    jobs = list(plan.jobs())
    assert [(job.prompt_id, job.sample, job.ordinal) for job in jobs if job.prompt == "a"] == [
        ("p1", 1, 0),
        ("p1", 2, 0),
        ("again", 1, 1),
        ("again", 2, 1),
        ("p4", 1, 0),
        ("p4", 2, 0),
    ]
    assert len({job.key for job in jobs}) == plan.total == 8
    assert (2, ["W302"]) == (plan.summary.repeats, [warning.code for warning in plan.warnings])


def test_the_first_of_repeated_texts_keeps_its_key(desk: Desk) -> None:
    """Adding a repetition orders one more image and nothing else."""
    before = {job.key for job in desk.jobs("prompts: [a, b]\n")}

    after = {job.key for job in desk.jobs("prompts: [b, a, a]\n")}

    assert before < after
    assert len(after) == 3


def test_repeats_can_be_merged(desk: Desk) -> None:
    """Under duplicates: merge an order stands once, and the counts say so."""
    body = "duplicates: merge\nprompts: [a, a, b]\ngrid: {quality: [low, high]}\noverrides: [{unset: [quality]}]\nsamples: 2\n"

    plan = desk.plan(body)

    jobs = list(plan.jobs())
    assert plan.total == len(jobs) == 4
    assert {"gpt-image-2": 4} == plan.summary.models
    assert {job.ordinal for job in jobs} == {0}


def test_cells_that_coincide_are_repeats(desk: Desk) -> None:
    """Overrides can make two cells the same order; both rows stay, with a warning."""
    plan = desk.plan("prompts: [a]\ngrid: {quality: [low, high]}\noverrides: [{unset: [quality]}]\n")

    assert [(job.cell, job.ordinal) for job in plan.jobs()] == [("low", 0), ("high", 1)]
    assert plan.summary.repeats == 1


def test_sweeps_repeat_each_other_sample_by_sample(desk: Desk) -> None:
    """A second sweep with more samples of the same order repeats only those that were there."""
    body = "sweeps:\n  - {prompts: [a], samples: 2}\n  - {prompts: [a], samples: 3}\n"

    plan = desk.plan(body)

    assert [(job.sweep, job.sample, job.ordinal) for job in plan.jobs()] == [
        ("sweep1", 1, 0),
        ("sweep1", 2, 0),
        ("sweep2", 1, 1),
        ("sweep2", 2, 1),
        ("sweep2", 3, 0),
    ]
    assert plan.summary.repeats == 2


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (
            "by_sample",
            [
                ("a", "1k", 1),
                ("a", "2k", 1),
                ("b", "1k", 1),
                ("b", "2k", 1),
                ("a", "1k", 2),
                ("a", "2k", 2),
                ("b", "1k", 2),
                ("b", "2k", 2),
            ],
        ),
        (
            "by_prompt",
            [
                ("a", "1k", 1),
                ("a", "1k", 2),
                ("a", "2k", 1),
                ("a", "2k", 2),
                ("b", "1k", 1),
                ("b", "1k", 2),
                ("b", "2k", 1),
                ("b", "2k", 2),
            ],
        ),
        (
            "by_cell",
            [
                ("a", "1k", 1),
                ("a", "1k", 2),
                ("b", "1k", 1),
                ("b", "1k", 2),
                ("a", "2k", 1),
                ("a", "2k", 2),
                ("b", "2k", 1),
                ("b", "2k", 2),
            ],
        ),
    ],
)
def test_order_decides_what_runs_first(desk: Desk, order: str, expected: list[tuple[str, str, int]]) -> None:
    """Positions put samples, prompts or cells first."""
    body = f"order: {order}\nprompts: [a, b]\ngrid: {{resolution: [1k, 2k]}}\nsamples: 2\n"

    assert expected == by_position(desk.jobs(body))


@pytest.mark.parametrize("order", ["by_sample", "by_prompt", "by_cell", "coverage", "shuffle", "{shuffle: 3}"])
def test_positions_are_unique_over_sweeps(desk: Desk, order: str) -> None:
    """No two rows of a batch share a position, whatever the sizes of its sweeps."""
    body = (
        f"order: {order}\nsweeps:\n  - {{prompts: [a, b], grid: {{resolution: [1k, 2k]}}, samples: 3}}\n  - {{prompts: [c], samples: 2}}\n"
    )

    jobs = desk.jobs(body)

    assert len({job.position for job in jobs}) == len(jobs) == 14


@pytest.mark.parametrize("order", ["by_sample", "by_prompt", "by_cell", "coverage", "shuffle"])
def test_a_sweep_of_higher_priority_runs_first(desk: Desk, order: str) -> None:
    """Whatever the order within; positions stay unique."""
    sweeps = "".join(
        f"  - {{name: {name}, priority: {priority}, prompts: [{name}1, {name}2], grid: {{resolution: [1k, 2k]}}, samples: {samples}}}\n"
        for name, priority, samples in (("late", 0, 3), ("first", 9, 2), ("next", 5, 1), ("also", 0, 1))
    )

    jobs = sorted(desk.jobs(f"order: {order}\nsweeps:\n{sweeps}"), key=lambda job: job.position)

    assert ["first"] * 8 + ["next"] * 4 == [job.sweep for job in jobs[:12]]
    assert len({job.position for job in jobs}) == len(jobs) == 28


@pytest.mark.parametrize("rows", [6, 12, 24, 60, 90])
def test_whatever_has_run_so_far_covers_every_axis_evenly(desk: Desk, rows: int) -> None:
    """No value of an axis is ahead of another by more than two rows, no prompt by more than one, until all have run."""
    body = (
        "order: coverage\nprompts: [{template: '{{ n }}', vars: {n: [a, b, c, d, e, f, g, h, i]}}]\n"
        "grid: {ratio: [1:1, 16:9], resolution: [1k, 2k], quality: [low, medium, high]}\n"
    )
    jobs = sorted(desk.jobs(body), key=lambda job: job.position)[:rows]

    for axis in ("ratio", "resolution", "quality"):
        seen = Counter(json.loads(job.params)[axis] for job in jobs)
        assert max(seen.values()) - min(seen.values()) <= 2, (axis, seen)
    prompts = Counter(job.prompt for job in jobs)
    assert max(prompts.values()) - min(prompts.values() if rows >= 9 else [0]) <= 1


def test_sweeps_under_coverage_advance_together(desk: Desk) -> None:
    """After half of the rows, half of each sweep has run."""
    sweeps = "  - {name: big, prompts: [{template: '{{ n }}', vars: {n: [a, b, c, d, e, f, g, h]}}]}\n  - {name: small, prompts: [x, y]}\n"

    jobs = sorted(desk.jobs(f"order: coverage\nsweeps:\n{sweeps}"), key=lambda job: job.position)

    assert {"big": 4, "small": 1} == Counter(job.sweep for job in jobs[:5])


def test_a_shuffle_depends_on_its_seed_alone(desk: Desk) -> None:
    """The same seed is the same order, another is another."""
    body = "order: {shuffle: %d}\nprompts: [{template: '{{ n }}', vars: {n: [a, b, c, d, e, f, g, h]}}]\n"

    orders = [by_position(desk.jobs(body % seed)) for seed in (1, 1, 2)]

    assert orders[0] == orders[1] != orders[2]


def test_templates_combine_their_variables(desk: Desk) -> None:
    """A product has the first variable slowest; a zip goes side by side; values are labels."""
    desk.put("styles.txt", "flat\n\nwoodcut")
    body = (
        "prompts:\n"
        '  - {template: "A {{ animal }}, {{ style | upper }}", vars: {animal: [fox, heron], style: {lines: styles.txt}}}\n'
        '  - {template: "{{ a }}{{ b }}", vars: {a: [x, y], b: [1, 2]}, combine: zip, id: z, params: {quality: low}}\n'
        "  - {template: plain}\n"
    )

    jobs = desk.jobs(body)

    assert [(job.prompt_id, job.prompt) for job in jobs] == [
        ("t1-1", "A fox, FLAT"),
        ("t1-2", "A fox, WOODCUT"),
        ("t1-3", "A heron, FLAT"),
        ("t1-4", "A heron, WOODCUT"),
        ("z-1", "x1"),
        ("z-2", "y2"),
        ("t3-1", "plain"),
    ]
    assert json.loads(jobs[1].labels) == {"animal": "fox", "style": "woodcut"}


def test_a_template_that_gives_nothing_or_too_much_is_refused(desk: Desk) -> None:
    """An empty result is no prompt, and a result has a bound."""
    long = "x" * 20_000

    empty = "  - {template: '{{ a }}', vars: {a: [' ']}}\n"
    endless = f"  - {{template: '{{{{ b }}}}{{{{ b }}}}', vars: {{b: [{long}]}}}}\n"

    problems = desk.problems(f"prompts:\n{empty}{endless}")

    assert [(problem.line, problem.code) for problem in problems] == [(5, "E205"), (6, "E503")]


def test_a_missing_file_of_lines_is_told(desk: Desk) -> None:
    """With the name of a file that is there."""
    desk.put("styles.txt", "flat")

    problems = desk.problems("prompts: [{template: '{{ s }}', vars: {s: {lines: style.txt}}}]\n")

    assert [(problem.code, problem.hint) for problem in problems] == [("E201", "did you mean 'styles.txt'?")]


def test_only_filters_rows_without_changing_their_keys(desk: Desk) -> None:
    """Filters on parameters, labels, sweeps and ids; any of a repeated key; repeats keep their numbers."""
    body = (
        "sweeps:\n"
        "  - {name: one, prompts: [{text: a, id: x, vars: {kind: k}}, {text: a, id: y}], grid: {ratio: [1:1, 16:9, 9:16]}}\n"
        "  - {name: two, prompts: [{text: a, id: x}, {text: c, id: z}]}\n"
    )
    everything = {job.key: job for job in desk.jobs(body)}

    def kept(*only: str) -> list[JobSpec]:
        plan = desk.plan(body, only=only)
        jobs = list(plan.jobs())
        assert plan.total == len(jobs) == plan.summary.models["gpt-image-2"]
        assert all(everything[job.key] == job for job in jobs)
        return jobs

    assert len(kept("ratio=1:1", "ratio=16:9")) == 4
    assert [(job.sweep, job.prompt_id) for job in kept("sweep=two")] == [("two", "x"), ("two", "z")]
    assert len(kept("prompt_id=y")) == 3
    assert len(kept("kind=k")) == 3
    assert [job.ordinal for job in kept("prompt_id=y", "ratio=1:1")] == [1]


@pytest.mark.parametrize(
    ("options", "code", "path"),
    [
        ({"only": ["ratio"]}, "E309", "--only ratio"),
        ({"only": ["sweep=studdy"]}, "E309", "--only sweep=studdy"),
        ({"sets": ["ratio="]}, "E309", "--set ratio="),
        ({"sets": ["raito=1:1"]}, "E309", "--set raito=1:1"),
        ({"sets": ["images=x"]}, "E103", None),
        ({"only": ["colour=red"]}, "E308", None),
    ],
)
def test_options_that_cannot_be_used_are_problems(desk: Desk, options: dict[str, list[str]], code: str, path: str | None) -> None:
    """What the command line says is checked like the manifest."""
    problems = desk.problems("prompts: [a]\n", **options)

    assert [(problem.code, problem.path) for problem in problems] == [(code, path or str(desk.path))]


def test_impossible_cells_can_be_skipped(desk: Desk) -> None:
    """They are left out and counted, by sweep or for the whole manifest."""
    grid = "grid: {resolution: [4k], ratio: [1:1, 16:9, 3:2]}"

    whole = desk.plan(f"invalid_cells: skip\nprompts: [a, b]\nsamples: 2\n{grid}\n")
    single = desk.plan(f"sweeps:\n  - {{prompts: [a, b], samples: 2, {grid}, invalid_cells: skip}}\n")

    for plan in (whole, single):
        sweep = plan.summary.sweeps[0]
        assert (3, 4, 2, 8) == (sweep.cells, sweep.rows, sweep.dropped, sweep.dropped_rows)
        assert [job.cell for job in plan.jobs()] == ["4k_16x9"] * 4


def test_an_impossible_cell_is_named_and_located(desk: Desk) -> None:
    """The message names the combination, the hint what would do."""
    problems = desk.problems("prompts: [a]\ngrid: {model: [gpt-image-2], resolution: [4k], ratio: [1:1]}\n")

    assert [(problem.code, problem.line, problem.column) for problem in problems] == [("E401", 5, 56)]
    assert "model=gpt-image-2, resolution=4k, ratio=1:1 is impossible" in problems[0].message
    assert "at 4k only" in problems[0].hint


@pytest.mark.parametrize(
    ("body", "options", "place"),
    [
        ("defaults: {model: gpt-image-2, ratio: 5:1}\nprompts: [a]\n", {}, "3:39 E401"),
        ("defaults: {model: gpt-image-2}\nprompts: [a]\n", {"sets": ["ratio=5:1"]}, "1:1 E401"),
        ("prompts: [a]\ninclude: [{model: gpt-image-2, ratio: 5:1}]\ndefaults: {model: x}\n", {}, "4:39 E401"),
        ("defaults: {model: gpt-image-2}\nprompts: [a]\noverrides: [{set: {ratio: 5:1}}]\n", {}, "5:27 E401"),
        ("defaults: {model: gpt-image-2, resolution: 4k}\nprompts: [a]\n", {}, "1:1 E401"),
        ("defaults: {model: gpt-image-2}\nprompts: [{text: a, params: {ratio: 5:1}}]\n", {}, "4:37 E402"),
        ("defaults: {model: gpt-image-2, resolution: 4k}\nprompts: [{text: a, params: {quality: low}}]\n", {}, "1:1 E401"),
    ],
)
def test_the_layer_at_fault_is_pointed_at(desk: Desk, body: str, options: dict[str, list[str]], place: str) -> None:
    """An impossible value is shown where it was set."""
    problems = desk.problems(body, head="version: 1\nname: x\n", **options)

    found = [f"{problem.line}:{problem.column} {problem.code}" for problem in problems if problem.severity == "error"]
    assert [place] == found


def test_an_impossible_row_of_a_file_is_located_there(desk: Desk) -> None:
    """File and line of the first row with such parameters."""
    desk.put("p.csv", "prompt,ratio\na,16:9\nb,5:1\nc,5:1\n")

    problems = desk.problems("prompts: [{file: p.csv, params: {ratio: ratio}}]\n")

    assert [(Path(problem.path).name, problem.line, problem.code) for problem in problems] == [("p.csv", 3, "E402")]
    assert "'p-2'" in problems[0].message


def test_a_fault_of_the_grid_is_not_blamed_on_a_file(desk: Desk) -> None:
    """Where the cell is impossible without the row's parameters too, the grid's value is shown."""
    desk.put("p.csv", "prompt,quality\na,low\n")

    places = desk.places("prompts: [{file: p.csv, params: {quality: quality}}]\ngrid: {ratio: [5:1]}\n")

    assert places == ["5:16 E401"]


def test_a_row_whose_own_value_is_impossible_anyway_is_located_in_its_file(desk: Desk) -> None:
    """A column's value at fault in a cell that is impossible for another reason too."""
    desk.put("p.csv", "prompt,ratio\na,5:1\n")
    head = HEAD.replace("{model", "{images: w, model")
    body = (
        'references: {w: {url: "https://example.com/w.png"}, v: {url: "https://example.com/v.png"}}\n'
        "prompts: [{file: p.csv, params: {ratio: ratio}}]\ngrid: {images: [[w, v]]}\n"
    )

    problems = desk.problems(body, head=head)

    assert [(Path(p.path).name, p.line, p.code) for p in problems] == [("manifest.yaml", 6, "E401"), ("p.csv", 2, "E401")]


def test_many_impossible_cells_are_cut_short(desk: Desk) -> None:
    """A list of hundreds helps nobody."""
    values = ", ".join(f"{number}:1" for number in range(30, 80))

    problems = desk.problems(f"prompts: [a]\ngrid: {{ratio: [{values}]}}\n")

    assert len(problems) == 26
    assert "more impossible combinations" in problems[0].message


def test_prompts_that_are_too_long_for_a_model_are_refused_or_skipped(desk: Desk) -> None:
    """Only the model that has a limit, only the prompts beyond it."""
    desk.put("p.txt", f"{'x' * LONGEST_GROK_PROMPT}\n{'y' * (LONGEST_GROK_PROMPT + 1)}\n")
    long = "z" * (LONGEST_GROK_PROMPT + 1)
    body = f"prompts: [{{file: p.txt}}, {long}]\ngrid: {{model: [gpt-image-2, grok-imagine-image]}}\n"

    problems = desk.problems(body)
    plan = desk.plan(f"invalid_cells: skip\nsamples: 2\n{body}")

    assert [(Path(p.path).name, p.line, p.code) for p in problems] == [("manifest.yaml", 4, "E402"), ("p.txt", 2, "E402")]
    assert {"gpt-image-2": 6, "grok-imagine-image": 2} == plan.summary.models
    assert plan.total == sum(1 for _ in plan.jobs()) == 8
    assert (2, 4) == (plan.summary.sweeps[0].dropped, plan.summary.sweeps[0].dropped_rows)


def test_filters_and_skipped_prompts_count_together(desk: Desk) -> None:
    """A row that a filter leaves out is not counted as skipped, and a repeated one is skipped in every count."""
    long = "z" * (LONGEST_GROK_PROMPT + 1)
    prompts = f"[{{text: {long}, id: a}}, {{text: {long}, id: b}}]"
    body = f"invalid_cells: skip\nprompts: {prompts}\ngrid: {{model: [gpt-image-2, grok-imagine-image]}}\n"

    grok = desk.problems(body, only=["model=grok-imagine-image"])
    second = desk.plan(body, only=["prompt_id=b"])
    other = desk.plan(body, only=["model=gpt-image-2"])

    assert [problem.code for problem in grok] == ["E308"]
    assert [(job.prompt_id, job.ordinal) for job in second.jobs()] == [("b", 1)]
    assert (1, 1) == (second.total, second.summary.sweeps[0].dropped_rows)
    assert (2, 0) == (other.total, other.summary.sweeps[0].dropped_rows)


def test_a_warning_is_no_error(desk: Desk) -> None:
    """In an impossible cell only what makes it impossible is an error."""
    problems = desk.problems("prompts: [a]\ngrid: {ratio: [5:1]}\n", sets=["moderation=low"])
    plan = desk.plan("prompts: [a, {text: b, params: {moderation: low}}]\n")

    assert [problem.code for problem in problems] == ["E401"]
    assert [warning.message for warning in plan.warnings] == ["low moderation may be refused"]


def test_many_prompts_find_their_repeats_in_parts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting in parts gives what counting at once gives."""
    desk.put("p.txt", "".join(f"p{number % 7}\n" for number in range(20)))
    whole = desk.plan("prompts: [{file: p.txt}]\n")

    monkeypatch.setattr("batchgen.planning.survey._SMALL", 5)

    parts = desk.plan("prompts: [{file: p.txt}]\n")
    assert (whole.summary, whole.repeated) == (parts.summary, parts.repeated)
    assert parts.summary.repeats == 13


def test_an_unknown_model_passes_with_one_warning(desk: Desk) -> None:
    """However many cells it is in."""
    plan = desk.plan("prompts: [a, b]\ngrid: {model: [gpt-image-2, gpt-image-3], ratio: [1:1, 16:9]}\n")

    assert [(w.code, w.line, w.column, w.message) for w in plan.warnings] == [("W401", 5, 29, "unknown model 'gpt-image-3'")]
    assert plan.total == 8


def test_an_unknown_model_of_a_prompt_warns_too(desk: Desk) -> None:
    """Also when a prompt or the command line names it."""
    own = desk.plan("prompts: [{text: a, params: {model: m}}]\n")
    forced = desk.plan("prompts: [a]\n", sets=["model=m"])

    assert [warning.code for warning in (*own.warnings, *forced.warnings)] == ["W401", "W401"]


def test_explain_needs_one_key(desk: Desk) -> None:
    """Neither none nor several."""
    plan = desk.plan("prompts: [a, b]\n")

    with pytest.raises(InputError, match="no job"):
        plan.explain("zz")
    with pytest.raises(InputError, match="more than one"):
        plan.explain("")


def test_explain_tells_every_layer(desk: Desk) -> None:
    """A zip's column, an included cell, a file's row, and a parameter that was unset."""
    desk.put("p.csv", "prompt,background\na,opaque\n")
    body = (
        "prompts: [{file: p.csv, params: {background: background}}]\n"
        "zip: {resolution: [1k, 2k], quality: [low, high]}\n"
        "include: [{ratio: 3:1}]\n"
        "overrides: [{when: {quality: high}, unset: [quality]}]\n"
    )
    plan = desk.plan(body)

    zipped, unset, included = (plan.explain(job.key) for job in plan.jobs())

    assert [(found.param, found.layer) for found in zipped] == [
        ("background", "prompt"),
        ("model", "defaults"),
        ("quality", "zip"),
        ("resolution", "zip"),
    ]
    assert zipped[0].place == f"{desk.folder / 'p.csv'}:2:1"
    assert [(found.value, found.layer) for found in unset if found.param == "quality"] == [(None, "overrides")]
    assert [found.layer for found in included] == ["prompt", "defaults", "include"]


def test_a_plan_knows_its_source_and_files(desk: Desk) -> None:
    """The manifest's bytes and hash, and every file with its hash and prompts."""
    desk.put("sets/p.txt", "a\nb\n")

    plan = desk.plan("prompts: [{file: sets/p.txt}]\n")

    assert hashlib.sha256(plan.source).hexdigest() == plan.source_sha256
    assert [(file.path, file.sha256, file.prompts) for file in plan.files] == [("sets/p.txt", hashlib.sha256(b"a\nb\n").hexdigest(), 2)]


def test_problems_in_one_place_do_not_hide_others(desk: Desk) -> None:
    """Unknown keys, missing files, impossible cells and bad templates are told together."""
    body = (
        "smaples: 2\n"
        "prompts: [{file: none.txt}, {template: '{{ a }}'}, good]\n"
        "grid: {resolution: [4k], ratio: [1:1]}\n"
        "exclude: [{ratio: 3:1}]\n"
        "limits: {in_flight: many}\n"
    )

    assert [problem.code for problem in desk.problems(body)] == ["E104", "E201", "E502", "E401", "E304", "E103"]


def test_what_a_broken_part_hides_is_not_made_up(desk: Desk) -> None:
    """A broken grid proves no absence: no missing model, no idle rule, no cell that exists already."""
    body = (
        "prompts: [a]\ngrid: {model: [[x]], ratio: [1:1]}\nexclude: [{model: y}]\ninclude: [{ratio: 1:1}]\n"
        "overrides: [{when: {model: y}, set: {ratio: 1:1}}]\n"
    )

    problems = desk.problems(body, head="version: 1\nname: x\n")

    assert [problem.code for problem in problems] == ["E103"]


def test_a_manifest_must_be_a_readable_file(tmp_path: Path) -> None:
    """A missing file or a folder is a problem like any other."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ManifestError) as caught:
            load(path, rules_for=rules_for, environ={})

        assert [(problem.code, problem.path) for problem in caught.value.problems] == [("E100", str(path))]


def test_a_manifest_that_is_too_big_is_not_parsed(desk: Desk) -> None:
    """The cap comes before the parser."""
    assert desk.places("# " + "x" * 9_000_000) == ["1:1 E108"]


def test_without_any_rules_there_is_no_plan(desk: Desk) -> None:
    """A provider that nobody knows, and no vendor at all to check against."""
    desk.put("manifest.yaml", HEAD + "prompts: [a]\n")

    with pytest.raises(ManifestError) as caught:
        load(desk.path, rules_for=lambda *_: None, environ={})

    assert [problem.code for problem in caught.value.problems] == ["E103"]


def test_hundreds_of_problems_are_counted(desk: Desk) -> None:
    """Two hundred of a kind are listed, the rest is a number."""
    desk.put("p.csv", "prompt,b\n" + "x\n" * 250)

    problems = desk.problems("prompts: [{file: p.csv}]\n")

    assert len(problems) == 201
    assert problems[-1].message == "50 more problems of this kind"


def test_hundreds_of_warnings_are_counted(desk: Desk) -> None:
    """Warnings have the same bound."""
    models = ", ".join(f"m{number}" for number in range(205))

    plan = desk.plan(f"prompts: [a]\ngrid: {{model: [{models}]}}\n")

    assert [plan.warnings[-1].message, plan.warnings[-1].severity] == ["5 more problems of this kind", "warning"]
