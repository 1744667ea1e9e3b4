"""The readiness gate of Ollama pods: which of them may receive requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import MODELS_READY
from speechoperator.kube import objects
from speechoperator.plan.actions import SetGate
from speechoperator.plan.models import names
from speechoperator.plan.models.ollama_pods import gate_message

if TYPE_CHECKING:
    from speechoperator.api import Ollama
    from speechoperator.plan.models.ollama_pods import Pod


def gate_update(ollama: Ollama, pod: Pod, default: str) -> SetGate | None:
    """Return the update of a pod's readiness gate; None if it is up to date or nothing is known.

    The gate is set to True once the pod has all models. It then stays True while the pod has the default model: adding
    a model to a running pipeline must not take its pods out of service during the pull.

    Args:
        ollama: The spec.
        pod: The pod.
        default: The model for requests that name none.
    """
    if MODELS_READY not in objects.gates(pod.raw) or not pod.reachable or pod.models is None:
        return None
    live = objects.condition(pod.raw, MODELS_READY) or {}
    missing = [model.name for model in ollama.models if pod.lacks(model)]
    if missing and live.get("status") == "True" and names.canonical(default) in pod.models:
        return None
    reason, message = ("ModelsPresent", gate_message(ollama.models))
    if missing:
        reason, message = ("ModelsMissing", f"missing: {', '.join(missing)}")
    if (live.get("status"), live.get("reason"), live.get("message")) == (str(not missing), reason, message):
        return None
    since = live.get("lastTransitionTime") if live.get("status") == str(not missing) else ""
    return SetGate(
        pod.name, ready=not missing, reason=reason, message=message, uid=objects.uid(pod.raw), since=since or ""
    )
