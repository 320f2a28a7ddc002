"""The page says what it is given, and nothing in it is taken for markup or script."""

import base64
import hashlib
import html
import json
import re

import pytest

from batchgen.report.claims import Claim
from batchgen.report.page import HEAD, Evening, Page, harmless_json, policy, render

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)> & "quoted" \u2028 {{ 7 * 7 }} javascript:alert(3)'


def page(**changes: object) -> str:
    """Write a page of one job whose every text is hostile."""
    job = {"key": "a" * 32, "prompt": 0, "state": "failed", "reason": HOSTILE, "detail": HOSTILE, "params": {HOSTILE: HOSTILE}}
    claims = [Claim(kind="blank", keys=("a" * 32,), task_ids=(HOSTILE,), sentence=HOSTILE)]
    terms: dict[str, object] = {"batch": HOSTILE, "headline": HOSTILE, "prompts": [HOSTILE], "jobs": [job], "claims": claims}
    evening = Evening(lines=[HOSTILE], unit="coin")
    return render(Page(evening=evening, **terms | changes))  # type: ignore[arg-type] # terms of any test


def test_hostile_text_stays_text() -> None:
    """It neither ends the facts nor begins a tag anywhere."""
    written = page()

    assert 2 == written.count("<script")
    assert 2 == written.count("</script>")
    assert "<img" not in written
    assert "{{ 7 * 7 }}" in written


def test_the_facts_come_out_as_they_went_in() -> None:
    """Escaped for HTML, and JSON all the same."""
    facts = re.search(r'<script type="application/json" id="data">(.*?)</script>', page(), re.DOTALL)

    assert facts is not None
    assert [HOSTILE] == json.loads(facts[1])["prompts"]
    assert "<" not in facts[1]


def test_only_the_script_and_the_style_of_the_page_may_run() -> None:
    """Their hashes are in the policy, and they are those of what is written."""
    written = page()

    style = re.search(r"<style>(.*?)</style>", written, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", written, re.DOTALL)
    assert style is not None
    assert script is not None
    for text in (style[1], script[1]):
        found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{found}'" in html.unescape(written)
    assert "unsafe" not in written


@pytest.mark.parametrize(("is_served", "connects"), [(False, False), (True, True)])
def test_only_a_served_page_may_ask_for_anything(is_served: bool, connects: bool) -> None:
    """One that lies in a folder may not even ask its own."""
    written = policy("a", "b", is_served=is_served)

    assert connects == ("connect-src 'self'" in written)
    assert written.startswith("default-src 'none'; ")


def test_a_page_is_known_by_its_beginning() -> None:
    """So that only pages of ours are ever replaced."""
    assert page().startswith(HEAD)


def test_json_holds_no_character_that_html_knows() -> None:
    """Nor one that ends a line in a script."""
    written = harmless_json({"a": "<>&\u2028\u2029é"})

    assert {"a": "<>&\u2028\u2029é"} == json.loads(written)
    assert set("<>&\u2028\u2029").isdisjoint(written)


def test_a_batch_without_orders_has_a_page() -> None:
    """It says that nothing was ordered."""
    assert "Nothing was ordered yet." in page(jobs=[], prompts=[], claims=[])
