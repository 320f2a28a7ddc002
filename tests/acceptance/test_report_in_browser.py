"""The report in a real browser, from ``file://`` with the network off: it works, complains of nothing, and asks nobody for anything."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import StartVendor
from tests.acceptance.test_hostile_prompts import PROMPTS as STEERING
from tests.support.browser import Tab, address_of, browsing, needs_chromium
from tests.support.cli import CommandLine, Vendor, study

pytestmark = needs_chromium

MARKUP = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    '"><svg onload=alert(3)>',
    "<!-- <script>",
    "<a href=javascript:alert(4)>click</a>",
    "{{ 7 * 7 }} ${7 * 7}",
    "一只狐狸在雪地里 🦊 مرحبا",
)


def is_quiet(tab: Tab) -> bool:
    """Say whether nothing was complained of and nothing left."""
    return ([], []) == (tab.complaints, tab.requests)


def switch_axes(tab: Tab) -> None:
    """Lay the pictures out by other axes, and back."""
    assert ["low", "medium"] == tab.heads()
    tab.page.select_option("#columns", "ratio")
    tab.drawn()
    assert ["1:1", "16:9"] == tab.heads()
    tab.page.select_option("#rows", "quality")
    tab.drawn()
    assert ["low", "medium"] == tab.legends()
    tab.page.select_option("#rows", "prompt")
    tab.drawn()


def filter_pictures(tab: Tab, failed: set[str]) -> None:
    """By state and by text, from the keyboard as well."""
    page = tab.page
    page.check("#states input[value=failed]")
    tab.drawn()
    assert failed == set(tab.keys())
    assert "moderated" in page.locator(".tile").first.inner_text()
    page.uncheck("#states input[value=failed]")
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("NOTHING LIKE THIS")
    tab.until("document.querySelectorAll('.tile').length === 0")
    page.fill("#text", "狐狸")
    tab.until("document.querySelectorAll('.tile').length === 4")
    assert "4 of 64 shown" == page.locator("#shown").inner_text()
    page.fill("#text", "")
    tab.until("document.querySelectorAll('.tile').length === 64")
    tab.drawn()


def open_pictures(tab: Tab, job: dict[str, Any]) -> None:
    """By keys: the large view with all that is known, then two side by side."""
    page = tab.page
    page.locator(".tile").first.focus()
    page.keyboard.press("ArrowDown")
    assert job["key"] != page.evaluate("document.activeElement.dataset.key")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    card = page.locator("#viewer .card").inner_text()
    for fact in (job["prompt"], job["task_id"], job["sha256"], job["path"], f"{job['width']} \u00d7 {job['height']}"):
        assert fact in card
    tab.until(f"document.querySelector('#viewer img').naturalWidth === {job['width']}")
    page.keyboard.press("c")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("c")
    assert 2 == page.locator("#pair[open] .side img").count()
    assert page.locator("#pair .differs").count() > 0
    page.keyboard.press("Escape")


def test_a_hostile_batch_is_shown_and_handled(cli: CommandLine, vendor: Vendor) -> None:
    """Axes switch, filters filter, keys move, pictures open; no prompt is taken for anything but text."""
    prompts = [*MARKUP, *STEERING, "[moderated] browser: a heron"]
    cli.write_text("".join(json.dumps({"p": prompt}) + "\n" for prompt in prompts), "prompts.jsonl")
    grid = {"quality": ["low", "medium"], "ratio": ["1:1", "16:9"]}
    cli.write(study(vendor.url, [{"file": "prompts.jsonl", "prompt": "p"}], grid=grid, limits={"in_flight": 16}))
    assert 3 == cli("run", "study.yaml", "-y").code
    assert 0 == cli("report").code
    jobs = {job["key"]: job for job in cli.jobs()}

    with browsing(address_of(cli.folder / "report-study/index.html")) as tab:
        assert set(jobs) == set(tab.keys())
        assert len(prompts) == len(tab.legends())
        for prompt in MARKUP:
            assert tab.page.get_by_text(prompt, exact=True).count() >= 1
        assert 0 == tab.page.locator("#grid img[src=x], #grid svg, #grid a").count()
        tab.until("document.querySelector('.tile img').naturalWidth > 0")
        switch_axes(tab)
        filter_pictures(tab, {key for key, job in jobs.items() if job["state"] == "failed"})
        open_pictures(tab, jobs[tab.keys()[0]])
        tab.page.click("nav [data-panel=night]")
        assert tab.page.locator("#night svg").count() >= 4
        assert tab.page.locator("#night").get_by_text("moderated").count() > 0
        tab.page.click("nav [data-panel=claims]")
        assert tab.page.locator("#claims").is_visible()
        assert is_quiet(tab)


def test_the_demo_ends_with_a_report(cli: CommandLine) -> None:
    """It shows every picture of the demo; in a narrow window and in the dark as well."""
    done = cli("demo", "--jobs", "8", "--dir", "play")

    assert 0 == done.code, done.err
    assert "play/report/index.html" in done.out
    with browsing(address_of(cli.folder / "play/report/index.html"), size=(360, 740)) as tab:
        tab.page.emulate_media(color_scheme="dark")
        assert 8 == len(tab.keys())
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
        tab.page.set_viewport_size({"width": 3840, "height": 2160})
        assert tab.page.evaluate("document.documentElement.scrollHeight") <= 2160
        assert is_quiet(tab)


def test_a_single_file_shows_its_pictures_wherever_it_lies(cli: CommandLine, vendor: Vendor, tmp_path: Path) -> None:
    """Mailed to somebody who has nothing else."""
    cli.write(study(vendor.url, ["browser, single: a fox"]))
    cli("run", "study.yaml", "-y")
    cli("report", "--single-file")
    mailed = (cli.folder / "report-study.html").rename(tmp_path / "mailed.html")

    with browsing(address_of(mailed)) as tab:
        tab.until("document.querySelector('.tile img').naturalWidth > 0")
        tab.page.click(".tile")
        tab.until("document.querySelector('#viewer img').naturalWidth > 0")
        assert is_quiet(tab)


@pytest.mark.slow
def test_1632_prompts_are_usable(cli: CommandLine, start_vendor: StartVendor) -> None:
    """As many as PartiPrompts has: every row is there, and a filter answers."""
    vendor = start_vendor(latency_s=0.05, image_scale=0.05)
    prompts = [f"picture {number}: a {'fox' if number % 2 else 'heron'}" for number in range(1632)]
    cli.write(study(vendor.url, prompts, limits={"in_flight": 64}))
    assert 0 == cli("run", "study.yaml", "-y").code
    assert 0 == cli("report").code

    with browsing(address_of(cli.folder / "report-study/index.html")) as tab:
        assert 1632 == len(tab.legends()) == len(tab.keys())
        tab.page.fill("#text", "heron")
        tab.until("document.querySelectorAll('.tile').length === 816")
        assert "816 of 1,632 shown" == tab.page.locator("#shown").inner_text()
        assert is_quiet(tab)


def test_a_live_page_follows_a_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """New pictures appear by themselves; when the server ends, the page says so and keeps what it knew."""
    vendor = start_vendor(latency_s=0.3)
    cli.write(study(vendor.url, [f"live: picture {number}" for number in range(12)], limits={"in_flight": 2}))
    cli("plan", "study.yaml", "--save")
    with cli.background("report", "--live") as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[1]
        with browsing(address, allowed=address) as tab:
            assert "12 planned" in tab.page.locator("#headline").inner_text()
            assert 0 == cli("resume", "-y").code
            tab.until("document.querySelectorAll('.tile.saved img').length === 12")
            tab.until("document.querySelector('#headline').textContent.includes('12 saved')")
            assert is_quiet(tab)
            server.send_signal(signal.SIGINT)
            done = cli.finish(server)
            assert 0 == done.code, done.err
            tab.until("document.querySelector('#headline').textContent.includes('has ended')")
            assert 12 == len(tab.keys())
