"""Which Ollama pods may take requests: their readiness gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import MODELS_READY
from speechoperator.kube import objects
from speechoperator.plan.actions import SetGate
from speechoperator.plan.models import names
from speechoperator.plan.models.ollama_pods import listed

if TYPE_CHECKING:
    from speechoperator.api import Ollama
    from speechoperator.plan.models.ollama_pods import Pod


def gate(ollama: Ollama, pod: Pod, default: str) -> SetGate | None:
    """Return how a pod's gate is to be changed, None where it stands right or nothing is known.

    A pod opens only with every model. Once open it stays so while it has the default: a model that is added to a
    running pipeline must not take it down for as long as the pull takes.

    Args:
        ollama: What is wanted.
        pod: The pod.
        default: The model that callers get who name none.
    """
    if MODELS_READY not in objects.gates(pod.raw) or not pod.asked or pod.has is None:
        return None
    live = objects.condition(pod.raw, MODELS_READY) or {}
    missing = [model.name for model in ollama.models if pod.lacks(model)]
    if missing and live.get("status") == "True" and names.canonical(default) in pod.has:
        return None
    reason, message = ("ModelsPresent", listed(ollama.models))
    if missing:
        reason, message = ("ModelsMissing", f"not there yet: {', '.join(missing)}")
    if (live.get("status"), live.get("reason"), live.get("message")) == (str(not missing), reason, message):
        return None
    return SetGate(pod.name, ready=not missing, reason=reason, message=message, uid=objects.uid(pod.raw))
