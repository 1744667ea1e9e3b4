"""Every query of the dashboards, asked of a real Prometheus that scraped the cluster as the chart's PodMonitors say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from charts.panels import Query, queries
from e2e import pod_monitors
from e2e.dashboard_data import MAY_BE_EMPTY, talk
from e2e.service import Service
from prometheus import running
from speechlocal.cluster import platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cluster.api import Object
    from e2e.service import Deployed
    from prometheus import Prometheus

# One Prometheus serves all tests of this module: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

TARGETS = 4
"""At least an operator, two bridges and a Whisper pod."""


def identity(query: Query) -> tuple[str, str, str]:
    return query.dashboard, query.title, query.legend


def load_is_known(body: Object) -> bool:
    """Whether the operator, which an earlier test may have restarted, has reported what waits."""
    return "backlogSeconds" in body["status"]["whisper"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech(deployed: Deployed) -> AsyncIterator[Service]:
    """The pipeline of the example."""
    async with deployed.cluster.api() as api:
        yield Service(api, deployed.cluster, platform.PIPELINES, "speech")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(
    deployed: Deployed, speech: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Prometheus]:
    """It has seen each pod before, between and after requests."""
    folder = tmp_path_factory.mktemp("prometheus")
    await speech.settle()
    await speech.api.until("SpeechPipeline", speech.namespace, speech.name, load_is_known, within_s=60)
    jobs = await asyncio.to_thread(pod_monitors.jobs, deployed.cluster, folder)
    async with running(folder, jobs) as started:
        await started.scraped(TARGETS)
        for _ in range(2):
            await talk(speech)
            await started.scraped(TARGETS)
        yield started


async def test_every_query_of_the_dashboards_has_series(prometheus: Prometheus) -> None:
    asked = list(queries())

    empty = [query for query in asked if not await prometheus.series(query.filled())]

    assert [str(query) for query in empty if identity(query) not in MAY_BE_EMPTY] == []
    assert MAY_BE_EMPTY.keys() <= {identity(query) for query in asked}, "a panel that is no more"


async def test_the_series_of_a_pipeline_have_its_name_in_both_sources(prometheus: Prometheus, speech: Service) -> None:
    of_pods = await prometheus.series("group by (namespace, pipeline) (speechbridge_requests_total)")
    of_operator = await prometheus.series("group by (namespace, pipeline) (speechoperator_pipeline_condition)")

    mine = {"namespace": speech.namespace, "pipeline": speech.name}
    assert mine in of_pods
    assert mine in of_operator
