"""A real browser with the network off, for pages that must need none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, Route, sync_playwright

from tests.support.cli import wait_until

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@dataclass(frozen=True, slots=True)
class Tab:
    """One page in the browser; ``complaints`` are errors of its script and its console, ``requests`` what it asked for elsewhere."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def keys(self) -> list[str]:
        """Give the job keys of the tiles, in the order of the grid."""
        return self.page.eval_on_selector_all(".tile", "tiles => tiles.map(tile => tile.dataset.key)")  # type: ignore[no-any-return]

    def heads(self) -> list[str]:
        """Give the names above the columns."""
        return self.page.eval_on_selector_all(".row.top .head", "heads => heads.slice(1).map(head => head.textContent)")  # type: ignore[no-any-return]

    def legends(self) -> list[str]:
        """Give the names before the rows."""
        return self.page.eval_on_selector_all(  # type: ignore[no-any-return]
            ".row:not(.top) .legend-cell", "cells => cells.map(cell => cell.firstChild.textContent)"
        )

    def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true; the page's own policy forbids the driver to wait inside it."""
        wait_until(lambda: self.page.evaluate(expression))

    def drawn(self) -> None:
        """Wait until the grid is complete."""
        self.page.wait_for_selector("#grid[data-ready]", state="attached")


@contextmanager
def browsing(address: str, *, allowed: str = "file:", size: tuple[int, int] = (1280, 900)) -> Iterator[Tab]:
    """Open an address in headless Chromium; what does not begin with ``allowed`` is noted and not let out."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        tab = Tab(context.new_page())

        def judge(route: Route, request: Request) -> None:
            if request.url.startswith((allowed, "data:")):
                route.continue_()
            else:
                tab.requests.append(request.url)
                route.abort()

        def hear(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                tab.complaints.append(message.text)

        context.route("**/*", judge)
        tab.page.on("console", hear)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("dialog", lambda dialog: tab.complaints.append(f"a dialog: {dialog.message}"))
        tab.page.goto(address)
        tab.drawn()
        yield tab
        browser.close()


def address_of(page: Path) -> str:
    """Give the address of a file."""
    return page.resolve().as_uri()
