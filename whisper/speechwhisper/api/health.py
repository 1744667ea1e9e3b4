"""Health checks and metrics; they respond during a job, since decoding runs in worker threads."""

from __future__ import annotations

from aiohttp import web

from speechwhisper.api import accept
from speechwhisper.service import SERVICE

_OPEN_METRICS = "application/openmetrics-text"


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def livez(_: web.Request) -> web.Response:
    """Return OK while the event loop runs."""
    return web.Response(text="OK")


async def readyz(request: web.Request) -> web.Response:
    """Return whether the server accepts requests; a busy server is ready, and its 503 has Retry-After."""
    service = request.app[SERVICE]
    slots = service.slots
    status = "broken" if service.jobs.decoder.broken else "stopping" if slots.closed else "ready"
    body = {
        "status": status,
        "model": service.settings.model_name,
        "slots": slots.capacity,
        "slots_busy": slots.busy,
    }
    return web.json_response(body, status=200 if status == "ready" else 503)


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics in the Prometheus text format, or in that of OpenMetrics if the client names it."""
    open_metrics = accept.names(request, _OPEN_METRICS)
    body, content_type = request.app[SERVICE].metrics.exposition(open_metrics=open_metrics)
    return web.Response(body=body, headers={"Content-Type": content_type})
