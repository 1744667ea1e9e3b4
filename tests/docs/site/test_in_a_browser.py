"""The documentation site as readers see it: in Chromium, light and dark, on a desk and on a phone."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from e2e.playground_browser import Browser
from repository import ROOT, tracked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from e2e.playground_browser import Page

# One browser serves all tests of this module: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

DOCS = ROOT / "docs"
DESK, PHONE = 1280, 360
SCHEMES = {"light": "default", "dark": "slate"}
"""The theme's scheme by what the reader's system prefers."""
PAGES = {
    "index.html": "speechpipeline: speech in, answers out",
    "how-to/send-audio.html": "Send recordings",
    "reference/settings.html": "Settings of the bridge",
}
"""The landing page, a page with code, and one with wide tables, each with its title."""

SEEN = """(() => {
    const title = document.querySelector("article h1");
    const box = title.getBoundingClientRect();
    const onTop = document.elementFromPoint(box.x + 5, box.y + box.height / 2);
    return {
        scheme: document.body.dataset.mdColorScheme,
        sideways: document.documentElement.scrollWidth > document.documentElement.clientWidth,
        title: title.firstChild.textContent.trim(),
        titleIsVisible: title.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && onTop === title,
    };
})()"""
LOADED = "performance.getEntriesByType('resource').map((entry) => new URL(entry.name).origin)"


class Files(SimpleHTTPRequestHandler):
    """The built site; says nothing on the test's terminal."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the library
        pass


@pytest.fixture(scope="module")
def origin(site: Path) -> Iterator[str]:
    """Where the built site is served, as by any static web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser.start() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with browser.page() as opened:
        yield opened


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_fits_and_shows_its_title_without_complaints(
    page: Page, origin: str, name: str, scheme: str, width: int
) -> None:
    await page.look_like(width=width, scheme=scheme)

    await page.open(f"{origin}/{name}")

    assert await page.evaluate(SEEN) == {
        "scheme": SCHEMES[scheme],
        "sideways": False,
        "title": PAGES[name],
        "titleIsVisible": True,
    }
    assert set(await page.evaluate(LOADED)) == {origin}
    assert page.complaints == []


async def test_no_page_scrolls_sideways_on_a_phone(page: Page, origin: str) -> None:
    """Of docs/: the other files that pages link to are code."""
    await page.look_like(width=PHONE)
    files = [file.relative_to(DOCS).with_suffix(".html").as_posix() for file in tracked("docs/*.md")]

    wide = []
    for name in [file.replace("README", "index") for file in files]:
        await page.open(f"{origin}/{name}")
        if (await page.evaluate(SEEN))["sideways"]:
            wide.append(name)

    assert files
    assert (wide, page.complaints) == ([], [])
