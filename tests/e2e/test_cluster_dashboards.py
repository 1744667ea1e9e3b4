"""Every query of the dashboards, asked of a real Prometheus that scraped the cluster as the chart's PodMonitors say."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from charts.panels import Query, queries
from e2e import pod_monitors
from e2e.asking import client, form, stream
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

NOTHING_FAILED = "nothing has failed"
MAY_BE_EMPTY = {
    ("service", "Failed calls to pods by kind", "{{upstream}}: {{kind}}"): NOTHING_FAILED,
    ("service", "Held requests, p95", "{{stage}}"): "every pod could be reached",
    ("service", "Doubtful transcripts", "{{reason}}"): "the recording is understood",
    ("service", "Missing audio", "{{reason}}"): "the recording is complete",
    ("capacity", "GPUs", "{{pipeline}}: budget"): "the pipeline of the example has no budget",
    ("capacity", "Downloads", "{{pipeline}}: {{model}}"): "all models have been downloaded",
    ("capacity", "Model on GPUs", "{{pipeline}}: {{model}}"): "the operator has not seen the model in memory yet",
    ("capacity", "Scaling decisions", ""): "marks only decisions, and there was none in the last minute",
    ("operator", "Errors by code", "{{code}}"): NOTHING_FAILED,
    (
        "operator",
        "Writes by cause",
        "{{why}}",
    ): "a restarted operator that finds all in order writes nothing",
    ("operator", "Downloads and loads by outcome", "download {{outcome}}"): "this operator has downloaded nothing",
    ("operator", "Downloads and loads by outcome", "load {{outcome}}"): "this operator has loaded no model",
}
"""Why a query may have no series: its dashboard, panel and legend."""


def identity(query: Query) -> tuple[str, str, str]:
    return query.dashboard, query.title, query.legend


async def talk(service: Service) -> None:
    """Have recordings transcribed and answered, one of them as a stream, and one transcribed alone.

    The pipeline is touched, too: durations of reconciles are known only while there are any.
    """
    touched = {"metadata": {"annotations": {"e2e.speechpipeline.dev/touched": uuid.uuid4().hex}}}
    await service.api.patch("SpeechPipeline", service.namespace, service.name, touched)
    url = service.cluster.ingress
    async with client(service.host) as session:
        await stream(session, url)
        asked = [form(prompt="Describe him in a sentence.", max_tokens="24") for _ in range(2)]
        for data, path in [*((one, "process") for one in asked), (form(model="whisper-1"), "v1/audio/transcriptions")]:
            async with session.post(f"{url}/{path}", data=data) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()


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
