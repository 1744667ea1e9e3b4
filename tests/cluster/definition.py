"""The CustomResourceDefinition of SpeechPipeline, put in force as the chart would."""

from typing import Any

from cluster.api import Api
from cluster.control_plane import ControlPlane


async def define(plane: ControlPlane) -> dict[str, Any]:
    """Apply it and wait until the API server serves it; the definition."""
    from speechoperator.api.crd import manifest  # noqa: PLC0415 - every test session loads this module, few need the CRD

    definition = manifest()
    async with Api(plane.access()) as api:
        await api.apply(definition)
        await api.until("CustomResourceDefinition", None, definition["metadata"]["name"], _established)
    return definition


def _established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
