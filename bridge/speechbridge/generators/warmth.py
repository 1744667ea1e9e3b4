"""Waits until an Ollama pod has loaded its model into memory.

The operator has each new pod load its models. A request that arrives before would wait for that, although another pod
could answer it.
"""

from __future__ import annotations

import asyncio
import re
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
_IDLE_S = 10.0
"""A pod that loads no model for so long is not being warmed up: no operator does it, or it is done."""
_SHORT_S = 10.0
"""What is unloaded sooner is loaded again by most requests, at whichever pod."""
_TERM = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|[smh])")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


async def until_warm(endpoint: Endpoint, models: Models, keep_alive: str = "") -> None:
    """Return once a pod has loaded the default model, which the operator loads last; without a list, any model.

    `/api/ps` lists a model from the moment it begins to load. Until the first request for it has ended, also an empty
    one, its `expires_at` moves with the time (Ollama 0.17.4, `PsHandler` in server/routes.go). So a model is loaded if
    two answers have the same, or if the second no longer lists it. A server without `/api/ps` counts as warm, and so do
    a pod that lists no model for 10 s, and any pod if requests have the model unloaded at once.

    Args:
        endpoint: The pod.
        models: The models that it has.
        keep_alive: How long they stay in memory, unless the list says; empty for Ollama's default.
    """
    loop = asyncio.get_running_loop()
    before: Mapping[str, str] = {}
    idle_since: float | None = None
    while not _is_short(_keep_alive(models, keep_alive)):
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                now = await _expirations(endpoint)
        except UpstreamError as error:
            if error.kind is FailureKind.MODEL_MISSING:  # 404
                return
            before, idle_since = {}, None
        except TimeoutError:
            before, idle_since = {}, None
        else:
            idle_since = None if now else idle_since or loop.time()
            if _has_loaded(before, now, models) or (idle_since and loop.time() - idle_since >= _IDLE_S):
                return
            before = now
        await asyncio.sleep(_INTERVAL_S)


def _has_loaded(before: Mapping[str, str], now: Mapping[str, str], models: Models) -> bool:
    """Return whether the default model, listed before, has been loaded since, and perhaps unloaded again."""
    default = next(map(_plain, models.current.names), None)
    return any(now.get(name, expires) == expires for name, expires in before.items() if default in {None, name})


def _keep_alive(models: Models, otherwise: str) -> str:
    """Return how long the default model stays in memory."""
    settings = next(map(models.current.settings.get, models.current.names), None)
    return settings.keep_alive if settings and settings.keep_alive else otherwise


def _is_short(keep_alive: str) -> bool:
    """Return whether a duration, in seconds or as Go writes it, is short; negative ones last for ever."""
    if not keep_alive or keep_alive.startswith("-"):
        return False
    if keep_alive.isdecimal():
        return float(keep_alive) < _SHORT_S
    terms = _TERM.findall(keep_alive)
    return bool(terms) and sum(float(number) * _SECONDS[unit] for number, unit in terms) < _SHORT_S


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
