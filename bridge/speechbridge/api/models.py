"""`GET /v1/models`: the language models, the default first, then Whisper."""

from __future__ import annotations

from aiohttp import web

from speechbridge.errors import Problem
from speechbridge.service import SERVICE
from speechbridge.upstreams.failures import UpstreamError


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/models/{name:.+}", model)


async def models(request: web.Request) -> web.Response:
    """List all models; `kind` is what a model is for."""
    return web.json_response({"object": "list", "data": await _listed(request)})


async def model(request: web.Request) -> web.Response:
    """Return one model; raises Problem `model_not_found`."""
    name = request.match_info["name"]
    for entry in await _listed(request):
        if entry["id"] == name:
            return web.json_response(entry)
    raise Problem("model_not_found", f"The model '{name[:100]}' does not exist; /v1/models lists all models.")


async def _listed(request: web.Request) -> list[dict[str, str | int]]:
    service = request.app[SERVICE]
    try:
        names = await service.catalog.names()
    except UpstreamError as error:
        raise Problem("generator_unavailable", f"The language model is unavailable: {error.detail}.") from None
    chat = [_entry(name, "chat") for name in names]
    return [*chat, _entry(service.settings.whisper_model, "transcription")]


def _entry(name: str, kind: str) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "speechpipeline", "kind": kind}
