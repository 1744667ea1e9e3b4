"""A real Prometheus of the tests' own, as a process of this machine."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from yarl import URL

from installed import installed
from speechlocal import debian
from speechlocal.children import Program, free_port
from speechlocal.children import running as running_children

POLL_S = 0.2
EVERY_S = 2
"""Between two scrapes, and for each of them at most: a busy machine needs more than a second for one now and then."""
SCRAPED_WITHIN_S = 60.0

Sample = tuple[dict[str, str], float]
"""Labels, with the name as `__name__`, and the value."""
Alert = dict[str, Any]
"""An active alert as the API has it: `labels`, `annotations`, `state` (pending or firing), `value`."""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus. Its methods raise AssertionError with Prometheus' words if it refuses."""

    url: str
    session: aiohttp.ClientSession

    async def query(self, expression: str) -> list[Sample]:
        """Return the samples of an instant query."""
        async with self.session.post(f"{self.url}/api/v1/query", data={"query": expression}) as answer:
            found = data_of(await answer.json(), expression)
        assert found["resultType"] == "vector", found["resultType"]
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    async def series(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of the samples of an instant query whose value is a number."""
        return [labels for labels, value in await self.query(expression) if not math.isnan(value)]

    async def get(self, endpoint: str, **query: str) -> Any:
        """Return the data of an endpoint below `/api/v1/`."""
        async with self.session.get(f"{self.url}/api/v1/{endpoint}", params=query) as answer:
            return data_of(await answer.json(), endpoint)

    async def alerts(self, **labels: str) -> list[Alert]:
        """Return the pending and firing alerts with these labels."""
        every = (await self.get("alerts"))["alerts"]
        return [one for one in every if labels.items() <= one["labels"].items()]

    async def until(self, expression: str, condition: Callable[[list[Sample]], bool], within_s: float) -> list[Sample]:
        """Wait until the samples of a query meet a condition; AssertionError with the last ones when time is up."""
        last: list[Sample] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not condition(last := await self.query(expression)):  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(POLL_S)
                return last
        raise AssertionError(f"not within {within_s:.0f} s: {expression} is {last}")

    async def scraped(self, targets: int) -> None:
        """Wait until so many targets, and no fewer, have been scraped since now."""
        since = datetime.now(UTC)
        known: list[dict[str, Any]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SCRAPED_WITHIN_S):
                while True:
                    known = (await self.get("targets", state="active"))["activeTargets"]
                    fresh = [one for one in known if datetime.fromisoformat(one["lastScrape"]) > since]
                    if len(fresh) == len(known) >= targets and all(one["health"] == "up" for one in known):
                        return
                    await asyncio.sleep(POLL_S)
        troubles = [f"{one['scrapeUrl']}: {one['health']} {one['lastError']}" for one in known]
        raise AssertionError(f"of {targets} targets after {SCRAPED_WITHIN_S:.0f} s: {troubles}")


def data_of(body: dict[str, Any], asked: str) -> Any:
    """Return the data of an answer of the API."""
    assert body["status"] == "success", f"{asked}: {body}"
    return body["data"]


@contextlib.asynccontextmanager
async def running(
    folder: Path, scrape_configs: list[dict[str, Any]], *, rules: list[str] | None = None
) -> AsyncIterator[Prometheus]:
    """Run Prometheus until the block ends.

    Args:
        folder: For its configuration and its data.
        scrape_configs: Of its configuration.
        rules: Rule files, as paths or patterns; evaluated as often as targets are scraped.

    Raises:
        ChildError: it did not start; the message has its log.
    """
    program = installed("prometheus", debian.PROMETHEUS)
    every = f"{EVERY_S}s"
    configuration = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": rules or [],
        "scrape_configs": scrape_configs,
    }
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration))
    url = f"http://127.0.0.1:{free_port()}"
    options = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={URL(url).authority}",
        "--log.level=warn",
    )
    child = Program("prometheus", [str(program), *options], f"{url}/-/ready")
    async with running_children([child]), aiohttp.ClientSession() as session:
        yield Prometheus(url, session)
