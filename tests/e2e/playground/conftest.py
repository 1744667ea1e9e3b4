"""A browser for each module, a page for each test, and a bridge: the real one or one that follows a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from e2e.playground.using import VOICE
from e2e.playground_bridge import ScriptedBridge
from e2e.playground_browser import Browser
from speechlocal.stack import plan, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.playground_browser import Page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser.start(microphone=VOICE) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with browser.page() as opened:
        await opened.look_like(width=1280)
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def scripted() -> AsyncIterator[ScriptedBridge]:
    async with ScriptedBridge().serving() as bridge:
        yield bridge


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[str]:
    """The address of real Whisper, a real language model and the bridge."""
    async with started(plan()) as stack:
        yield f"{stack.url}/"
