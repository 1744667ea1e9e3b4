"""A real Prometheus answers every query of the dashboards, if the programs expose all their metrics."""

from __future__ import annotations

import contextlib
import math
from itertools import product
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from charts.panels import queries
from generator import definitions
from prometheus import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from generator.definitions import Definition
    from prometheus import Prometheus

pytestmark = pytest.mark.component

VALUES = {
    "outcome": ("ok", "failed", "busy"),
    "route": ("/process", "/asr"),
    "status": ("True", "False"),
    "type": ("Ready", "ModelsReady"),
    "namespace": ("team",),
    "pipeline": ("calls", "mail"),
}
"""Values of labels that queries compare; all others have two that mean nothing."""
CLIENTS_OWN = (
    definitions.Definition("process_cpu_seconds_total", "counter", (), ""),
    definitions.Definition("process_resident_memory_bytes", "gauge", (), ""),
)
PROGRAMS = {
    "bridge": definitions.of_bridge(),
    "whisper": definitions.of_whisper(),
    "operator": [*definitions.of_operator(), *definitions.of_pipelines(), *CLIENTS_OWN],
}
PODS = 2


def exposed(metrics: list[Definition], scrapes: int, gauges: int) -> str:
    """The text of metrics: counters that have been increased by each scrape so far, and gauges of a value."""
    lines = []
    for one in metrics:
        lines.append(f"# TYPE {one.name} {one.type}")
        for values in product(*(VALUES.get(label, ("one", "other")) for label in one.labels)):
            labels = [f'{label}="{value}"' for label, value in zip(one.labels, values, strict=True)]
            if one.type == "histogram":
                for count, bound in enumerate(("0.5", "1", "+Inf"), 1):
                    within = ",".join([*labels, f'le="{bound}"'])
                    lines.append(f"{one.name}_bucket{{{within}}} {count * scrapes}")
                lines += [f"{one.name}_{what}{{{','.join(labels)}}} {3 * scrapes}" for what in ("count", "sum")]
            else:
                lines.append(f"{one.name}{{{','.join(labels)}}} {scrapes if one.type == 'counter' else gauges}")
    return "\n".join(lines) + "\n"


@pytest.fixture
async def prometheus(tmp_path: Path) -> AsyncIterator[Prometheus]:
    """It has scraped two pods of each program that is at work."""
    async with scraping(tmp_path, working=True) as started:
        yield started


@pytest.fixture
async def idle(tmp_path: Path) -> AsyncIterator[Prometheus]:
    """It has scraped two pods of each program, whose counters stand still and whose gauges are zero."""
    async with scraping(tmp_path, working=False) as started:
        yield started


@contextlib.asynccontextmanager
async def scraping(folder: Path, *, working: bool) -> AsyncIterator[Prometheus]:
    """Run a Prometheus until it has scraped two pods of each program twice, as the PodMonitors tell it to."""
    scrapes = dict.fromkeys(PROGRAMS, 0)

    async def metrics(request: web.Request) -> web.Response:
        program = request.match_info["program"]
        scrapes[program] += working
        return web.Response(text=exposed(PROGRAMS[program], scrapes[program], int(working)))

    app = web.Application()
    app.router.add_get("/{program}/{pod}", metrics)
    async with TestServer(app) as server:
        address = f"{server.host}:{server.port}"
        jobs = [
            {
                "job_name": f"{program}-{pod}",
                "metrics_path": f"/{program}/{pod}",
                "honor_labels": program == "operator",
                "static_configs": [{"targets": [address], "labels": {**labels, "pod": f"{program}-{pod}"}}],
            }
            for program in PROGRAMS
            for pod in range(PODS)
            for labels in [{"namespace": "team"} | ({} if program == "operator" else {"pipeline": "calls"})]
        ]
        async with running(folder, jobs) as started:
            for _ in range(2):
                await started.scraped(len(jobs))
            yield started


async def test_every_query_has_series(prometheus: Prometheus) -> None:
    empty = [str(query) for query in queries() if not await prometheus.series(query.filled())]

    assert empty == []


async def test_without_traffic_no_query_divides_by_zero(idle: Prometheus) -> None:
    """Grafana draws "NaN" for a sample that is not a number, and "No data" for none."""
    answers = [(query, await idle.query(query.filled())) for query in queries()]

    assert any(samples for _, samples in answers)
    assert [str(query) for query, samples in answers if any(math.isnan(value) for _, value in samples)] == []
