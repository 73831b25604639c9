"""The pages in a real browser: Debian's Chromium, driven by Playwright, against a real server."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebSocket, expect, sync_playwright

from graphql_api.pages import STATIC
from tests.api.serving import Api, listens, serving
from tests.conftest import Database, fresh_database
from tests.pages.site import fill

PATIENCE = 60_000  # ms: how fast a page is, is not for the tests to say
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ("--disable-gpu", "--disable-background-networking", "--disable-component-update")


@dataclass(frozen=True)
class Look:
    """How a person sees a page."""

    width: int = 1280
    height: int = 800
    theme: str = "light"

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.theme}"


LOOKS = [Look(*size, theme) for size in ((1280, 800), (390, 844)) for theme in ("light", "dark")]


@dataclass
class Watch:
    """What a page did that no page may: told at the test's end, unless the test expects it."""

    address: str
    expected: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Take no offence at errors in the console that the pattern is found in."""
        self.expected.append(pattern)

    def attend(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.seen.append(f"uncaught: {error}"))
        page.on("request", self._follow)
        page.on("websocket", self._follow)

    def unexpected(self) -> list[str]:
        return [line for line in self.seen if not any(re.search(pattern, line) for pattern in self.expected)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.seen.append(f"console: {message.text} ({message.location})")

    def _follow(self, request: Request | WebSocket) -> None:
        own = (
            self.address + "/",
            self.address.replace("http", "ws", 1) + "/",
            "data:",
            "blob:" + self.address,
        )
        if not request.url.startswith(own):
            self.seen.append(f"left the server's origin: {request.url}")


@pytest.fixture(scope="session")
def _pages() -> None:
    """Skip where the pages are not built."""
    if not (STATIC / "chart.html").exists():
        pytest.skip("the pages are not built: make pages (needs Node.js with npm)")


# Not of the session: while Playwright runs, its thread has an event loop, and other tests want their own.
@pytest.fixture(scope="package")
def browser(_pages: None) -> Iterator[Browser]:
    """The installed Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed here")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=found, args=list(_ARGUMENTS), chromium_sandbox=os.getuid() != 0
        )
        expect.set_options(timeout=PATIENCE)
        yield running
        running.close()


@pytest.fixture(scope="package")
def site_database(start_server: Callable[[str], str], _pages: None) -> Iterator[Database]:
    """The markets of tests.pages.site; nobody writes to them."""
    with fresh_database(start_server("plain"), "plain") as fresh:
        fill(fresh.url)
        yield fresh


@pytest.fixture(scope="package")
def site(site_database: Database) -> Iterator[Api]:
    """The server over them."""
    with serving(site_database.url) as running:
        listens(running)
        yield running


@pytest.fixture
def look() -> Look:
    """Of a desk, in the light; a test that is to be seen otherwise too is parametrised with LOOKS."""
    return Look()


@contextmanager
def visiting(browser: Browser, address: str, look: Look) -> Iterator[tuple[Page, Watch]]:
    """A new visitor's page on the server at `address`, who has been nowhere yet."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.theme == "dark" else "light",
        accept_downloads=True,
        reduced_motion="reduce",
        timezone_id="America/New_York",  # a page that shows the visitor's time for UTC is found out
    )
    context.set_default_timeout(PATIENCE)
    watch = Watch(address)
    page = context.new_page()
    watch.attend(page)
    try:
        yield page, watch
        assert watch.unexpected() == []
    finally:
        page.unroute_all(behavior="ignoreErrors")
        context.close()


@pytest.fixture
def visit(browser: Browser, site: Api, look: Look) -> Iterator[tuple[Page, Watch]]:
    """A visitor of the site, and what the page does that no page may."""
    with visiting(browser, str(site.http.base_url).rstrip("/"), look) as (page, watch):
        yield page, watch


@pytest.fixture
def page(visit: tuple[Page, Watch]) -> Page:
    """The visitor's page: the test fails if it logs an error, or asks anybody but its server."""
    return visit[0]


@pytest.fixture
def watch(visit: tuple[Page, Watch]) -> Watch:
    """What the page does that no page may."""
    return visit[1]


AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def violations(page: Page) -> Callable[[], list[str]]:
    """Return what axe-core finds on the page that is serious or critical, a line for each element."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm --prefix web ci")

    def find() -> list[str]:
        page.evaluate(
            AXE.read_text(encoding="utf-8")
        )  # by the browser's own door: the page lets no script in
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
            for violation in found["violations"]
            if violation["impact"] in {"serious", "critical"}
            for node in violation["nodes"]
        ]

    return find
