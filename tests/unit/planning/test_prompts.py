"""The prompt formats and their traps."""

import json
import os
from pathlib import Path

import pytest

from batchgen.core.errors import InputError
from batchgen.planning.objects import as_text, at_pointer, pointer
from batchgen.planning.opening import MAX_LINE_BYTES, UnreadableError, open_regular
from batchgen.planning.plan import refuse_change
from batchgen.planning.prompts import natural_order
from tests.support.manifests import Desk


def labels(desk: Desk, body: str) -> list[dict[str, str]]:
    """Give the labels of each row."""
    return [json.loads(job.labels) for job in desk.jobs(body)]


def test_txt_keeps_every_line_as_it_is(desk: Desk) -> None:
    """Byte order mark and line ends go, blank lines are no prompts, spaces, markup and braces stay."""
    desk.put("p.txt", '\ufeff  two spaces  \r\n\r\n42\n   \n[/b] {argument name="x"} $10,000 {{ y }}\nlast\u2028one'.encode())

    prompts = desk.prompts("prompts: [{file: p.txt}]")

    assert prompts == ["  two spaces  ", "42", '[/b] {argument name="x"} $10,000 {{ y }}', "last\u2028one"]


def test_tsv_quotes_nothing(desk: Desk) -> None:
    """Quotes in a TSV are ordinary characters, also unbalanced ones."""
    desk.put("p.tsv", 'Prompt\tKind\r\n"a" b\tx\r\n\r\n"open\ty')

    assert desk.prompts("prompts: [{file: p.tsv}]") == ['"a" b', '"open']


def test_csv_reads_line_breaks_and_quotes_inside_fields(desk: Desk) -> None:
    """RFC 4180: doubled quotes, CRLF and JSON inside quoted fields; numbers stay text."""
    desk.put("p.csv", '\ufeffid,prompt,meta\r\n1,"a ""b"", c\r\nd","{""k"": [1]}"\r\n\r\n2,007,\r\n')

    jobs = desk.jobs("prompts: [{file: p.csv, id: id, vars: {m: meta}}]")

    assert [(job.prompt_id, job.prompt) for job in jobs] == [("1", 'a "b", c\r\nd'), ("2", "007")]
    assert [json.loads(job.labels) for job in jobs] == [{"m": '{"k": [1]}'}, {}]


def test_jsonl_takes_pointers_and_numbers_as_written(desk: Desk) -> None:
    """A pointer reaches into a row; numbers keep their spelling; blank lines are skipped."""
    desk.put("p.jsonl", '{"a":{"b/c":[{"t":"first"}]},"n":1.10}\n\n{"a":{"b/c":[{"t":42}]},"n":1e3}\r\n')

    jobs = desk.jobs("prompts: [{file: p.jsonl, prompt: /a/b~1c/0/t, vars: {n: n}}]")

    assert [job.prompt for job in jobs] == ["first", "42"]
    assert [json.loads(job.labels)["n"] for job in jobs] == ["1.10", "1e3"]


def test_jsonl_takes_bare_texts(desk: Desk) -> None:
    """A row may be the prompt itself."""
    desk.put("p.jsonl", '"one"\n" two "\n')

    assert desk.prompts("prompts: [{file: p.jsonl}]") == ["one", " two "]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ('["one", "two"]', ""),
        ('[{"prompt": "one"}, {"prompt": "two"}]', ""),
        ('{"set": {"rows": [{"t": "one"}, {"t": "two"}]}}', ", items: /set/rows, prompt: t"),
    ],
)
def test_json_takes_a_list_where_it_stands(desk: Desk, content: str, options: str) -> None:
    """A list of texts or objects, at the top or at a pointer."""
    desk.put("p.json", content)

    assert desk.prompts(f"prompts: [{{file: p.json{options}}}]") == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("- one\n- 42\n- 16:9\n- null\n", ""),
        ("rows:\n  - {prompt: one}\n  - {prompt: 42}\n  - {prompt: 16:9}\n  - {prompt: null}\n", ", items: /rows"),
    ],
)
def test_yaml_prompts_are_texts(desk: Desk, content: str, options: str) -> None:
    """Plain scalars in a YAML file of prompts stay as they are written."""
    desk.put("p.yml", content)

    assert desk.prompts(f"prompts: [{{file: p.yml{options}}}]") == ["one", "42", "16:9", "null"]


def test_whole_files_are_prompts_in_natural_order(desk: Desk) -> None:
    """Each Markdown file is one prompt, from the first byte after a byte order mark to the last."""
    desk.put("pages/p10.md", "ten\n")
    desk.put("pages/p2.md", "\ufefftwo\r\nlines \n")
    desk.put("pages/sub/deep.md", "not matched")

    jobs = desk.jobs("prompts: [{file: pages/*.md}]")

    assert [(job.prompt_id, job.prompt) for job in jobs] == [("p2", "two\r\nlines \n"), ("p10", "ten\n")]


def test_format_overrides_the_suffix(desk: Desk) -> None:
    """A text file can be read as one prompt, and an unknown suffix as lines."""
    desk.put("a.txt", "one\ntwo")
    desk.put("b.list", "three\nfour")

    prompts = desk.prompts("prompts: [{file: a.txt, format: whole}, {file: b.list, format: txt}]")

    assert prompts == ["one\ntwo", "three", "four"]


def test_a_file_whose_name_looks_like_a_glob_is_found(desk: Desk) -> None:
    """Brackets in a name are a name when such a file exists."""
    desk.put("p[1].txt", "one")
    desk.put("p1.txt", "other")

    assert desk.prompts("prompts: [{file: 'p[1].txt'}]") == ["one"]


def test_absolute_prompt_files_are_allowed(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A prompt file may lie anywhere."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "p.txt"
    elsewhere.write_text("far away")

    assert desk.prompts(f"prompts: [{{file: {elsewhere.as_posix()}}}]") == ["far away"]


def test_parameters_come_from_columns_where_the_file_has_them(desk: Desk) -> None:
    """An empty cell leaves a parameter alone, a missing column warns and is left out."""
    desk.put("p.csv", "prompt,Ratio\na,16:9\nb,\n")
    desk.put("q.csv", "prompt,Rato\nc,16:9\n")

    plan = desk.plan("prompts: [{file: p.csv, params: {ratio: Ratio}}, {file: q.csv, params: {ratio: Ratio}}]")

    assert [json.loads(job.params).get("ratio") for job in plan.jobs()] == ["16:9", None, None]
    assert [(w.code, w.hint) for w in plan.warnings] == [("W202", "did you mean 'Rato'?")]


def test_where_keeps_rows_by_label_or_column(desk: Desk) -> None:
    """Conditions name labels or columns, take one value or any of a list, and all must hold."""
    desk.put("p.csv", "prompt,Kind,Level\na,x,1\nb,y,1\nc,z,1\nd,x,2\n")

    prompts = desk.prompts("prompts: [{file: p.csv, vars: {kind: Kind}, where: {kind: [x, y], Level: 1}}]")

    assert prompts == ["a", "b"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("pick: {first: 2}", ["0", "1"]),
        ("first: 2", ["0", "1"]),
        ("pick: {range: 3..4}", ["2", "3"]),
        ("range: 9..10", ["8", "9"]),
        ("pick: {sample: 3, seed: 7}", ["3", "4", "7"]),
        ("pick: {sample: 3, seed: 8}", ["2", "5", "7"]),
    ],
)
def test_pick_chooses_rows_in_file_order(desk: Desk, choice: str, expected: list[str]) -> None:
    """First, a range from 1 with both ends, or a sample that is the same everywhere."""
    desk.put("p.txt", "\n".join(str(number) for number in range(10)))

    plan = desk.plan(f"prompts: [{{file: p.txt, {choice}}}]")

    assert expected == [job.prompt for job in plan.jobs()] == [job.prompt for job in plan.jobs()]
    assert len(expected) == plan.total


def test_a_pick_of_more_than_there_is_warns(desk: Desk) -> None:
    """All rows are taken, and the shortfall is told."""
    desk.put("p.txt", "a\nb")

    plan = desk.plan("prompts: [{file: p.txt, pick: {sample: 3}}, {file: p.txt, range: 2..4}]")

    assert [warning.code for warning in plan.warnings if warning.code == "W201"] == ["W201", "W201"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("p.csv", "a,b\n1,2\n1\n1,2,3\n", ["3:1 E203", "4:1 E203"]),
        ("p.csv", 'a,b\nx,"open\n', ["2:1 E203"]),
        ("p.csv", 'a,b\nx,"y"z\n', ["2:1 E203"]),
        ("p.csv", "a,a\n1,2\n", ["1:1 E203"]),
        ("p.tsv", "a\tb\n1\n", ["2:1 E203"]),
        ("p.jsonl", '{"a": 1}\n{"a": }\n[1]\n"x"\n', ["2:7 E203", "3:1 E203", "4:1 E203"]),
        ("p.jsonl", '{"a": NaN}\n', ["1:1 E203"]),
        ("p.jsonl", '{"a": "x"}\n' + "[" * 100_000 + "\n", ["2:1 E203"]),
        ("p.jsonl", '{"a": "x"}\n{"a": ' + "[" * 70 + "]" * 70 + "}\n", ["2:1 E203"]),
        ("p.json", '["a",\n "b"\n', ["3:1 E203"]),
        ("p.json", '{"a": "b"}', ["1:1 E203"]),
        ("p.yaml", "a: b\n", ["1:1 E203"]),
        ("p.yaml", "- a\n- *b\n", ["2:3 E203"]),
        ("p.yaml", b"- a\n- caf\xe9\n", ["2:6 E202"]),
        ("p.txt", b"good\ncaf\xe9\n", ["2:4 E202"]),
        ("p.txt", b"\xff\xfea\x00", ["1:1 E202"]),
        ("p.txt", "a\0b\n", ["1:1 E202"]),
        ("p.md", b"good\ncaf\xe9\n", ["2:4 E202"]),
        ("p.jsonl", '{"a": "\\ud800"}\n', ["1:1 E202"]),
        ("p.csv", "a,b\n,2\nx,y\n", ["2:1 E205"]),
    ],
)
def test_a_bad_row_is_located_in_its_own_file(desk: Desk, name: str, content: str | bytes, expected: list[str]) -> None:
    """File, line and column of the row itself, and the good rows do not hide it."""
    desk.put(name, content)
    column = "" if name.endswith((".txt", ".md", ".yaml", ".json")) else ", prompt: a"

    problems = desk.problems(f"prompts: [{{file: {name}{column}}}]")

    inside = [problem for problem in problems if problem.path.endswith(name)]
    assert expected == [f"{found.line}:{found.column} {found.code}" for found in inside]


@pytest.mark.parametrize("row", ['{"prompt": "x", "id": "a\\u0000b"}', '{"prompt": "x", "l": "\\udc00"}'])
def test_labels_and_ids_that_cannot_be_stored_are_refused(desk: Desk, row: str) -> None:
    """A database cannot keep a NUL, and half of a surrogate pair is no text."""
    desk.put("p.jsonl", '{"prompt": "x", "id": "i", "l": "y"}\n' + row)

    problems = desk.problems("prompts: [{file: p.jsonl, id: id, vars: {l: l}}]")

    assert [(found.line, found.code) for found in problems] == [(2, "E202")]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ('{"prompt": "x", "v": " "}', "E202"),
        ('{"prompt": "x", "v": "\\ud800"}', "E202"),
        ('{"prompt": "x", "v": "nobody"}', "E103"),
    ],
)
def test_parameters_of_a_row_are_checked(desk: Desk, row: str, code: str) -> None:
    """A blank, an unspeakable value, and a reference that nobody declared."""
    desk.put("p.jsonl", '{"prompt": "x", "v": "w"}\n' + row)

    problems = desk.problems('references: {w: {url: "https://example.com/w.png"}}\nprompts: [{file: p.jsonl, params: {images: v}}]\n')

    assert [(found.line, found.code) for found in problems] == [(2, code)]


def test_many_brackets_are_not_depth(desk: Desk) -> None:
    """A wide row is read like any other."""
    desk.put("p.jsonl", '{"prompt": "x", "wide": [1.10, ' + ", ".join(["[]"] * 100) + "]}\n")

    (found,) = labels(desk, "prompts: [{file: p.jsonl, vars: {w: wide}}]")

    assert found["w"].startswith("[1.10,[],[]")


def test_an_object_without_the_usual_keys_needs_a_name(desk: Desk) -> None:
    """Also a file whose first value is neither text nor object."""
    desk.put("p.jsonl", '{"a": "x"}\n')
    desk.put("q.jsonl", "[1]\n")

    assert desk.places("prompts: [{file: p.jsonl}]") == ["4:18 E204"]
    assert [problem.code for problem in desk.problems("prompts: [{file: q.jsonl}]")] == ["E203"]


def test_repeated_ids_in_a_file_warn(desk: Desk) -> None:
    """Rows are kept, and the repetition is told."""
    desk.put("p.csv", "id,prompt\n1,a\n1,b\n2,c\n")

    plan = desk.plan("prompts: [{file: p.csv, id: id}]")

    assert (3, ["W203"]) == (plan.total, [warning.code for warning in plan.warnings])


def test_the_only_or_the_usual_column_is_the_prompt(desk: Desk) -> None:
    """A file with one column needs no name for it, nor does one with a column called text."""
    desk.put("one.csv", "anything\na\n")
    desk.put("two.csv", "id,Text\n1,b\n")
    desk.put("three.jsonl", '{"n": 1, "text": "c"}\n{"n": 2, "text": "d"}\n')

    assert desk.prompts("prompts: [{file: one.csv}, {file: two.csv}, {file: three.jsonl}]") == ["a", "b", "c", "d"]


def test_a_column_that_some_objects_have_is_known(desk: Desk) -> None:
    """In JSON a key may be missing from the first row."""
    desk.put("p.jsonl", '{"prompt": "a"}\n{"prompt": "b", "extra": true}\n')

    assert labels(desk, "prompts: [{file: p.jsonl, vars: {e: extra}}]") == [{}, {"e": "true"}]


def test_bare_texts_have_no_columns(desk: Desk) -> None:
    """A list of texts cannot be asked for a key."""
    desk.put("p.json", '["a"]')

    assert desk.places("prompts: [{file: p.json, prompt: a}]") == ["4:34 E204"]


def test_a_fifo_is_refused_without_waiting(desk: Desk) -> None:
    """Nobody writes into it, and nobody waits for it."""
    os.mkfifo(desk.folder / "p.txt")

    assert desk.places("prompts: [{file: p.txt}]") == ["4:18 E201"]


def test_a_line_without_end_is_refused(desk: Desk) -> None:
    """A line has a limit, so that memory has one."""
    desk.put("p.txt", b"x" * (MAX_LINE_BYTES + 1))

    assert [problem.code for problem in desk.problems("prompts: [{file: p.txt}]")] == ["E203"]


def test_a_whole_file_has_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be read in one piece may not be endless."""
    monkeypatch.setattr("batchgen.planning.opening.MAX_WHOLE_BYTES", 1024 * 1024)
    desk.put("p.json", b" " * (1024 * 1024 + 1))

    assert [problem.code for problem in desk.problems("prompts: [{file: p.json}]")] == ["E201"]


def test_a_file_that_changes_after_planning_stops_the_rows(desk: Desk) -> None:
    """The plan was made from other bytes."""
    desk.put("p.txt", "a\nb\n")
    plan = desk.plan("prompts: [{file: p.txt}]")
    desk.put("p.txt", "a\nb\nc\n")

    with pytest.raises(InputError, match="changed while it was planned"):
        list(plan.jobs())


def test_rows_that_went_bad_stop_the_plan() -> None:
    """Whatever the second reading finds is an error with its place."""
    with pytest.raises(InputError, match=r"p\.txt:3:1: error\[E205\]: the prompt is empty"):
        refuse_change("E205", "the prompt is empty", "p.txt", 3, 1)


def test_pointers_lead_nowhere_quietly() -> None:
    """A pointer past the end of a list, or into a text, gives nothing."""
    assert at_pointer({"a": ["x"]}, pointer("/a/1")) is None
    assert at_pointer({"a": "x"}, pointer("/a/b")) is None
    assert at_pointer({"/a": "x"}, pointer("/~1a")) == "x"


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (None, None), (False, "false"), ({"a": ["ü", None]}, '{"a":["ü",null]}')])
def test_json_values_become_text(value: object, text: str | None) -> None:
    """Texts stay, the rest is compact JSON."""
    assert text == as_text(value)


def test_natural_order_counts() -> None:
    """p2 stands before p10, whatever the case."""
    assert sorted(["p10", "P2", "p1", "10", "a"], key=natural_order) == ["10", "a", "p1", "P2", "p10"]


def test_a_path_that_cannot_be_one_is_unreadable(tmp_path: Path) -> None:
    """Whatever the system says against a path, it is the input's fault."""
    with pytest.raises(UnreadableError):
        open_regular(tmp_path / ("x" * 5000))
    with pytest.raises(UnreadableError):
        open_regular(Path("a\0b"))


def test_carriage_returns_of_a_template_are_kept(desk: Desk) -> None:
    """What is sent is what was written, line ends included."""
    plan = desk.plan('prompts:\n- {template: "A\\r\\n{{ a }}\\r", vars: {a: ["x\\r\\ny"]}}\n')

    assert ["A\r\nx\r\ny\r"] == [job.prompt for job in plan.jobs()]


def test_rows_of_a_json_list_are_told_by_their_lines(desk: Desk) -> None:
    """Each bad row is its own problem, at the line where it begins."""
    desk.put("a.json", '[{"p": "a"},\n {"p": ""},\n {"p": ["b"]},\n 5]\n')

    problems = desk.problems("prompts: [{file: a.json, prompt: p}]\n")

    assert [(2, "E205"), (3, "E203"), (4, "E203")] == [(problem.line, problem.code) for problem in problems]


def test_a_structure_is_no_prompt(desk: Desk) -> None:
    """Nobody wants to pay for a picture of ``["a"]``."""
    desk.put("a.jsonl", '{"p": "a"}\n{"p": {"en": "b"}}\n')

    problems = desk.problems("prompts: [{file: a.jsonl, prompt: p}]\n")

    assert [(2, "E203")] == [(problem.line, problem.code) for problem in problems]


@pytest.mark.parametrize("path", ["p/" * 3_000 + "a.txt", "p/" * 3_000 + "*.txt", "a" * 300 + ".txt", "a" * 300 + "*.txt"])
def test_a_path_that_is_too_long_is_a_problem_of_its_line(desk: Desk, path: str) -> None:
    """Prompt files, and the folder of the references: no system can open them, and none of the questions about them raises."""
    assert desk.places(f"prompts: [{{file: '{path}'}}]\n") == ["4:18 E201"]
    assert "E207" in "".join(desk.places(f"prompts: [a]\nreferences_root: '{path}'\n"))


@pytest.mark.parametrize("pattern", ["n/*" + "g/*" * 2_000, "**/" * 3 + "*.txt", "*/" * 40 + "a.txt"])
def test_a_pattern_that_would_be_looked_for_until_the_morning_is_refused(desk: Desk, pattern: str) -> None:
    """More folders than anybody has, or the whole tree of each folder of the whole tree: found nothing, said at once."""
    (problem,) = desk.problems(f"prompts: [{{file: '{pattern}'}}]\n")

    assert ("E201", "a pattern may name 32 folders and have ** 2 times at most") == (problem.code, problem.message)
