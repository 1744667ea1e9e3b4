"""Chromium without a window, driven over the DevTools protocol.

Why not a browser automation package: selenium wants a second program (chromedriver) of the very version of the browser,
playwright brings a browser of its own from elsewhere. The dozen commands used here are one JSON message each.
Source of the protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # containers run tests as root; the only pages opened are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-backgrounding-occluded-windows",  # else a page that Chromium takes for hidden stands still
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-dev-shm-usage",  # containers have 64 MB there
    "--use-fake-ui-for-media-stream",  # the microphone is allowed without asking
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)
START_SECONDS = 60
PATIENCE_SECONDS = 120
"""Also on a machine that is busy with other tests."""
INTERRUPTED = "net::ERR_NETWORK_CHANGED"
"""What Chromium cuts requests with when a network interface comes or goes: a container of another test."""

_AT_REST = """(async () => {
  const element = document.querySelector(%s);
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (let before = ''; ; await frame()) {
    element.scrollIntoView({block: 'center', behavior: 'instant'});
    const box = element.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    if (before === `${x} ${y}` && element.contains(document.elementFromPoint(x, y))) return [x, y];
    before = `${x} ${y}`;
  }
})()"""
"""Where the middle of an element is, once it is there for two frames and nothing covers it."""


def chromium() -> str:
    """Finds the browser: what `CHROMIUM` names, else the first of `PROGRAMS`. Without one the test fails, saying so."""
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.fail(
            f"No Chromium found (looked for {named or ', '.join(PROGRAMS)}); the pages are tested in a real one. "
            "Install it (Debian: `apt-get install chromium`), or name its program in the variable CHROMIUM.",
            pytrace=False,
        )
    return found


class Browser:
    """One running Chromium; `page()` opens tabs that share nothing with one another."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, microphone: Path | None = None) -> AsyncIterator[Browser]:
        """Starts Chromium with an empty profile; its microphone hears the WAV file `microphone`, over and over."""
        program = chromium()
        hears = [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
        with tempfile.TemporaryDirectory(prefix="playground-", ignore_cleanup_errors=True) as profile:
            process = await asyncio.create_subprocess_exec(
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                *hears,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stderr is not None
            try:
                address = await _devtools_address(process.stderr)
                draining = asyncio.create_task(_drain(process.stderr))
                async with (
                    aiohttp.ClientSession() as session,
                    session.ws_connect(address, max_msg_size=0) as socket,
                ):
                    browser = cls(socket)
                    listening = asyncio.create_task(browser._listen())
                    yield browser
                    await browser.send("Browser.close")
                    await listening
                await draining
            finally:
                with contextlib.suppress(ProcessLookupError):
                    if process.returncode is None and not await _ends(process):
                        process.kill()
                await process.wait()

    @contextlib.asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """An empty tab with cookies, cache and storage of its own."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        target = (await self.send("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            await page.send(f"{domain}.enable")
        await page.send("Page.bringToFront")
        await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
        try:
            yield page
        finally:
            await self.send("Target.disposeBrowserContext", browserContextId=context)
            del self._pages[session]

    async def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Carries out one command of the protocol and returns its result."""
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        await self._socket.send_json(message)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await answer
        finally:
            del self._waiting[number]

    async def _listen(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame.data)
            if "id" not in message:
                page = self._pages.get(message.get("sessionId", ""))
                if page is not None:
                    page.hear(message["method"], message["params"])
                continue
            answer = self._waiting.get(message["id"])
            if answer is None or answer.done():
                continue
            if "error" in message:
                answer.set_exception(RuntimeError(message["error"]["message"]))
            else:
                answer.set_result(message["result"])


class Page:
    """A tab. `complaints` holds console errors, uncaught exceptions and violations of the content policy, in words.

    Requests that the machine has cut (`INTERRUPTED`) are none of the page's faults; `interruptions` counts them.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []
        self.interruptions = 0

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.send(method, self._session, **params)

    def hear(self, event: str, params: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded.set()
        elif event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}:
            self.complaints.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif event == "Log.entryAdded" and INTERRUPTED in params["entry"]["text"]:
            self.interruptions += 1
        elif event == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    async def open(self, url: str) -> None:
        """Goes to `url` and waits until it and all it asks for is loaded; once more when that was interrupted."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._loads(url):
                pass

    async def _loads(self, url: str) -> bool:
        before = self.interruptions
        self._loaded.clear()
        result = await self.send("Page.navigate", url=url)
        if result.get("errorText") == INTERRUPTED:
            return False
        assert "errorText" not in result, f"{url}: {result['errorText']}"
        await self._loaded.wait()
        return self.interruptions == before

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited when it is a promise."""
        answer = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", expression))
        return answer["result"].get("value")

    async def wait_for(self, condition: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until a JavaScript expression is true; past `seconds` the test fails with what the page shows."""
        watch = f"new Promise((resolve) => (function look() {{ ({condition}) ? resolve() : setTimeout(look, 20); }})())"
        try:
            async with asyncio.timeout(seconds):
                await self.evaluate(watch)
        except TimeoutError:
            shown = await self.text("body")
            pytest.fail(f"Not within {seconds} s: {condition}\nComplaints: {self.complaints}\nThe page:\n{shown}")

    async def text(self, selector: str) -> str:
        """What a reader sees of the element; empty when it is hidden."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")).strip()

    async def click(self, selector: str) -> None:
        """A real click of the mouse in the middle of the element, scrolled into view, once it has come to rest."""
        box = await self.evaluate(_AT_REST % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def press(self, key: str, code: int, modifiers: int = 0, text: str = "") -> None:
        """A key stroke; `code` is the Windows virtual key, `modifiers` a sum of 1 Alt, 2 Control, 4 Meta, 8 Shift."""
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        await self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    async def drop(self, file: Path) -> None:
        """Drags a file from the desktop onto the page and lets it go."""
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.send("Input.dispatchDragEvent", type=kind, x=200, y=300, data=data)

    async def look_like(self, *, width: int, scheme: str = "light") -> None:
        """Sets the viewport's width in CSS pixels and the colour scheme, `light` or `dark`."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=2, mobile=width < 600
        )
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def screenshot(self, path: Path) -> None:
        """Saves the whole page as PNG."""
        image = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(image["data"]))


async def _devtools_address(stderr: asyncio.StreamReader) -> str:
    said = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while line := await stderr.readline():
                said += line
                if match := re.search(rb"DevTools listening on (ws://\S+)", line):
                    return match[1].decode()
    pytest.fail(f"Chromium did not start. It said:\n{said.decode(errors='replace')}", pytrace=False)


async def _drain(stderr: asyncio.StreamReader) -> None:
    while await stderr.read(65536):
        pass


async def _ends(process: asyncio.subprocess.Process) -> bool:
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        return False
    return True
