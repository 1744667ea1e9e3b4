"""A pipeline's Kubernetes objects: what there should be, made from nothing but what the user wrote.

One module for each kind of object and for each part's pods; all are pure functions of the pipeline and the settings.
What they return is JSON as the API server itself writes it, so that `drift` finds no difference where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.manifests.accounts import account
from speechoperator.plan.manifests.autoscaling import autoscaler
from speechoperator.plan.manifests.bridge import bridge
from speechoperator.plan.manifests.bridge_config import config
from speechoperator.plan.manifests.claims import claim
from speechoperator.plan.manifests.disruption import budget
from speechoperator.plan.manifests.exposure import ingress, route
from speechoperator.plan.manifests.immutable_fields import adopt_immutable_fields
from speechoperator.plan.manifests.network import bridge_policy, serving_policy
from speechoperator.plan.manifests.ollama import ollama
from speechoperator.plan.manifests.services import headless_service, service
from speechoperator.plan.manifests.whisper import whisper

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from speechoperator.api import ServingSpec, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.settings import Settings

__all__ = ["adopt_immutable_fields", "build"]


def build(pipeline: SpeechPipeline, settings: Settings, models: Sequence[str] | None = None) -> tuple[Object, ...]:
    """Return all objects of a pipeline, in the order in which they are best applied: what others need comes first.

    Args:
        models: The models that the bridge offers its callers, the default first. None: all that the pipeline names.
            While a new one is still being pulled, these are the ones that can be used already.
    """
    offered = tuple(model.name for model in pipeline.spec.ollama.models) if models is None else tuple(models)
    return (
        *_serving(pipeline, "whisper", pipeline.spec.whisper, settings),
        *_serving(pipeline, "ollama", pipeline.spec.ollama, settings),
        *_bridge(pipeline, settings, offered),
    )


def _serving(pipeline: SpeechPipeline, component: Component, part: ServingSpec, settings: Settings) -> Iterator[Object]:
    if not part.managed:
        return
    yield account(pipeline, component)
    yield serving_policy(pipeline, component, settings)
    if part.cache.creates_pvc:
        yield claim(pipeline, component, part.cache)
    yield service(pipeline, component)
    yield headless_service(pipeline, component)
    if part.scaling.maximum > 1:
        yield budget(pipeline, component)
    yield whisper(pipeline, settings) if component == "whisper" else ollama(pipeline, settings)


def _bridge(pipeline: SpeechPipeline, settings: Settings, models: Sequence[str]) -> Iterator[Object]:
    part = pipeline.spec.bridge
    yield account(pipeline, "bridge")
    yield bridge_policy(pipeline)
    yield config(pipeline, models)
    yield service(pipeline, "bridge")
    if part.maximum > 1:
        yield budget(pipeline, "bridge")
    yield bridge(pipeline, settings, models)
    if part.scaling and not pipeline.spec.suspend:
        yield autoscaler(pipeline, part.scaling)
    if part.ingress:
        yield ingress(pipeline, part.ingress)
    if part.gateway:
        yield route(pipeline, part.gateway)
