"""The four public prompt sets and the example manifests, against an independent reading."""

import json
from pathlib import Path

import pytest

from batchgen.core.jobs import JobSpec
from batchgen.planning.loader import load
from tests.support.rules import rules_for

MANIFESTS = Path(__file__).parents[3] / "manifests"
SETS = MANIFESTS / "prompts"


def rows(name: str) -> list[JobSpec]:
    """Plan an example manifest."""
    return list(load(MANIFESTS / name, rules_for=rules_for, environ={}).jobs())


def fields_of_csv(text: str) -> list[list[str]]:
    """Read RFC 4180 character by character: a second opinion on what a CSV file says."""
    records, record, field, quoted, at = [], [], "", False, 0
    while at < len(text):
        character = text[at]
        if quoted:
            if text.startswith('""', at):
                field, at = field + '"', at + 1
            elif character == '"':
                quoted = False
            else:
                field += character
        elif character == '"':
            quoted = True
        elif character == ",":
            record, field = [*record, field], ""
        elif character == "\n":
            records.append([*record, field.removesuffix("\r")])
            record, field = [], ""
        else:
            field += character
        at += 1
    return records if not (record or field) else [*records, [*record, field]]


def lines_of(path: Path) -> list[str]:
    """Split a file at line feeds, and take the carriage returns before them away."""
    parts = path.read_bytes().decode().split("\n")
    return [part.removesuffix("\r") for part in (parts if parts[-1] else parts[:-1])]


def test_partiprompts_are_kept_byte_for_byte() -> None:
    """1,632 prompts, with their quotes, bare numbers and outer spaces, and their categories."""
    expected = [line.split("\t") for line in lines_of(SETS / "partiprompts/PartiPrompts.tsv")[1:]]

    jobs = [job for job in rows("parti-night.yaml") if job.model == "gpt-image-2"]

    assert len(jobs) == 1632
    assert [(line[0], line[1], line[2]) for line in expected] == [
        (job.prompt, json.loads(job.labels)["category"], json.loads(job.labels)["challenge"]) for job in jobs
    ]
    texts = {job.prompt for job in jobs}
    assert {"42", "0", "300", "101"} <= texts
    assert sum(text != text.strip() for text in texts) == 10
    assert any(text.startswith('"G I G G L E"') for text in texts)


def test_geneval_prompts_are_the_same_in_both_files() -> None:
    """553 objects give the prompts that stand in the text file, line by line."""
    expected = lines_of(SETS / "geneval/generation_prompts.txt")

    jobs = [job for job in rows("geneval.yaml") if job.sample == 1]

    assert len(expected) == 553
    assert expected == [job.prompt for job in jobs]


def test_compbench_files_are_read_in_natural_order() -> None:
    """Eight files of 300 prompts, with CRLF or without, with a last line end or without."""
    files = sorted(SETS.glob("t2i-compbench/*_val.txt"), key=lambda path: path.name)
    expected = [line for path in files for line in lines_of(path)]

    jobs = rows("compbench.yaml")

    assert (len(files), len(expected)) == (8, 2400)
    assert expected == [job.prompt for job in jobs]
    assert not any("\r" in job.prompt for job in jobs)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_unigenbench_prompts_are_kept_byte_for_byte(language: str) -> None:
    """600 prompts from a CSV with doubled quotes and JSON in its cells."""
    header, *expected = fields_of_csv((SETS / f"unigenbench/test_prompts_{language}.csv").read_bytes().decode())

    jobs = rows(f"unigen-{language}.yaml")

    assert header[1] == f"prompt_{language}"
    assert len(expected) == 600
    assert [(fields[0], fields[1]) for fields in expected] == [(job.prompt_id, job.prompt) for job in jobs]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("hello.yaml", 1),
        ("ratios.yaml", 16),
        ("poster.yaml", 644),
        ("every-key.yaml", 21),
        ("many-keys.yaml", 2),
        ("parti-night.yaml", 3264),
        ("geneval.yaml", 553 * 4),
        ("compbench.yaml", 2400),
        ("unigen-en.yaml", 600),
        ("unigen-zh.yaml", 600),
        ("generate.yaml", 12),
        ("edit.yaml", 6),
        ("operations.yaml", 8),
    ],
)
def test_an_example_manifest_plans_its_rows(name: str, count: int) -> None:
    """Every shipped manifest loads without a warning, and counts by arithmetic what it expands to."""
    plan = load(MANIFESTS / name, rules_for=rules_for, environ={})

    assert (count, ()) == (plan.total, plan.warnings)
    assert count == sum(1 for _ in plan.jobs())


def test_every_shipped_manifest_is_among_the_tested() -> None:
    """No example can drift unnoticed."""
    assert {path.name for path in MANIFESTS.glob("*.yaml")} == {
        "hello.yaml",
        "ratios.yaml",
        "poster.yaml",
        "every-key.yaml",
        "many-keys.yaml",
        "parti-night.yaml",
        "geneval.yaml",
        "compbench.yaml",
        "unigen-en.yaml",
        "unigen-zh.yaml",
        "generate.yaml",
        "edit.yaml",
        "operations.yaml",
        "fal.yaml",  # with replicate.yaml in test_vendors: their rules come from a description
        "replicate.yaml",
    }


def test_the_sixteen_ratios_survive_unquoted() -> None:
    """16:9 is not 969."""
    ratios = [json.loads(job.params)["ratio"] for job in rows("ratios.yaml")]

    assert ratios == (
        "auto 1:1 3:2 2:3 4:3 3:4 5:4 4:5 16:9 9:16 2:1 1:2 3:1 1:3 21:9 9:21".split()  # noqa: SIM905 - as documented
    )
