"""A real Prometheus, as a process of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml

from speechlocal.children import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCRAPE_S = 1.0
WITHIN_S = 60.0
POLL_S = 0.2


class QueryError(Exception):
    """Prometheus refused a query; the text is what it said."""


class Prometheus:
    """One that is running."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def value(self, query: str) -> list[dict[str, Any]]:
        """The series of an expression now, without those that are not a number."""
        async with self._session.post(f"{self._url}/api/v1/query", data={"query": query}) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise QueryError(answer["error"])
        series: list[dict[str, Any]] = answer["data"]["result"]
        return [one for one in series if not math.isnan(float(one["value"][1]))]

    async def scraped(self, targets: int = 1) -> None:
        """Wait until so many targets, and no fewer, have been scraped since now."""
        since = datetime.now(UTC)
        known: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    known = await self._targets()
                    fresh = [one for one in known if datetime.fromisoformat(one["lastScrape"]) > since]
                    if len(fresh) == len(known) >= targets and all(one["health"] == "up" for one in known):
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            troubles = [f"{one['scrapeUrl']}: {one['health']} {one['lastError']}" for one in known]
            raise AssertionError(f"of {targets} targets after {WITHIN_S} s: {troubles}") from None

    async def _targets(self) -> list[dict[str, Any]]:
        async with self._session.get(f"{self._url}/api/v1/targets", params={"state": "active"}) as response:
            targets: list[dict[str, Any]] = (await response.json())["data"]["activeTargets"]
        return targets


@asynccontextmanager
async def running(folder: Path, jobs: list[dict[str, Any]]) -> AsyncIterator[Prometheus]:
    """Run Prometheus with scrape jobs until the block ends."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on this machine; `make test` installs it")
    scrape = {"scrape_interval": f"{SCRAPE_S:g}s", "scrape_timeout": f"{SCRAPE_S:g}s"}
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": scrape, "scrape_configs": jobs}))
    address = f"127.0.0.1:{free_port()}"
    options = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}")
    log = folder / "prometheus.log"
    with log.open("wb") as written:
        child = await asyncio.create_subprocess_exec(program, *options, stdout=written, stderr=written)
    try:
        async with aiohttp.ClientSession() as session:
            await _ready(session, f"http://{address}", child, log)
            yield Prometheus(session, f"http://{address}")
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


async def _ready(session: aiohttp.ClientSession, url: str, child: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            assert child.returncode is None, await asyncio.to_thread(log.read_text, encoding="utf-8")
            with contextlib.suppress(aiohttp.ClientConnectionError):  # it does not listen yet
                async with session.get(f"{url}/-/ready") as response:
                    if response.status == HTTPStatus.OK:
                        return
            await asyncio.sleep(POLL_S)
