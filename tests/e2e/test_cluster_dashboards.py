"""Every query of the dashboards, asked of a real Prometheus that scraped the cluster as the chart's PodMonitors say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from charts.panels import Query, queries
from charts.prometheus import Prometheus, running
from e2e import pod_monitors
from e2e.dashboard_data import MAY_BE_EMPTY, talk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cluster.api import Object
    from e2e.service import Deployed, Service

pytestmark = pytest.mark.e2e

TARGETS = 4
"""At least an operator, two bridges and a Whisper pod."""


def identity(query: Query) -> tuple[str, str, str]:
    return query.dashboard, query.title, query.legend


def load_is_known(body: Object) -> bool:
    """Whether the operator, which an earlier test may have restarted, has reported what waits."""
    return "backlogSeconds" in body["status"]["whisper"]


@pytest.fixture
async def prometheus(deployed: Deployed, speech: Service, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """It has seen each pod before, between and after requests."""
    await speech.settle()
    await speech.api.until("SpeechPipeline", speech.namespace, speech.name, load_is_known, within_s=60)
    jobs = await asyncio.to_thread(pod_monitors.jobs, deployed.cluster, tmp_path)
    async with running(tmp_path, jobs) as started:
        await started.scraped(TARGETS)
        for _ in range(2):
            await talk(speech)
            await started.scraped(TARGETS)
        yield started


async def test_every_query_of_the_dashboards_has_series(prometheus: Prometheus) -> None:
    asked = list(queries())

    empty = [query for query in asked if not await prometheus.value(query.filled())]

    assert [str(query) for query in empty if identity(query) not in MAY_BE_EMPTY] == []
    assert MAY_BE_EMPTY.keys() <= {identity(query) for query in asked}, "a panel that is no more"


async def test_the_series_of_a_pipeline_have_its_name_in_both_sources(prometheus: Prometheus, speech: Service) -> None:
    of_pods = await prometheus.value("group by (namespace, pipeline) (speechbridge_requests_total)")
    of_operator = await prometheus.value("group by (namespace, pipeline) (speechoperator_pipeline_condition)")

    mine = {"namespace": speech.namespace, "pipeline": speech.name}
    assert mine in [one["metric"] for one in of_pods]
    assert mine in [one["metric"] for one in of_operator]
