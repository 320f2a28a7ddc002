"""The how-to for authors of dialects tells the truth: its plugin and its check are run as they stand there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.acme import open_acme
from tests.plugins.packages import CHECK, install_acme
from tests.support.cli import ROOT


@pytest.mark.slow
def test_the_plugin_in_the_document_passes_the_check_in_the_document(tmp_path: Path) -> None:
    """Whoever copies both programs has a dialect that keeps every promise."""
    install_acme(tmp_path)
    (tmp_path / "check_acme.py").write_text(CHECK, encoding="utf-8")

    with open_acme() as acme:
        finished = subprocess.run(
            [sys.executable, "-W", "error", "check_acme.py", acme.url],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    assert (0, "", "") == (finished.returncode, finished.stdout, finished.stderr)
    assert 10 == len(acme.orders)


def test_the_document_is_one_page() -> None:
    """An author reads it in one go."""
    lines = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8").splitlines()

    assert len(lines) < 150
    assert max(map(len, lines)) <= 140
