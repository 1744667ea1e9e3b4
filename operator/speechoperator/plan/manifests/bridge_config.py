"""The bridge's settings: a ConfigMap that its pods take over as their environment.

Names and units are those of `docs/reference/settings.md`.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from speechoperator.api.labels import metadata
from speechoperator.api.names import PORTS, object_name, pods_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.api import ServingSpec, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object

KEYS_PATH = "/etc/speechpipeline/api-keys"
"""Where the Secret with the API keys is mounted."""

_LONGEST_HOLD = 120.0
"""Seconds a request waits for a pod at most: enough for one to restart with its model."""

_PROTOCOLS = {"faster-whisper": "openai", "asr-webservice": "asr-webservice"}

_ANY_MODEL = "whisper-1"
"""The name that our own Whisper server answers to whichever model it has: a change of the model takes the bridge and
Whisper's pods different times, and neither must refuse the other in between."""


def config(pipeline: SpeechPipeline, models: Sequence[str]) -> Object:
    """Return the ConfigMap.

    Args:
        models: What callers may name, the default first.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(pipeline, "bridge", object_name(pipeline.name, "bridge")),
        "data": environment(pipeline, models),
    }


def environment(pipeline: SpeechPipeline, models: Sequence[str]) -> dict[str, str]:
    """Return the bridge's environment variables."""
    whisper, ollama, bridge = pipeline.spec.whisper, pipeline.spec.ollama, pipeline.spec.bridge
    timeout = bridge.request_timeout_seconds
    return {
        "WHISPER_URL": _url(pipeline, "whisper", whisper),
        "TRANSCRIBER": _PROTOCOLS[whisper.engine],
        "WHISPER_MODEL": _ANY_MODEL if whisper.managed else whisper.model,
        "OLLAMA_URL": _url(pipeline, "ollama", ollama),
        "MODELS": ",".join(models),
        **({"CONTEXT_LENGTH": f"{ollama.context_length}"} if ollama.context_length else {}),
        **({"KEEP_ALIVE": ollama.keep_alive} if ollama.keep_alive else {}),
        "MAX_CONCURRENT_REQUESTS": f"{bridge.max_concurrent_requests}",
        "REQUEST_TIMEOUT": f"{timeout:.10g}",
        "DRAIN_TIMEOUT": f"{timeout:.10g}",
        "HOLD_TIMEOUT": f"{min(timeout, _LONGEST_HOLD):.10g}",
        "QUEUE_TIMEOUT": f"{min(timeout, _LONGEST_HOLD):.10g}",
        **({"API_KEYS_DIR": KEYS_PATH} if bridge.api_keys else {}),
    }


def settings_hash(pipeline: SpeechPipeline, models: Sequence[str]) -> str:
    """Return a hash of the settings, which are read only when a pod starts."""
    text = json.dumps(environment(pipeline, models), sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _url(pipeline: SpeechPipeline, component: Component, part: ServingSpec) -> str:
    if part.url is not None:
        return part.url
    return f"http://{pods_service(pipeline.name, component)}.{pipeline.namespace}.svc:{PORTS[component]}"
