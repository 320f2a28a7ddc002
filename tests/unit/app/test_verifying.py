"""An audit on its way, told while it lasts."""

from pathlib import Path

import pytest

from batchgen.app.verifying import verify
from batchgen.settings import Settings
from tests.support.databases import opened, sqlite_url


def test_audit_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which invariant, of which many, and how many jobs of how many are behind it; a reader that has gone stops nothing."""
    url = sqlite_url(tmp_path)
    monkeypatch.setattr("batchgen.app.progress._SAY_EVERY_S", 0.0001)
    said: list[str] = []

    def listen(text: str) -> None:
        said.append(text)
        raise BrokenPipeError

    with opened(url) as open_table:
        open_table(5)
        audit = verify(Settings.from_environment({}, db=url), None, on_progress=listen)

    named = {f"{finding.name} {finding.title}: 0 of 5 jobs" for finding in audit.findings}
    assert [] == audit.violations
    assert named.intersection(said)
