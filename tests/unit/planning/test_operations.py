"""What a row orders: written anywhere, resolved like a parameter, and never sent as one."""

import hashlib
import json
from collections import Counter

import pytest

from batchgen.core.pricing import RowKind
from batchgen.planning.plan import Plan
from tests.support.manifests import HEAD, Desk

WALL = 'references: {wall: {url: "https://example.com/wall.png"}}\n'


def counted(plan: Plan) -> Counter[RowKind]:
    """Count the kinds of a plan by listing its rows."""
    return Counter(RowKind(job.operation, job.model, job.params, len(json.loads(job.references))) for job in plan.jobs())


@pytest.mark.parametrize(
    ("body", "sets"),
    [
        ("operation: generate\nprompts: [a]\n", []),
        ("sweeps: [{prompts: [a], operation: generate}]\n", []),
        ("operation: edit\nsweeps: [{prompts: [a], operation: generate, params: {operation: generate}}]\n", []),
        ("operation: edit\nsweeps: [{prompts: [a], params: {operation: generate}}]\n", []),
        ("operation: edit\nprompts: [a]\ngrid: {operation: [generate]}\n", []),
        ("operation: edit\nprompts: [a]\nzip: {operation: [generate], quality: [low]}\noverrides: [{unset: [quality]}]\n", []),
        ("operation: edit\nprompts: [{text: a, params: {operation: generate}}]\n", []),
        ("operation: edit\nprompts: [a]\noverrides: [{when: {operation: edit}, set: {operation: generate}}]\n", []),
        ("prompts: [a]\noverrides: [{when: {operation: image}, set: {operation: generate}}]\n", []),
        ("operation: edit\nprompts: [a]\n", ["operation=generate"]),
    ],
)
def test_an_operation_is_resolved_like_a_parameter(desk: Desk, body: str, sets: list[str]) -> None:
    """Whichever layer says it, the order is the same, and its parameters do not hold the word."""
    job = desk.jobs(body, sets=sets)[0]

    identity = '["jimmyai","generate",{"model":"gpt-image-2"},"a",[],1,0]'
    assert hashlib.sha256(identity.encode()).hexdigest()[:32] == job.key
    assert ("generate", '{"model":"gpt-image-2"}') == (job.operation, job.params)


def test_an_operation_may_stand_among_the_defaults(desk: Desk) -> None:
    """Also beside the same word at the top; without any the vendor's first is meant."""
    head = HEAD.replace("{model", "{operation: generate, model")

    assert [job.operation for job in desk.jobs("prompts: [a]\n", head=head)] == ["generate"]
    assert [job.operation for job in desk.jobs("operation: generate\nprompts: [a]\n", head=head)] == ["generate"]
    assert [job.operation for job in desk.jobs("prompts: [a]\n")] == ["image"]


def test_a_file_may_say_the_operation(desk: Desk) -> None:
    """In a column of parameters; an empty cell leaves it alone."""
    desk.put("p.csv", "prompt,op\na,generate\nb,\n")

    jobs = desk.jobs("prompts: [{file: p.csv, params: {operation: op}}]\n")

    assert [job.operation for job in jobs] == ["generate", "image"]


def test_conditions_may_name_the_operation(desk: Desk) -> None:
    """Exclude, include and overrides see it, also where nobody wrote it."""
    body = (
        "prompts: [a]\ngrid: {quality: [low, high]}\n"
        "exclude: [{operation: image, quality: high}]\n"
        "include: [{operation: generate, quality: high}]\n"
        "overrides:\n"
        "  - {when: {operation: generate}, set: {size: 1024x1024}}\n"
        "  - {when: {operation: image}, set: {ratio: 1:1}}\n"
    )

    jobs = desk.jobs(body)

    assert [(job.operation, job.cell) for job in jobs] == [("image", "low"), ("generate", "generate_high")]
    assert [sorted(json.loads(job.params)) for job in jobs] == [["model", "quality", "ratio"], ["model", "quality", "size"]]


def test_unsetting_the_operation_means_the_first(desk: Desk) -> None:
    """Later overrides see the vendor's own choice."""
    body = "operation: generate\nprompts: [a]\noverrides:\n  - {unset: [operation]}\n  - {when: {operation: image}, set: {ratio: 1:1}}\n"

    plan = desk.plan(body)

    job = next(plan.jobs())
    assert ("image", {"model": "gpt-image-2", "ratio": "1:1"}) == (job.operation, json.loads(job.params))
    assert [(found.param, found.value, found.layer) for found in plan.explain(job.key)] == [
        ("model", "gpt-image-2", "defaults"),
        ("operation", None, "overrides"),
        ("ratio", "1:1", "overrides"),
    ]


def test_explain_points_at_the_key_that_says_the_operation(desk: Desk) -> None:
    """The top's, the sweep's, or a parameter's; nothing where nobody said it, and an empty key says nothing."""
    body = (
        "operation: generate\n"
        "sweeps:\n"
        "  - {prompts: [a], operation: }\n"
        "  - {prompts: [b], operation: image}\n"
        "  - {prompts: [c], params: {operation: edit}}\n"
    )
    plan = desk.plan(body)

    found = [next(said for said in plan.explain(job.key) if said.param == "operation") for job in plan.jobs()]

    assert [(said.value, said.layer, said.place.removeprefix(f"{desk.path}:")) for said in found] == [
        ("generate", "defaults", "4:12"),
        ("image", "params", "7:31"),
        ("edit", "params", "8:40"),
    ]
    silent = desk.plan("prompts: [a]\n")
    assert [said.param for said in silent.explain("")] == ["model"]


def test_an_operation_may_be_a_part_of_a_name(desk: Desk) -> None:
    """In the output template."""
    plan = desk.plan("prompts: [a]\noutput: {name: '{{ operation }}/{{ key8 }}'}\n")

    assert plan.settings.output.name == "{{ operation }}/{{ key8 }}"


def test_only_keeps_an_operation(desk: Desk) -> None:
    """Or rows with a reference, in any of the roles; a word that is no operation is told."""
    body = f"{WALL}prompts: [a]\ngrid: {{operation: [image, generate], images: [[], wall]}}\ninvalid_cells: skip\n"

    generated = desk.jobs(body, only=["operation=generate"])
    with_wall = desk.jobs(body, only=["images=wall"])
    problems = desk.problems(body, only=["operation=generat"])

    assert [job.operation for job in generated] == ["generate"]
    assert [(job.operation, json.loads(job.references)[0]["name"]) for job in with_wall] == [("image", "wall")]
    assert [(p.code, p.path, p.hint) for p in problems] == [("E309", "--only operation=generat", "did you mean 'generate'?")]


def test_operations_that_cannot_be_done_are_skipped(desk: Desk) -> None:
    """Rows with references that cannot travel, and models without the operation, are counted like other impossible rows."""
    grid = "grid: {operation: [image, generate, edit], model: [gpt-image-2, nano-banana-2], images: [[], wall]}"

    plan = desk.plan(f"{WALL}invalid_cells: skip\nprompts: [a, b]\n{grid}\nsamples: 2\n")

    jobs = list(plan.jobs())
    kept = {(job.operation, job.model, job.references != "[]") for job in jobs}
    assert kept == {
        ("image", "gpt-image-2", False),
        ("image", "gpt-image-2", True),
        ("image", "nano-banana-2", False),
        ("image", "nano-banana-2", True),
        ("generate", "gpt-image-2", False),
        ("edit", "gpt-image-2", False),
    }
    sweep = plan.summary.sweeps[0]
    assert (12, 24, 6, 24) == (sweep.cells, sweep.rows, sweep.dropped, sweep.dropped_rows)
    assert counted(plan) == plan.summary.kinds


@pytest.mark.parametrize(
    ("body", "only"),
    [
        ("prompts: [a, b, {text: c, params: {quality: high}}]\ngrid: {ratio: [1:1, 16:9]}\nsamples: 3\n", []),
        (WALL + "prompts: [a]\ngrid: {operation: [image, generate], images: [[], wall]}\ninvalid_cells: skip\n", ["operation=image"]),
        ("duplicates: merge\nprompts: [a, a, b]\ngrid: {quality: [low, high]}\noverrides: [{unset: [quality]}]\nsamples: 2\n", []),
        ("sweeps:\n  - {prompts: [a], samples: 2}\n  - {prompts: [a, b], samples: 3}\nduplicates: merge\n", ["sweep=sweep2"]),
        ("sweeps:\n  - {prompts: [a], operation: generate}\n  - {prompts: [a]}\n  - {prompts: [a], operation: generate}\n", []),
    ],
)
def test_kinds_are_counted_by_arithmetic(desk: Desk, body: str, only: list[str]) -> None:
    """The numbers are those that listing the rows gives, and add up to those of the models."""
    plan = desk.plan(body, only=only)

    assert counted(plan) == plan.summary.kinds
    assert sum(plan.summary.kinds.values()) == sum(plan.summary.models.values()) == plan.total
    assert all(plan.summary.kinds.values())


def test_an_override_that_lost_its_condition_changes_nothing(desk: Desk) -> None:
    """No combination is called impossible for what it would have set."""
    problems = desk.problems("prompts: [a]\noverrides: [{when: {operation: genrate}, set: {ratio: 5:1}, unset: [model]}]\n")

    assert [problem.message for problem in problems] == ["there is no operation 'genrate'"]
