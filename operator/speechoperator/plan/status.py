"""The status of a pipeline as JSON: what was snapshot, and nothing that changes by itself.

Its schema is `speechoperator.models.status`; the API server drops what that does not name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import selector
from speechoperator.api.names import PORTS, object_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from speechoperator.api import SpeechPipeline
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.models.states import ModelState


def status(
    pipeline: SpeechPipeline,
    parts: Sequence[ComponentState],
    models: Sequence[ModelState],
    conditions: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the whole status."""
    return {
        "observedGeneration": pipeline.metadata.generation,
        "url": address(pipeline),
        "models": [_model(model) for model in models],
        "modelsSummary": f"{sum(1 for model in models if model.stage == 'Ready')}/{len(models)}",
        **{part.part: _part(part, pipeline.name) for part in parts},
        "conditions": conditions,
    }


def address(pipeline: SpeechPipeline) -> str:
    """Return where the bridge is reached: from outside where an ingress or a gateway is asked for, else in the cluster.

    A gateway's protocol and port are those of its listener, which is another's object; where the route is bound to a
    listener that is called after https, that is taken at its word.
    """
    bridge = pipeline.spec.bridge
    if wanted := bridge.ingress:
        scheme, usual = ("https", 443) if wanted.tls_secret_name else ("http", 80)
        port = "" if wanted.port in {None, usual} else f":{wanted.port}"
        return f"{scheme}://{wanted.host}{port}"
    if bridge.gateway:
        scheme = "https" if (bridge.gateway.parent_ref.section_name or "").startswith("https") else "http"
        return f"{scheme}://{bridge.gateway.host}"
    return f"http://{object_name(pipeline.name, 'bridge')}.{pipeline.namespace}.svc:{PORTS['bridge']}"


def _part(part: ComponentState, pipeline: str) -> dict[str, Any]:
    said = {
        "desired": part.desired,
        "replicas": part.replicas,
        "ready": part.ready,
        "summary": part.summary,
        "replicasReason": part.why or None,
        "selector": _joined(selector(pipeline, "bridge").items()) if part.part == "bridge" else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _joined(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels))


def _model(model: ModelState) -> dict[str, Any]:
    under_way = model.stage != "Ready" and model.total > 0
    return {
        "name": model.name,
        "stage": model.stage,
        **({"completedBytes": model.completed, "totalBytes": model.total} if under_way else {}),
        **({} if model.eta is None else {"etaSeconds": model.eta}),
        "replicasReady": model.replicas_ready,
        **({"message": model.message} if model.message else {}),
    }
