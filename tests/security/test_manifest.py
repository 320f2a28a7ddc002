"""Rows 1 to 7 and 10 to 14 of the table of threats: what a manifest, its templates and its rows may hold."""

import re
import tracemalloc
import unicodedata
from collections.abc import Callable
from typing import TypeVar

import pytest
import yaml

from batchgen.core.jobs import Job
from batchgen.planning import reader
from batchgen.planning.naming import Namer, PathRefusedError, component, folder_template, name_template, slug
from batchgen.planning.templates import TemplateOutputError, TemplateRefusedError, Text
from batchgen.store.recorder import path_key
from tests.support.builders import job
from tests.support.cli import CommandLine
from tests.support.manifests import HEAD, Desk

T = TypeVar("T")
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]\n" for depth in range(1, 10)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(f"a{depth}: &a{depth} {{<<: [{','.join([f'*a{depth - 1}'] * 8)}]}}\n" for depth in range(1, 9))


def codes(desk: Desk, body: str) -> set[str]:
    """Load a manifest that cannot be planned, and give the codes of its problems; each has its place."""
    problems = desk.problems(body)
    assert all(problem.line for problem in problems)
    return {problem.code for problem in problems}


def measured(act: Callable[[], T]) -> tuple[T, int]:
    """Give the result and the most memory that Python took for it at once, in bytes."""
    tracemalloc.start()
    try:
        return act(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def read(source: bytes) -> tuple[reader.Node | None, list[tuple[str, str]]]:
    """Read YAML, and give what was made of it and the codes and messages told."""
    told: list[tuple[str, str]] = []
    return reader.read(source, lambda code, message, *_, **__: told.append((code, message))), told


def test_row_01_a_code_tag_is_a_located_error_and_nothing_runs(cli: CommandLine) -> None:
    """The command of the tag, here one that would leave a file, is not carried out."""
    cli.write_text("version: 1\nname: evil\nprompts:\n  - !!python/object/apply:os.system [id]\n", "id.yaml")
    cli.write_text("version: 1\nname: evil\nprompts:\n  - !!python/object/apply:os.system ['touch owned']\n", "touch.yaml")

    answer = cli("validate", "id.yaml", "touch.yaml")

    assert 2 == answer.code
    assert {("id", "4"), ("touch", "4")} == set(re.findall(r"(\w+)\.yaml:(\d+):\d+: error\[E107\]", answer.err))
    assert "uid=" not in answer.out + answer.err
    assert {"id.yaml", "touch.yaml"} == set(cli.files())


@pytest.mark.parametrize(("bomb", "least"), [(ALIASES, 9 * 9), (MERGES, 8 * 8)], ids=["row_02_aliases_9_by_9", "row_03_merge_keys_8"])
def test_row_02_03_bombs_of_aliases_are_refused_before_anything_is_built(bomb: str, least: int) -> None:
    """Every alias is told and none is followed: the memory taken is that of the text, not of what it would grow to."""
    (_, told), peak = measured(lambda: read(bomb.encode()))

    assert {"E106"} == {code for code, _ in told}
    assert least <= len(told)
    assert peak < 4_000_000


def test_row_04_ten_thousand_brackets_are_too_deep() -> None:
    """Whoever notices first, our bound of 64 or the parser's own, it is told in words and not as a RecursionError."""
    node, told = read(b"[" * 10_000)
    just, fine = read(b"[" * 64 + b"]" * 64)
    over, deep = read(b"[" * 65 + b"]" * 65)

    assert node is None
    assert ["E108"] == [code for code, _ in told]
    assert "recursion" not in str(told).casefold()
    assert ([], [("E108", "too deep (64)")]) == (fine, deep)
    assert just is not None
    assert over is None


def test_row_04_a_number_of_5000_digits_stays_text(desk: Desk) -> None:
    """Python refuses to read it as a number; here it is told as a wrong count, and not in full."""
    (problem,) = desk.problems(f"prompts: [a]\nsamples: {'9' * 5000}\n")

    assert "E103" == problem.code
    assert len(str(problem)) < 300


@pytest.mark.parametrize("size", [50 * 1000**2, 200 * 1000**2])
def test_row_04_a_file_over_8_mib_is_refused_before_parsing(desk: Desk, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of 50 MB, a file of 200 MB: no more than the cap and one byte is read, and the parser never sees it."""
    with (desk.folder / "manifest.yaml").open("wb") as file:
        file.write(b"name: ")
        file.truncate(size)
    monkeypatch.setattr(yaml, "parse", lambda *_, **__: pytest.fail("the file was parsed"))

    (problem,), peak = measured(desk.refusal)

    assert "E108" == problem.code
    assert peak < 3 * reader.MAX_BYTES


@pytest.mark.parametrize("word", ["16:9", "no", "1_0", ".nan", "2026-11-22"])
def test_row_05_words_that_yaml_would_turn_into_something_else_stay_text(desk: Desk, word: str) -> None:
    """No number, date, truth value or not-a-number is made of what was written."""
    node, told = read(f"ratio: {word}".encode())
    (prompt,) = desk.prompts(f"prompts: [{word}]\n")

    assert [] == told
    assert node is not None
    assert {"ratio": word} == node.plain()
    assert word == prompt


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("prompts: [a]\nprompts: [b]\n", "E102"),
        ("prompts: [a]\npromptss: [b]\n", "E104"),
        ("prompts: [a]\nname: x\0y\n", "E109"),
        ('prompts: ["\\ud800"]\n', "E109"),
        ('prompts: ["a\\0b"]\n', "E109"),
    ],
    ids=["duplicate key", "unknown key", "NUL", "lone surrogate", "escaped NUL"],
)
def test_row_05_odd_keys_and_characters_are_located_errors(desk: Desk, body: str, expected: str) -> None:
    """Each is told at its place, so nothing reaches a database or a request that could not be written there as UTF-8."""
    assert expected in codes(desk, body)


def test_row_05_a_byte_order_mark_is_no_part_of_the_first_key(desk: Desk) -> None:
    """What editors put in front of a file is not read as text."""
    assert ["a"] == desk.prompts("prompts: [a]\n", head="\ufeff" + HEAD)


def test_row_06_a_grid_of_six_axes_of_a_thousand_is_counted_and_not_built(desk: Desk) -> None:
    """10^18 rows are refused by arithmetic: the memory taken is that of the axes."""
    values = ", ".join(f"v{number}" for number in range(1000))
    axes = "".join(f"  {name}: [{values}]\n" for name in ("model", "resolution", "quality", "background", "output_format", "size"))

    (problem,), peak = measured(lambda: desk.problems(f"prompts: [a]\noperation: generate\ngrid:\n{axes}"))

    assert "E307" == problem.code
    assert peak < 30_000_000


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{% for i in range(10**9) %}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ a['b'] }}",
        "{{ a.b }}",
        "{{ a() }}",
        "{{ 'x' * 10**9 }}",
        "{{ 9 }}",
        "{{ range(10**9) }}",
        "{# comment #}",
        "{{ a | center(1000000000) }}",
        "{{ a | upper(1) }}",
        "{{ a | replace('', 'x') }}",
        "{{ a | replace(a, 'x') }}",
        "{{ a | replace('x') }}",
        "{{ a if a else a }}",
        "{{ a ~ a }}",
        "{{ a",
        "{{ }}",
        "{{" + "(" * 5000,
        "{{ a" + "('x')" * 2000 + " }}",
        "{{ a }}/" * 10_000,
    ],
    ids=lambda template: template[:30],
)
def test_row_07_a_template_holds_variables_and_simple_filters_only(template: str) -> None:
    """Whatever could run, reach or grow is refused when it is read, so that no time has to be limited."""
    with pytest.raises(TemplateRefusedError):
        Text(template)


def test_row_07_simple_filters_work() -> None:
    """Case, trimming and replacing, and line ends at the end stay."""
    text = Text("{{ a | upper }}-{{ a | replace('x', 'y') | trim | title }}\n")

    assert text.render({"a": " x "}) == " X -Y\n"
    assert text.variables == {"a"}


def test_row_07_a_result_has_32_kib_at_most() -> None:
    """Also inside a chain of filters."""
    with pytest.raises(TemplateOutputError):
        Text("{{ a }}").render({"a": "é" * 20_000})
    with pytest.raises(TemplateOutputError):
        Text("{{ a | replace('x', '" + "y" * 1000 + "') }}").render({"a": "x" * 1000})
    assert len(Text("{{ a }}").render({"a": "x" * 20_000})) == 20_000


@pytest.mark.parametrize("count", [60, 200, 5000])
def test_row_07_a_chain_of_filters_is_refused(desk: Desk, count: int) -> None:
    """No parser is driven out of its depth."""
    problems = desk.problems("prompts:\n- {template: '{{ a%s }}', vars: {a: [x]}}\n" % ("|upper" * count))

    assert [problem.code for problem in problems] == ["E501"]


@pytest.mark.parametrize("value", ["../../secrets.yaml", "manifest.yaml"], ids=["escape", "cycle"])
def test_row_10_a_manifest_includes_no_other(desk: Desk, value: str) -> None:
    """``include`` takes cells of a grid and no file: nothing is opened, so there is no root to leave and no cycle to run in."""
    assert {"E103"} == codes(desk, f"prompts: [a]\ninclude: {value}\n")


@pytest.mark.parametrize(
    "template",
    [
        "../../etc/cron.d/x",
        "a/../b",
        "a/../../b",
        "/etc/cron.d/x",
        "~/x",
        "C:/x",
        "a\\b",
        "a//b",
        "a/",
        "./a",
        "{{ x }}/ .. /y",
        "a\x07",
    ],
)
def test_row_11_a_name_template_cannot_leave_its_folder(desk: Desk, template: str) -> None:
    """Parents, absolute paths, drives and home folders are refused when the plan is made."""
    with pytest.raises(PathRefusedError):
        name_template(template)

    if template.isprintable():
        assert "E504" in codes(desk, f"prompts: [a]\noutput: {{name: {template!r}}}\n".replace("{{ x }}", "{{ model }}"))


@pytest.mark.parametrize("template", ["out/../x", "~/out", "a\\b"])
def test_row_11_a_folder_template_is_checked_too(template: str) -> None:
    """It may be absolute, but hold no parents and no home folder."""
    with pytest.raises(PathRefusedError):
        folder_template(template)

    assert folder_template("/srv/out/{{ batch }}").render({"batch": "b"}) == "/srv/out/b"


@pytest.mark.parametrize("value", ["..\\..\\x", "%2e%2e/", "a/b", "a\u2215b", "../../etc/passwd", "/etc/passwd", "\x1b]52;", ""])
def test_row_12_a_prompt_in_a_name_is_one_tame_part_with_the_short_id(value: str) -> None:
    """Only letters, digits, marks, dots, dashes and underscores are left of it, and the id tells the rows apart."""
    order = job(prompt=value)

    stem = Namer("{{ prompt }}", batch="b").stem(order)

    assert stem.endswith(order.key[:8])
    assert re.fullmatch(r"[\w.-]+", stem)
    assert ".." not in stem
    assert not stem.startswith((".", "-"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CON", "_CON"),
        ("con", "_con"),
        ("aux .png", "aux-.png"),
        ("aux.png", "_aux.png"),
        ("CONIN$", "CONIN"),
        ("COM\N{SUPERSCRIPT ONE}", "_COM\N{SUPERSCRIPT ONE}"),
        ("LPT9.x", "_LPT9.x"),
        ("NUL", "_NUL"),
        ("x.", "x"),
        ("..", "_"),
        (".", "_"),
        ("-rf", "rf"),
        ("a\u202egnp.exe", "a-gnp.exe"),
        ("trail. ", "trail"),
    ],
)
def test_row_13_reserved_names_are_changed(name: str, expected: str) -> None:
    """Windows would open a device, a shell would read an option, a reader would see another ending."""
    assert expected == component(name)


def test_row_14_names_that_a_file_system_would_take_for_one_stay_apart() -> None:
    """Case, Unicode form, slashes and a cut at 255 bytes make equal names; the short id, never cut, makes them differ again."""
    prompts = ["A", "a", "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}", "a/b", "a-b", "画" * 86, "画" * 85]
    rows = [job(number, prompt=prompt, key=f"{number:08x}" + "0" * 24) for number, prompt in enumerate(prompts, 1)]

    stems = [Namer("{{ prompt }}", batch="b").stem(row) for row in rows]

    _assert_apart(stems, rows)


def test_row_14_a_long_name_is_cut_by_bytes_and_keeps_its_id() -> None:
    """180 bytes leave room for extension and sidecar within the 255 of a file name, and no character is cut in two."""
    row = job(prompt="画" * 300)

    stem = Namer("{{ prompt }}{{ prompt }}_{{ key8 }}", batch="b").stem(row)

    assert len(stem.encode()) <= 180
    assert stem.endswith(f"_{row.key[:8]}")
    assert stem == unicodedata.normalize("NFC", stem)
    assert "画" * 33 == slug("画" * 86)


def _assert_apart(stems: list[str], rows: list[Job]) -> None:
    assert len(rows) == len({path_key(stem) for stem in stems})
    assert all(stem.endswith(row.key[:8]) for stem, row in zip(stems, rows, strict=True))
    assert max(len(stem.encode()) for stem in stems) <= 180
