"""The list of hashes, as coreutils has it."""

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from batchgen.files.bundles import sums

NAMES = ["plain.png", "two words.png", "back\\slash", "line\nend", "\\", " * ", "狐.png", b"latin-\xe9".decode(errors="surrogateescape")]


@pytest.mark.parametrize("name", [*NAMES, "carriage\rreturn"], ids=ascii)
def test_a_name_comes_back_from_its_line(name: str) -> None:
    """Whatever a file is called, its line is one line."""
    line = sums.render(name, "ab" * 32)

    assert 1 == line.count(b"\n")
    assert ({name: "ab" * 32}, []) == sums.read(line)


def test_coreutils_reads_and_writes_the_same(tmp_path: Path) -> None:
    """Our lines are those that sha256sum writes, and it finds every file by them."""
    for name in NAMES:
        (tmp_path / name).write_bytes(name.encode(errors="surrogateescape"))
    lines = b"".join(sums.render(name, sha256((tmp_path / name).read_bytes()).hexdigest()) for name in NAMES)

    theirs = subprocess.run(["sha256sum", "--", *NAMES], cwd=tmp_path, capture_output=True, check=True).stdout
    checked = subprocess.run(["sha256sum", "-c", "--strict"], cwd=tmp_path, input=lines, capture_output=True, check=False)

    assert theirs == lines
    assert 0 == checked.returncode, checked.stderr


def test_what_is_no_line_is_told() -> None:
    """A line without a hash, and a second hash of one name; capital digits and the mark of binary files are allowed."""
    content = b"AB" * 32 + b" *a\nnonsense\n" + b"cd" * 32 + b"  a\n"

    found, troubles = sums.read(content)

    assert {"a": "ab" * 32} == found
    assert ["line 2 of SHA256SUMS is no hash and name", "line 3 of SHA256SUMS gives a file a second hash"] == list(troubles)
