"""Fixtures of the table of threats: the command line and the vendors of the acceptance tests, and a folder for a manifest."""

from tests.acceptance.conftest import cli, start_vendor, vendor
from tests.unit.files.conftest import inspector
from tests.unit.planning.conftest import desk

__all__ = ["cli", "desk", "inspector", "start_vendor", "vendor"]
