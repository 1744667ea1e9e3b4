"""All manifests of a pipeline.

There is one module per kind of object and one per component's pods. Manifests are JSON in the form that the API server
itself returns, so that `drift` finds no difference where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.manifests import ollama_readiness
from speechoperator.plan.manifests.accounts import service_account
from speechoperator.plan.manifests.autoscaling import autoscaler
from speechoperator.plan.manifests.bridge import bridge
from speechoperator.plan.manifests.bridge_config import config_map, environment
from speechoperator.plan.manifests.disruption import disruption_budget
from speechoperator.plan.manifests.exposure import http_route, ingress
from speechoperator.plan.manifests.network import bridge_policy, serving_policy
from speechoperator.plan.manifests.ollama import ollama
from speechoperator.plan.manifests.pvcs import pvc
from speechoperator.plan.manifests.services import bridge_service, headless_service, service
from speechoperator.plan.manifests.whisper import whisper
from speechoperator.plan.models import model_list
from speechoperator.plan.models.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechoperator.api import ServingSpec, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.plan.decisions import Decisions
    from speechoperator.settings import Settings


def build(pipeline: SpeechPipeline, settings: Settings, decisions: Decisions) -> tuple[Object, ...]:
    """Return the manifests of a pipeline in the order in which they should be applied: dependencies come first.

    Args:
        pipeline: The pipeline.
        settings: The operator's settings.
        decisions: Replicas, offered models and images.
    """
    return (
        *_serving(pipeline, "whisper", pipeline.spec.whisper, settings, decisions),
        *_serving(pipeline, "ollama", pipeline.spec.ollama, settings, decisions),
        *_bridge(pipeline, settings, decisions),
    )


def _serving(
    pipeline: SpeechPipeline, component: Component, spec: ServingSpec, settings: Settings, decisions: Decisions
) -> Iterator[Object]:
    if not spec.managed:
        return
    yield service_account(pipeline, component, spec)
    if pipeline.spec.network_policy.enabled:
        yield serving_policy(pipeline, component, settings)
    if spec.storage.creates_pvc:
        yield pvc(pipeline, component, spec.storage)
    if component == "ollama":
        yield ollama_readiness.config_map(pipeline, map(canonical, decisions.models))
    yield service(pipeline, component)
    yield headless_service(pipeline, component)
    if spec.scaling.maximum > 1:
        yield disruption_budget(pipeline, component)
    deployment = whisper if component == "whisper" else ollama
    yield deployment(pipeline, settings, decisions)


def _bridge(pipeline: SpeechPipeline, settings: Settings, decisions: Decisions) -> Iterator[Object]:
    spec, variables = pipeline.spec.bridge, environment(pipeline, decisions.models)
    yield service_account(pipeline, "bridge", spec)
    if pipeline.spec.network_policy.enabled:
        yield bridge_policy(pipeline, settings)
    yield config_map(pipeline, variables)
    yield model_list.config_map(pipeline, decisions.models)
    yield bridge_service(pipeline)
    if spec.maximum > 1:
        yield disruption_budget(pipeline, "bridge")
    yield bridge(pipeline, settings, decisions, variables)
    if spec.scaling and not pipeline.spec.suspend:
        yield autoscaler(pipeline, spec.scaling)
    if spec.ingress:
        yield ingress(pipeline, spec.ingress)
    if spec.gateway:
        yield http_route(pipeline, spec.gateway)
