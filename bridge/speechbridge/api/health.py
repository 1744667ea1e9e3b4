"""Health checks and metrics."""

from __future__ import annotations

from aiohttp import web

from speechbridge.api import accept
from speechbridge.service import SERVICE

_OPEN_METRICS = "application/openmetrics-text"


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/health", health)
    app.router.add_get("/livez", health)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def health(_: web.Request) -> web.Response:
    """Return OK while the process serves requests."""
    return web.Response(text="OK")


async def readyz(request: web.Request) -> web.Response:
    """Return whether requests can be answered, and the state of each component; 503 during shutdown too."""
    service = request.app[SERVICE]
    if service.admission.stopping:
        return web.json_response({"status": "stopping", "components": {}}, status=503)
    report = await service.readiness.report()
    return web.json_response(report.document(), status=200 if report.ready else 503)


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics in the Prometheus text format, or in that of OpenMetrics if the client names it."""
    open_metrics = accept.names(request, _OPEN_METRICS)
    body, content_type = request.app[SERVICE].metrics.exposition(open_metrics=open_metrics)
    return web.Response(body=body, headers={"Content-Type": content_type})
