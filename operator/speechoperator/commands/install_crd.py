"""`crd --apply`: install the CRD of SpeechPipeline, and wait until it is established."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api import crd
from speechoperator.kube import kinds, objects
from speechoperator.kube.client import APPLY
from speechoperator.kube.configuration import load_configuration
from speechoperator.kube.errors import ApiError
from speechoperator.kube.unfenced_client import UnfencedClient
from speechoperator.settings import OPERATOR
from speechoperator.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from speechoperator.kube.objects import Json
    from speechoperator.settings import Settings

_ESTABLISHED_WITHIN_S = 60.0
_POLL_INTERVAL_S = 0.2


async def install_crd(settings: Settings) -> str:
    """Apply the CRD, unless the cluster has one from a newer version, which knows fields that this one would drop.

    Returns:
        What was done, for the user.

    Raises:
        ApiError: the API server rejected the request or did not respond.
        NoClusterError: no API server is configured.
        TimeoutError: the CRD was applied, but not established within a minute.
    """
    manifest = crd.manifest()
    name: str = manifest["metadata"]["name"]
    query = {"fieldManager": OPERATOR, "force": "true"}
    async with UnfencedClient(await load_configuration(), settings.request_timeout, Metrics()) as client:
        if newer := crd.newer_version(await _live(client, name)):
            return f"kept {name}: it is from version {newer}, which is newer"
        found = await client.write("patch", kinds.CRD, name=name, body=manifest, content_type=APPLY, query=query)
        async with asyncio.timeout(_ESTABLISHED_WITHIN_S):
            while not objects.holds(found, "Established"):
                await asyncio.sleep(_POLL_INTERVAL_S)
                found = await client.get(kinds.CRD, name=name)
    return f"installed {name}; list pipelines with: kubectl get speechpipelines -A"


async def _live(client: UnfencedClient, name: str) -> Json:
    try:
        return await client.get(kinds.CRD, name=name)
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return {}
