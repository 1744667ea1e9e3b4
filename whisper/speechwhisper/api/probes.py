"""Health, readiness and metrics; they answer while a job runs, since decoding is off the event loop."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from speechwhisper.api.keys import JOBS, METRICS, SETTINGS


def setup(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def healthz(request: web.Request) -> web.Response:
    """Say that the event loop turns."""
    del request
    return web.Response(text="OK")


async def readyz(request: web.Request) -> web.Response:
    """Say whether new requests are welcome. A busy server is ready: who finds it busy is told when to come back."""
    slots = request.app[JOBS].slots
    body = {
        "status": "stopping" if slots.closed else "ready",
        "model": request.app[SETTINGS].model_name,
        "slots": slots.capacity,
        "slots_busy": slots.busy,
    }
    return web.json_response(body, status=503 if slots.closed else 200)


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics in Prometheus' text format."""
    body = generate_latest(request.app[METRICS].registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
