"""The settings of the bridge: a ConfigMap that its pods use as environment.

It has the models, too, though the bridges read them from a file (`model_list`): pods of an older release need them, and
those of `bridge.image` may.
Names and units are documented in `docs/reference/settings.md`.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from speechoperator.api import durations
from speechoperator.api.labels import metadata
from speechoperator.api.names import PORTS, object_name, pods_service
from speechoperator.plan.manifests.limits import bridge_drain
from speechoperator.plan.manifests.upstreams import ca_files
from speechoperator.plan.models import model_list, request_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speechoperator.api import ServingSpec, Spec, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object

KEYS_PATH = "/etc/speechpipeline/api-keys"
"""Where the Secret with the API keys is mounted."""

_MAX_HOLD_SECONDS = 120.0
"""How long a request waits for a pod: enough for a pod to restart with its model."""

_HOLD_FROM_ZERO_SECONDS = 300.0
"""How long it waits for one that starts from zero: enough for a new node, its image and its model, in most clusters."""

_PROTOCOLS = {"faster-whisper": "openai", "asr-webservice": "asr-webservice"}

_ANY_MODEL = "whisper-1"
"""A name that our Whisper server accepts for every model. After a change of the model, the bridge and the Whisper pods
are rolled out at different times and must not reject each other meanwhile."""


def config_map(pipeline: SpeechPipeline, variables: Mapping[str, str]) -> Object:
    """Return the ConfigMap with the bridge's environment."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(pipeline, "bridge", object_name(pipeline.name, "bridge")),
        "data": dict(variables),
    }


def environment(pipeline: SpeechPipeline, models: Sequence[str]) -> dict[str, str]:
    """Return the bridge's environment variables.

    Args:
        pipeline: The pipeline.
        models: Names of the models to offer, the default first.
    """
    whisper, ollama, bridge = pipeline.spec.whisper, pipeline.spec.ollama, pipeline.spec.bridge
    timeout = bridge.request_timeout_seconds
    return {
        "WHISPER_URL": _url(pipeline, "whisper", whisper),
        "TRANSCRIBER": _PROTOCOLS[whisper.engine],
        "WHISPER_MODEL": _ANY_MODEL if whisper.managed else whisper.model,
        "OLLAMA_URL": _url(pipeline, "ollama", ollama),
        **({"GENERATOR": ollama.protocol} if ollama.protocol != "ollama" else {}),
        "MODELS": ",".join(models),
        **request_options.settings(ollama),
        "MAX_CONCURRENT_REQUESTS": f"{bridge.max_concurrent_requests}",
        "REQUEST_TIMEOUT": f"{timeout:.10g}",
        "DRAIN_TIMEOUT": f"{bridge_drain(bridge)}",
        "HOLD_TIMEOUT": f"{_hold_seconds(pipeline.spec):.10g}",
        "QUEUE_TIMEOUT": f"{min(timeout, _MAX_HOLD_SECONDS):.10g}",
        **({"API_KEYS_DIR": KEYS_PATH} if bridge.api_keys else {}),
        **ca_files(pipeline),
    }


def settings_hash(variables: Mapping[str, str], *, with_models: bool) -> str:
    """Return a hash of what the bridge reads from the environment, at startup only: a new hash triggers a rollout.

    Args:
        variables: The environment.
        with_models: Whether the bridge may read its models from there.
    """
    left_out = frozenset[str]() if with_models else model_list.VARIABLES
    text = json.dumps({name: variables[name] for name in variables.keys() - left_out}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _hold_seconds(spec: Spec) -> float:
    if spec.bridge.hold_timeout is not None:
        return durations.seconds(spec.bridge.hold_timeout)
    if spec.to_zero:
        return _HOLD_FROM_ZERO_SECONDS
    return min(spec.bridge.request_timeout_seconds, _MAX_HOLD_SECONDS)


def _url(pipeline: SpeechPipeline, component: Component, spec: ServingSpec) -> str:
    if spec.url is not None:
        return spec.url
    return f"http://{pods_service(pipeline.name, component)}.{pipeline.namespace}.svc:{PORTS[component]}"
