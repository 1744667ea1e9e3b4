"""Decisions that the manifests are built from: replicas, offered models and images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.plan.images import images
from speechoperator.plan.replicas import Replicas, replicas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.settings import Settings


@dataclass(frozen=True, slots=True)
class Decisions:
    """What has been decided about a pipeline before its manifests are built.

    Attributes:
        replicas: Replicas of each component.
        models: Names of the models that the bridge offers to clients, the default first.
        images: Container image of each component.
    """

    replicas: Mapping[Component, Replicas]
    models: tuple[str, ...]
    images: Mapping[Component, str]


def from_spec(pipeline: SpeechPipeline, settings: Settings) -> Decisions:
    """Return the decisions that follow from the spec alone: all models are offered, as if they were present."""
    return Decisions(replicas(pipeline.spec), pipeline.spec.ollama.model_names, images(pipeline.spec, settings))
