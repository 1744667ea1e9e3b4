"""Takes the pictures in docs/pictures, from a cluster with the platform after some traffic: `make pictures`.

The file's name keeps it out of the tests; it uses their cluster and their browser.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.text import Text

from charts.panels import dashboards as shipped
from e2e.asking import LONGER_VOICE, PROMPT, VOICE, client, form
from e2e.dashboard_data import is_drawn
from e2e.playground_browser import Browser, Page
from repository import ROOT
from speechlocal.cluster import addons, dashboards, platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from e2e.service import Service

pytestmark = pytest.mark.e2e

PICTURES = ROOT / "docs" / "pictures"
WIDTH, TOP_HEIGHT = 1400, 800
QUALITY = 75
TRAFFIC_S = float(os.environ.get("TRAFFIC_SECONDS", "240"))
LONGEST_PAUSE_S = 12.0
TERMINAL_WIDTH = 100

# rich's own format loads a font from elsewhere, which a picture in a page may not
TERMINAL = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px; line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@pytest.fixture
async def page(speech: Service) -> AsyncIterator[Page]:
    assert dashboards.has_library(), f"the dashboards have no charts: {dashboards.WITHOUT_LIBRARY}"
    await speech.settle()
    addons.wait_ready(speech.cluster.name)
    PICTURES.mkdir(exist_ok=True)
    async with Browser.start(microphone=VOICE) as browser, browser.page() as opened:
        yield opened


async def test_pictures(page: Page, speech: Service) -> None:
    await traffic(speech, TRAFFIC_S)
    await speech.settle()
    await dashboard_pictures(page, speech)
    await playground_picture(page, speech)
    await status_picture(speech)


async def traffic(service: Service, seconds: float) -> None:
    """Send recordings for some time: a caller all the time, two more now and then, and one who transcribes.

    The last one also sends requests that are refused, for the panels of errors.
    """
    end = time.monotonic() + seconds
    async with client(service.host) as session:

        async def call(path: str, voice: Path, *, status: HTTPStatus = HTTPStatus.OK, **fields: str) -> None:
            async with session.post(f"{service.cluster.ingress}/{path}", data=form(voice, **fields)) as answer:
                assert answer.status == status, await answer.text()
                await answer.read()

        async def caller(pause_s: float) -> None:
            while time.monotonic() < end:
                await call(
                    "process", LONGER_VOICE, prompt="Describe him in a sentence.", max_tokens="32", stream="true"
                )
                await asyncio.sleep(pause_s)

        async def transcriber(pause_s: float) -> None:
            while time.monotonic() < end:
                await asyncio.sleep(pause_s)
                await call("v1/audio/transcriptions", VOICE, model="whisper-1")
                await call("process", VOICE, status=HTTPStatus.BAD_REQUEST, prompt=PROMPT, max_tokens="0")

        await asyncio.gather(caller(1.0), *(caller(LONGEST_PAUSE_S) for _ in range(2)), transcriber(LONGEST_PAUSE_S))


async def dashboard_pictures(page: Page, service: Service) -> None:
    for name, dashboard in shipped().items():
        for scheme in ("light", "dark"):
            await page.open("about:blank")
            await size(page, WIDTH, TOP_HEIGHT, scheme)
            await page.open(
                f"{dashboards.address(service.cluster.way.port)}#dashboard={dashboard['uid']}&range=300&refresh=0"
            )
            await page.wait_for(is_drawn(name))
            if name == "service":
                await take(page, PICTURES / f"dashboard-{scheme}.webp")
            if scheme == "light":
                await size(page, WIDTH, await page.evaluate("document.documentElement.scrollHeight"), scheme)
                await take(page, PICTURES / f"dashboard-{name}.webp")


async def playground_picture(page: Page, service: Service) -> None:
    for scheme in ("light", "dark"):
        await page.open("about:blank")
        await size(page, 1200, TOP_HEIGHT, scheme)
        await page.open(f"http://{service.host}:{service.cluster.way.port}/")
        await page.wait_for("document.querySelectorAll('#components li').length === 2")
        await page.drop(LONGER_VOICE)
        await page.wait_for("document.getElementById('player').duration > 0")
        await page.evaluate("document.getElementById('prompt').select()")
        await page.send("Input.insertText", text=platform.DEMO_PROMPT)
        await page.click("#run")
        await page.wait_for("document.body.dataset.state === 'done'", seconds=120)
        await page.evaluate("window.scrollTo(0, 0)")
        await size(page, 1200, min(await page.evaluate("document.documentElement.scrollHeight"), 1400), scheme)
        await take(page, PICTURES / f"playground-{scheme}.webp")


async def status_picture(service: Service) -> None:
    """What `kubectl speech status` prints on a terminal about a pipeline that is ready, as SVG."""
    command = (platform.link_commands() / platform.PLUGIN, "status", service.name, "--namespace", service.namespace)
    environment = {
        "KUBECONFIG": str(service.cluster.way.kubeconfig),
        "FORCE_COLOR": "1",
        "COLUMNS": str(TERMINAL_WIDTH),
    }
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert "not ready" not in printed.decode(), printed.decode()
    console = Console(record=True, width=TERMINAL_WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(printed.decode().rstrip()))
    title = f"$ kubectl speech status {service.name}"
    console.save_svg(str(PICTURES / "status.svg"), title=title, code_format=TERMINAL, unique_id="status")


async def size(page: Page, width: int, height: int, scheme: str) -> None:
    await page.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    await page.send("Emulation.setScrollbarsHidden", hidden=True)
    await page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


async def take(page: Page, file: Path) -> None:
    """Save what is in the window, once it has been painted."""
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    image = await page.send("Page.captureScreenshot", format="webp", quality=QUALITY)
    await asyncio.to_thread(file.write_bytes, base64.b64decode(image["data"]))
