"""The status of a pipeline as JSON. It contains no value that changes by time alone.

Its schema is `speechoperator.api.status`; the API server prunes everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import selector
from speechoperator.api.names import PORTS, object_name
from speechoperator.kube import objects
from speechoperator.plan.models.states import warmed
from speechoperator.plan.models.summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.models.lifecycle import ModelPlan
    from speechoperator.plan.models.removals import UnusedModel
    from speechoperator.plan.models.states import ModelState


def build_status(
    pipeline: SpeechPipeline,
    components: Sequence[ComponentState],
    models: ModelPlan,
    conditions: list[dict[str, Any]],
    images: Mapping[Component, str],
    scaling: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the whole status.

    Args:
        pipeline: The pipeline.
        components: The states of its components.
        models: What was decided about its models.
        conditions: Its conditions.
        images: The image of each component.
        scaling: Members about scaling: of each component by its name, and of the whole status under "".
    """
    states = [warmed(state, models.warmth) for state in models.states]
    members: dict[str, dict[str, Any]] = {
        state.component: _component(state, pipeline.name, images.get(state.component))
        | dict(scaling.get(state.component, {}))
        for state in components
    }
    if models.warmth.warm:
        members["ollama"]["warmPods"] = dict(models.warmth.warm)
    return {
        "observedGeneration": pipeline.metadata.generation,
        "url": bridge_url(pipeline),
        "models": [_model(model) for model in states],
        "modelsSummary": summary(states),
        **({"modelsBytes": models.bytes_used} if models.bytes_used else {}),
        **({"modelsFreeBytes": models.bytes_free} if models.bytes_free is not None else {}),
        **({"unusedModels": [_unused(model) for model in models.unused]} if models.unused else {}),
        **members,
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
    pulling = model.stage in {"Pulling", "Failed"} and model.total > 0
    progress = {"completedBytes": model.completed, "totalBytes": model.total, "percent": model.percent}
    return {
        "name": model.name,
        "stage": model.stage,
        **(progress if pulling else {}),
        **({"bytesPerSecond": model.rate} if model.rate else {}),
        **({} if model.eta is None else {"etaSeconds": model.eta}),
        "replicasReady": model.replicas_ready,
        **({"pulledAt": objects.format_time(model.pulled_at)} if model.pulled_at else {}),
        **({"memoryBytes": model.memory.total, "gpuBytes": model.memory.gpu} if model.memory else {}),
        **({"swapped": True} if model.swapped else {}),
        **({"message": model.message} if model.message else {}),
    }


def _unused(model: UnusedModel) -> dict[str, Any]:
    return {"name": model.name, "sizeBytes": model.size, "since": objects.format_time(model.since)}
