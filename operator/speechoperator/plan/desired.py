"""The manifests of a pipeline with all hashes, ready to be compared with the cluster.

To build and to hash them is most of the work of a plan, and most plans are made because the load or a pod has changed.
So a plan passes them on to the next one, which uses them again if their inputs are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import drift
from speechoperator.plan.built import Built
from speechoperator.plan.manifests.build import build
from speechoperator.plan.rollout import replica_numbers, updates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.api import SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.decisions import Decisions
    from speechoperator.settings import Settings


def desired(pipeline: SpeechPipeline, settings: Settings, decisions: Decisions, before: Built | None) -> Built:
    """Return the manifests of a pipeline, without the replicas that are the scaler's.

    Args:
        pipeline: The pipeline; its status does not matter.
        settings: The operator's settings.
        decisions: Replicas, offered models and images.
        before: Those of the previous plan.
    """
    replicas = {name: one for name, one in decisions.replicas.items() if name not in replica_numbers.SCALED}
    inputs = (pipeline.metadata, pipeline.spec, settings, replicas, decisions.models, decisions.images)
    if before is not None and before.inputs == inputs:
        return before
    manifests = replica_numbers.left_out(build(pipeline, settings, decisions))
    return Built(inputs, stamped(manifests, pipeline, decisions))


def stamped(manifests: Iterable[Object], pipeline: SpeechPipeline, decisions: Decisions) -> tuple[Object, ...]:
    """Return manifests with all hashes."""
    return tuple(map(drift.stamped, updates.stamped(manifests, pipeline, decisions.models)))
