"""The playground as the bridge serves it: a strict content policy, and files that obey it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import speechbridge

if TYPE_CHECKING:
    from bridge.running import StartBridge

pytestmark = pytest.mark.unit

FOLDER = Path(speechbridge.__file__).parent / "playground"
CONTENTS = {file: file.read_bytes() for file in sorted(FOLDER.iterdir())}
FILES = list(CONTENTS)
PAGE = (FOLDER / "index.html").read_text(encoding="utf-8")
LARGEST = 120_000
"""Bytes of all files, as they are served: the page is read by people on slow connections, and without a build step."""

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def directives(policy: str) -> dict[str, list[str]]:
    """The sources of each directive of a Content-Security-Policy."""
    return {name: sources for name, *sources in (directive.split() for directive in policy.split(";"))}


async def test_the_policy_allows_the_pages_own_files_and_nothing_else(start_bridge: StartBridge) -> None:
    bridge = await start_bridge()

    async with bridge.client.get("/") as response:
        policy = directives(response.headers["Content-Security-Policy"])

    assert policy == {
        "default-src": ["'none'"],
        **{f"{kind}-src": ["'self'"] for kind in ("script", "style", "img", "connect")},
        "media-src": ["blob:"],
        **{name: ["'none'"] for name in ("base-uri", "form-action", "frame-ancestors", "trusted-types")},
        "require-trusted-types-for": ["'script'"],
    }


async def test_only_the_microphone_may_be_asked_for(start_bridge: StartBridge) -> None:
    bridge = await start_bridge()

    async with bridge.client.get("/") as response:
        assert response.headers["Permissions-Policy"] == "microphone=(self), camera=(), geolocation=()"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
async def test_each_file_is_served_with_its_type(start_bridge: StartBridge, file: Path) -> None:
    bridge = await start_bridge()

    async with bridge.client.get("/" if file.name == "index.html" else f"/playground/{file.name}") as response:
        assert (response.status, response.content_type) == (200, TYPES[file.suffix])
        assert await response.read() == CONTENTS[file]


def test_the_page_has_no_inline_script_or_style() -> None:
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", PAGE) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_refers_to_another_host(file: Path) -> None:
    without_comments = re.sub(r"(?m)^\s*//.*$|/\*\*[\s\S]*?\*/", "", file.read_text(encoding="utf-8"))

    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[\w$]", without_comments) == []


def test_every_module_is_imported_by_another_or_by_the_page() -> None:
    texts = [file.read_text(encoding="utf-8") for file in FILES]

    for file in FILES:
        if file.suffix in {".js", ".css", ".svg"}:
            assert any(f'/{file.name}"' in text for text in texts), file.name


def test_the_page_is_small() -> None:
    assert sum(map(len, CONTENTS.values())) < LARGEST
