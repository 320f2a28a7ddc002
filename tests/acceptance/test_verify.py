"""What `verify` says to people and machines, and with which exit code."""

import re
import sqlite3
from contextlib import closing

import pytest

from tests.support.cli import CommandLine, Vendor, study

_ROW = re.compile(r"(I\d+) +(\d+) +(\d+) +\d+\.\d  (\S.*)")


@pytest.fixture
def saved(cli: CommandLine, vendor: Vendor) -> CommandLine:
    """Give a command line whose batch of two pictures is done."""
    cli.write(study(vendor.url, ["a fox under audit", "a hen under audit"]))
    assert 0 == cli("run", "study.yaml", "-y").code
    return cli


def plant(cli: CommandLine, *statements: str) -> None:
    """Change rows of the job database behind the program's back."""
    with closing(sqlite3.connect(cli.folder / "batchgen.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_full_audit_lists_every_invariant_in_eighty_columns(saved: CommandLine) -> None:
    """Each has its name, its cases, its violations, its time and its title; the JSON says the same, and the verdict comes last."""
    told = saved("verify", "--full")
    document = saved("verify", "--json").document

    *rows, verdict = told.out.splitlines()[1:]
    listed = [match.groups() for row in rows if (match := _ROW.fullmatch(row))]
    checks = document["checks"]
    assert 0 == told.code
    assert max(map(len, rows)) <= 80
    assert listed == [(c["name"], str(c["cases"]), str(c["violations"]), c["title"]) for c in checks]
    assert [f"I{number}" for number in range(1, 22)] == [c["name"] for c in checks]
    assert {"I5": 2, "I6": 10, "I9": 2, "I20": 2} == {c["name"]: c["cases"] for c in checks if c["name"] in {"I5", "I6", "I9", "I20"}}
    assert "batchgen.verify/1" == document["schema"]
    assert (21, 2, 2, [], None) == tuple(document[name] for name in ("invariants", "files", "saved", "violations", "unknown"))
    assert verdict == saved("verify").out.strip()
    assert "2 files re-hashed" in verdict
    assert verdict.endswith(": no violation")


def test_file_that_no_order_made_is_told_and_no_violation(saved: CommandLine) -> None:
    """A person may keep notes beside the pictures: the full audit names them, and ends with 0."""
    saved.write_text("mine", "out/README.md")

    plain, full, document = saved("verify"), saved("verify", "--full"), saved("verify", "--full", "--json").document

    assert (0, 0) == (plain.code, full.code)
    assert "README" not in plain.out
    assert f"1 file that no order made, which is no violation:\n  {saved.folder}/out/README.md\n" in full.out
    assert {"files": 1, "first": [f"{saved.folder}/out/README.md"]} == document["unknown"]


def test_violations_are_listed_a_hundred_at_most(saved: CommandLine) -> None:
    """A database where all is wrong is no flood: exit 3, the first hundred told, all counted."""
    plant(
        saved,
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 130) INSERT INTO artifact SELECT NULL, batch_id, job_id, "
        "attempt_id, i, state, output_dir, 'x' || i, 'x' || i, temp, sha256, bytes, width, height, media_type, created_at "
        "FROM artifact, n WHERE job_id = 1",
    )

    told, answer = saved("verify"), saved("verify", "--json")

    counts = {check["name"]: check["violations"] for check in answer.document["checks"] if check["violations"]}
    assert (3, 3) == (told.code, answer.code)
    assert {"I9": 1, "I20": 129} == counts
    assert 101 == len(answer.document["violations"])
    assert 102 == len([line for line in told.out.splitlines() if line.startswith("VIOLATED ")])
    assert "VIOLATED I20 (every saved file has its size and hash): and 29 more\n" in told.out
    assert told.out.endswith(": 130 violations\n")


def test_database_that_cannot_be_read_is_a_matter_of_storage(saved: CommandLine) -> None:
    """A damaged file is exit 7 and a sentence, not a violation and not a bug."""
    path = saved.folder / "batchgen.db"
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = bytes(len(content) - 4096)
    path.write_bytes(content)

    told = saved("verify")

    assert 7 == told.code
    assert "Traceback" not in told.err
