"""Fixtures of the planning tests."""

from pathlib import Path

import pytest

from tests.support.manifests import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an empty folder for a manifest."""
    return Desk(tmp_path)
