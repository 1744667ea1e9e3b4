"""The status of a pipeline as JSON. It contains no value that changes by time alone.

Its schema is `speechoperator.api.status`; the API server prunes everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import selector
from speechoperator.api.names import PORTS, object_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.models.states import ModelState


def build_status(
    pipeline: SpeechPipeline,
    components: Sequence[ComponentState],
    models: Sequence[ModelState],
    conditions: list[dict[str, Any]],
    images: Mapping[Component, str],
    scaling: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the whole status.

    Args:
        pipeline: The pipeline.
        components: The states of its components.
        models: The states of its models.
        conditions: Its conditions.
        images: The image of each component.
        scaling: Members about scaling: of each component by its name, and of the whole status under "".
    """
    return {
        "observedGeneration": pipeline.metadata.generation,
        "url": bridge_url(pipeline),
        "models": [_model(model) for model in models],
        "modelsSummary": f"{sum(1 for model in models if model.stage == 'Ready')}/{len(models)}",
        **{
            state.component: _component(state, pipeline.name, images.get(state.component))
            | dict(scaling.get(state.component, {}))
            for state in components
        },
        **scaling.get("", {}),
        "conditions": conditions,
    }


def bridge_url(pipeline: SpeechPipeline) -> str:
    """Return the URL of the bridge: that of the Ingress or Gateway if there is one, else the one within the cluster.

    Protocol and port of a Gateway are those of its listener, which is not the operator's object; a listener whose name
    starts with https is assumed to use TLS.
    """
    bridge = pipeline.spec.bridge
    if ingress := bridge.ingress:
        scheme, standard_port = ("https", 443) if ingress.tls_secret_name else ("http", 80)
        port = "" if ingress.port in {None, standard_port} else f":{ingress.port}"
        return f"{scheme}://{ingress.host}{port}"
    if bridge.gateway:
        scheme = "https" if (bridge.gateway.parent_ref.section_name or "").startswith("https") else "http"
        return f"{scheme}://{bridge.gateway.host}"
    return service_url(pipeline)


def service_url(pipeline: SpeechPipeline) -> str:
    """Return the URL of the bridge within the cluster."""
    return f"http://{object_name(pipeline.name, 'bridge')}.{pipeline.namespace}.svc:{PORTS['bridge']}"


def _component(state: ComponentState, pipeline: str, image: str | None) -> dict[str, Any]:
    members = {
        "desired": state.desired,
        "replicas": state.replicas,
        "ready": state.ready,
        "summary": state.summary,
        "replicasReason": state.replicas_reason or None,
        "image": image if state.desired is not None else None,
        "selector": _joined(selector(pipeline, "bridge").items()) if state.component == "bridge" else None,
    }
    return {name: value for name, value in members.items() if value is not None}


def _joined(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels))


def _model(model: ModelState) -> dict[str, Any]:
    pulling = model.stage != "Ready" and model.total > 0
    return {
        "name": model.name,
        "stage": model.stage,
        **({"completedBytes": model.completed, "totalBytes": model.total} if pulling else {}),
        **({} if model.eta is None else {"etaSeconds": model.eta}),
        "replicasReady": model.replicas_ready,
        **({"message": model.message} if model.message else {}),
    }
