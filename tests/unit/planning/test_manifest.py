"""The manifest's model: its schema, its coercions, its words."""

import json
from pathlib import Path

import pytest

from batchgen.planning.checked import check
from batchgen.planning.codes import CODES
from batchgen.planning.findings import Findings, listed
from batchgen.planning.reader import read
from batchgen.planning.scalars import kind_of
from batchgen.planning.schema import manifest_schema
from batchgen.planning.sniff import starter
from tests.support.manifests import HEAD, Desk

MANIFESTS = Path(__file__).parents[3] / "manifests"


def test_the_shipped_schema_is_the_model() -> None:
    """Editors see what the program checks."""
    shipped = json.loads((MANIFESTS / "manifest.v1.schema.json").read_text(encoding="utf-8"))

    assert shipped == manifest_schema()
    assert shipped["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert shipped["$id"] == "manifest.v1.schema.json"
    assert {"version", "name"} == set(shipped["required"])
    assert shipped["properties"]["version"]["enum"] == [1, "1"]
    assert "3m" == shipped["$defs"]["Timeouts"]["properties"]["submit"]["default"]
    assert "default" not in shipped["$defs"]["LimitSection"]["properties"]["timeout"]


def test_empty_values_are_absent(desk: Desk) -> None:
    """A key with nothing behind it, or null, is the same as no key."""
    plan = desk.plan("grid:\nzip: null\nexclude: ~\nlimits: {in_flight: , timeout: null}\nprompts: [a, null, ~]\n")

    assert [job.prompt for job in plan.jobs()] == ["a", "null", "~"]
    assert plan.settings.in_flight is None


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("prompts: a", "must be a list of prompts", "put '- ' before the prompt"),
        ("prompts: [a]\norder: by_smaple", "must be one of by_sample, by_prompt, by_cell, coverage, shuffle", "did you mean 'by_sample'?"),
        ("prompts: [a]\nversion: 3", "the key 'version' stands twice", "keep one of them"),
        ("prompts: [a]\ngrid: {ratio: [[a]]}", "must be one text; only `grid` and `zip` take lists", ""),
        ("prompts: [a]\ngrid: {ratio: ['']}", "must not be empty", "use `unset` to leave a parameter to the API"),
        ("prompts: [a]\ngrid: {ratio: [{a: b}]}", "must be a text, not a mapping", ""),
        ("prompts: [{file: x, tempalte: y}]", "unknown key 'tempalte'", ""),
        ("prompts: [{flie: x}]", "the key 'text' is missing", ""),
        ("prompts: []", "must not be empty", ""),
        ("prompts: [a]\nname2: x", "unknown key 'name2'", "did you mean 'name'?"),
        ("prompts: [a]\norder: {shuffel: 1}", "the key 'shuffle' is missing", ""),
        ("prompts: [{file: x, first: 1, range: 1..2}]", "takes one of 'pick', 'first' and 'range'", ""),
        ("prompts: [{file: p.txt, range: 5..2}]", "must be two row numbers from 1, such as 100..199", ""),
        ("prompts: [{file: p.txt, pick: {range: x}}]", "must be two row numbers from 1, such as 100..199", ""),
        (
            "prompts: [{file: p.what}]",
            "the suffix of 'p.what' does not tell its format",
            "set `format:` to txt, csv, tsv, jsonl, json, yaml or whole",
        ),
        ("prompts: [a]\nretry: {attempts: 3.5}", "must be a whole number from 1, not '3.5'", ""),
        ("prompts: [a]\nlimits: {deadline: 25:00}", "must be a time such as 07:30 or 2026-11-22T07:30:00Z, not '25:00'", ""),
        ("prompts: [a]\norder: {shuffle: x}", "must be a whole number, not 'x'", ""),
        ("prompts: [{id: ' ', text: a}]", "must be a printable name of at most 200 characters", ""),
        ("prompts: [a]\nzip: {ratio: [1:1, 1:1], quality: [low, low]}", "the zip lists a combination twice", ""),
    ],
)
def test_problems_are_worded_for_people(desk: Desk, body: str, message: str, hint: str) -> None:
    """Each says what must be, and where it helps, what to do."""
    desk.put("p.txt", "a\n")
    desk.put("p.what", "a\n")

    problems = desk.problems(body)

    assert (message, hint) in [(problem.message, problem.hint) for problem in problems]


def test_kinds_have_names() -> None:
    """Nothing, a text, a mapping, a list."""
    root = read(b"[~, a, {b: c}, [d]]", lambda *_, **__: None)

    assert root is not None
    items = root.plain()
    assert isinstance(items, list)
    assert [kind_of(item) for item in items] == ["nothing", "a text", "a mapping", "a list"]


def test_a_model_that_cannot_be_built_gives_up() -> None:
    """More layers of trouble than anybody writes end the checking, with what was found."""
    findings = Findings("m.yaml")
    nested = "x: " + "{x: " * 30 + "y" + "}" * 30
    tree = read(f"version: 1\nname: a\nprompts: [a]\n{nested}\n".encode(), lambda *_, **__: None)
    assert tree is not None
    findings.tree = tree

    assert check(tree, findings) is not None
    assert findings.errors == 1


def test_every_code_has_a_meaning() -> None:
    """Codes are numbered by kind, and each has its line in the documentation."""
    assert all(code[0] in "EW" and len(code) == 4 and meaning for code, meaning in CODES.items())


def test_long_lists_are_cut() -> None:
    """A hint names twenty and says how many there are."""
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(30)]).endswith("19, … (30 in all)")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "my set.csv",
            "index,prompt_en,Kind,Seen\n" + "".join(f"{n},a long text {n},{'xy'[n % 2]},same\n" for n in range(12)),
            ['file: "{path}"', "prompt: prompt_en", "id: index", "vars: {kind: Kind}", "pick: {first: 10}"],
        ),
        ("p.csv", "what,who\nshort,a much longer text here\n", ["prompt: who"]),
        ("p.jsonl", '{"text": "a", "n": 1}\n{"text": "b"}\n', ["prompt: text"]),
        ("p.txt", "a\nb\n", ["file:"]),
        ("p.odd", "a\nb\n", ["format: txt"]),
        ("p.json", '["a", "b"]', ["file:"]),
    ],
)
def test_a_starter_fits_its_file(desk: Desk, name: str, content: str, expected: list[str]) -> None:
    """Prompt, id and labels are found, and the manifest loads without a problem."""
    path = desk.put(name, content)

    text = starter(path).text

    assert all(line.replace("{path}", path.as_posix()) in text for line in expected)
    plan = desk.plan(text, head="")
    assert (plan.total, plan.warnings) == (sum(1 for _ in plan.jobs()), ())


@pytest.mark.parametrize("content", ["", "prompt\n"])
def test_a_starter_for_an_empty_file_names_it(desk: Desk, content: str) -> None:
    """There is nothing to find, and the file's name can be written as the user likes."""
    text = starter(desk.put("p.csv", content), written="p.csv").text

    assert '- file: "p.csv"' in text
    assert "vars" not in text


def test_a_starter_needs_no_file(desk: Desk) -> None:
    """Then it brings two prompts of its own."""
    assert desk.plan(starter().text, head="").total == 2


def test_labels_of_a_starter_do_not_collide(desk: Desk) -> None:
    """Columns that would give the same label are not both taken, and an unspeakable column is called label."""
    rows = "".join(f"text {n},{n % 2},{n % 2},{n % 2}\n" for n in range(12))

    made = starter(desk.put("p.csv", f"prompt,A b,a-B,画\n{rows}"))

    assert 'vars: {a_b: "A b", label: "画"}' in made.text
    assert ("a-B",) == made.ignored


def test_columns_called_like_parameters_set_them(desk: Desk) -> None:
    """A ratio of each row takes the place of the axis; a second column of that name, and one that is no label, are left out."""
    rows = "".join(f"text {n},{('1:1', '16:9')[n % 2]},high,2:3,note {n}\n" for n in range(4))

    made = starter(desk.put("p.csv", f"prompt,Ratio,quality,RATIO,notes\n{rows}"), params=("ratio", "quality", "size"))

    assert "params: {ratio: Ratio, quality: quality}" in made.text
    assert (("Ratio", "quality"), ("RATIO", "notes")) == (made.params, made.ignored)
    plan = desk.plan(made.text, head="")
    assert (4, ()) == (plan.total, plan.warnings)
    assert {'{"model":"gpt-image-2","quality":"high","ratio":"16:9","resolution":"1k"}'} < {job.params for job in plan.jobs()}


def test_the_head_of_the_tests_is_a_manifest(desk: Desk) -> None:
    """What most tests begin with is enough with one prompt."""
    assert desk.plan("prompts: [a]\n", head=HEAD).total == 1
