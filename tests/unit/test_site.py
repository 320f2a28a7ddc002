"""The pages in docs/ as a site: every link leads somewhere, nothing is loaded from elsewhere, and no key is without an example."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from batchgen.planning.schema import manifest_schema
from docs.site.reference import Reference
from tests.support.cli import ROOT

PAGES = {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """``make docs`` works: links and their places in other pages are there, and a reader's machine asks no other host for anything."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-f", str(ROOT / "docs/site/mkdocs.yml"), "-d", str(tmp_path)],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )

    pages = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html")}
    assert (0, "", "") == (built.returncode, built.stdout, built.stderr)
    assert {page.replace(".md", ".html") for page in PAGES} <= set(pages)
    assert [] == [found for page in pages.values() for found in re.findall(r"<(?:script|img|link|iframe)[^>]*https?://[^>]*>", page)]
    assert [] == [name for name, page in pages.items() if 'class="mermaid"' in page]  # the theme would fetch what draws it


def test_every_page_is_in_the_navigation_and_in_the_readme() -> None:
    """Whoever begins at either finds it."""
    written = yaml.safe_load((ROOT / "docs/site/mkdocs.yml").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert PAGES == {page for entry in written["nav"] for page in entry.values()}
    assert set(re.findall(r"\]\(docs/([a-z]+\.md)\)", readme)) == PAGES


def test_every_key_of_the_manifest_has_an_example() -> None:
    """Out of a shipped manifest, which other tests load; a key without one has a section of its own to look at."""
    reference = Reference(manifest_schema())

    keys = {(name, key) for name in reference.sections for key in reference.own_keys(name)}
    assert keys >= set(reference.examples)
    sections = {("Manifest", key) for key in ("references", "sweeps", "output", "notify")} | {("Provider", "keys")}
    assert sections == keys - set(reference.examples)
