"""The page of dashboards that `make cluster` prints, in a browser, with the cluster's own Prometheus behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from charts.panels import dashboards as shipped
from charts.panels import panels
from e2e.asking import VOICE, client
from e2e.dashboard_data import is_drawn, talk
from e2e.playground_browser import Browser, Page
from speechlocal.cluster import addons, dashboards

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.service import Service

pytestmark = pytest.mark.e2e

DRAWN_WITHIN_S = 60


@pytest.fixture
async def page(speech: Service) -> AsyncIterator[Page]:
    await speech.settle()
    addons.wait_ready(speech.cluster.name)
    async with Browser.start(microphone=VOICE) as browser, browser.page() as opened:
        await opened.look_like(width=1440)
        yield opened


def address(service: Service, **chosen: object) -> str:
    """The page with what is chosen in its address; it asks again every ten seconds."""
    return f"{dashboards.address(service.cluster.way.port)}#{'&'.join(f'{name}={one}' for name, one in chosen.items())}"


async def test_every_panel_of_every_dashboard_is_drawn(page: Page, speech: Service) -> None:
    await talk(speech)

    for name, dashboard in shipped().items():
        await page.open("about:blank")
        await page.open(address(speech, dashboard=dashboard["uid"], range=900))
        await page.wait_for(is_drawn(name), seconds=DRAWN_WITHIN_S)
        titles = await page.evaluate("[...document.querySelectorAll('h3')].map((one) => one.textContent)")
        assert titles == [panel["title"] for panel in panels(dashboard)]
        assert await page.evaluate("document.querySelectorAll('[data-state=failed]').length") == 0
        assert await page.text("#message") == ""
    assert page.complaints == []


async def test_the_variables_offer_the_pipeline_and_filter_by_it(page: Page, speech: Service) -> None:
    await page.open(
        address(speech, dashboard="speechpipeline-service", namespace=speech.namespace, pipeline=speech.name)
    )
    await page.wait_for("document.body.dataset.drawn")

    chosen = await page.evaluate("[...document.querySelectorAll('#variables select')].map((one) => one.value)")
    assert chosen == [speech.namespace, speech.name]


async def test_the_page_is_sent_with_a_strict_content_policy(speech: Service) -> None:
    addons.wait_ready(speech.cluster.name)
    async with client(dashboards.HOST) as session, session.get(f"{speech.cluster.ingress}/") as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy


async def test_other_websites_cannot_read_the_metrics(speech: Service) -> None:
    addons.wait_ready(speech.cluster.name)
    url, origin = f"{speech.cluster.ingress}/prometheus", {"Origin": "http://example.com"}
    async with client(dashboards.HOST) as session:
        async with session.get(f"{url}/api/v1/query?query=up", headers=origin) as answer:
            assert answer.status == 200
            assert "Access-Control-Allow-Origin" not in answer.headers
        for path in ("debug/pprof/", "api/v1/status/config"):
            async with session.get(f"{url}/{path}") as answer:
                assert answer.status == 404, path
