"""Waits until an Ollama pod has loaded its model into memory.

The operator has each new pod load its models. A request that arrives before would wait for that, although another pod
could answer it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechbridge.generators.exchange import expect_ok
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechbridge.model_list import Models
    from speechbridge.upstreams.endpoint import Endpoint

_INTERVAL_S = 1.0
_TIMEOUT_S = 5.0


async def until_warm(endpoint: Endpoint, models: Models) -> None:
    """Return once a pod has loaded the default model, which the operator loads last; without a list, any model.

    `/api/ps` lists a model from the moment it begins to load. Until the first request for it has ended, also an empty
    one, its `expires_at` moves with the time (Ollama 0.17.4, `PsHandler` in server/routes.go). So a model is loaded if
    two answers have the same. A server without `/api/ps` counts as warm.
    """
    before: Mapping[str, str] = {}
    while True:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                now = await _expirations(endpoint)
        except UpstreamError as error:
            if error.kind is FailureKind.MODEL_MISSING:  # 404
                return
            now = {}
        except TimeoutError:
            now = {}
        default = next(map(_plain, models.current.names), None)
        if any(before.get(name) == expires for name, expires in now.items() if default in {None, name}):
            return
        before = now
        await asyncio.sleep(_INTERVAL_S)


async def _expirations(endpoint: Endpoint) -> Mapping[str, str]:
    """Return when each model is removed from memory, by its plain name."""
    async with endpoint.connection() as connection:
        connection.send(endpoint.head("GET", "/api/ps", "", 0))
        await expect_ok(connection)
        listed = json_object(await connection.read()).get("models")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return {_plain(str(item.get("name"))): str(item.get("expires_at")) for item in items}


def _plain(name: str) -> str:
    """Return a name as Ollama compares it."""
    return name.lower().removesuffix(":latest")
