"""`crd --apply`: put the definition of SpeechPipeline into the cluster, and wait until it is served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechoperator.api import crd
from speechoperator.kube import kinds
from speechoperator.kube.client import APPLY, MANAGER, Cluster, configuration
from speechoperator.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from speechoperator.kube.client import Json
    from speechoperator.settings import Settings

_PATIENCE = 60.0
_ASK_EVERY = 0.2


async def apply(settings: Settings) -> str:
    """Apply the definition; return its name.

    Raises:
        ApiError: the API server refused or did not answer.
        NoClusterError: there is no way to an API server.
        TimeoutError: the definition is there, and was not established in a minute.
    """
    wanted = crd.manifest()
    name: str = wanted["metadata"]["name"]
    own = {"fieldManager": MANAGER, "force": "true"}
    async with Cluster(await configuration(), settings.request_timeout, Metrics()) as cluster:
        found = await cluster.call("patch", kinds.DEFINITION, name=name, body=wanted, content_type=APPLY, query=own)
        async with asyncio.timeout(_PATIENCE):
            while not _established(found):
                await asyncio.sleep(_ASK_EVERY)
                found = await cluster.call("get", kinds.DEFINITION, name=name)
    return name


def _established(definition: Json) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(found["type"] == "Established" and found["status"] == "True" for found in conditions)
