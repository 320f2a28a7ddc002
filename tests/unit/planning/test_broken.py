"""Every broken manifest is refused with exactly the places and codes that its first line promises."""

import re
from pathlib import Path

import pytest

from batchgen.core.errors import ManifestError
from batchgen.planning.codes import CODES
from batchgen.planning.loader import load
from tests.support.rules import rules_for

BROKEN = Path(__file__).parent / "broken"
EXPECTED = re.compile(r"([0-9]+):([0-9]+) ([A-Z][0-9]+)")


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_broken_manifest_is_refused_at_its_places(path: Path) -> None:
    """All problems come at once, each with its line, column and code, and nothing else does."""
    first_line = path.read_bytes().split(b"\n")[0].decode()
    expected = [(int(line), int(column), code) for line, column, code in EXPECTED.findall(first_line)]

    with pytest.raises(ManifestError) as caught:
        load(path, rules_for=rules_for, environ={})

    found = [(problem.line, problem.column, problem.code) for problem in caught.value.problems]
    assert expected == found, str(caught.value)
    assert all(problem.code in CODES for problem in caught.value.problems)


def test_the_broken_manifests_cover_what_the_contract_names() -> None:
    """There are at least thirty of them, and every code that a manifest alone can provoke occurs."""
    texts = [path.read_bytes().split(b"\n")[0].decode() for path in BROKEN.glob("*.yaml")]
    seen = {code for text in texts for _, _, code in EXPECTED.findall(text)}

    assert len(texts) >= 30
    elsewhere = {"E100", "E202", "E203", "E309", "E503"}
    assert {code for code in CODES if code.startswith("E")} - elsewhere == seen
