"""The Deployment of Ollama."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.names import PORTS
from speechoperator.plan.manifests import ollama_readiness
from speechoperator.plan.manifests.containers import Resources, container, resources
from speechoperator.plan.manifests.deployments import deployment, serving_strategy
from speechoperator.plan.manifests.limits import ollama_drain
from speechoperator.plan.manifests.pod_templates import PRE_STOP_SECONDS, template
from speechoperator.plan.manifests.probes import Probes, http_probe
from speechoperator.plan.manifests.pvcs import CACHE_PATH, mount, volume
from speechoperator.plan.manifests.weights import node_folder_container
from speechoperator.plan.models import request_options

if TYPE_CHECKING:
    from speechoperator.api import Ollama, SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.decisions import Decisions
    from speechoperator.settings import Settings

_RESOURCES: Resources = {"requests": {"cpu": "1", "memory": "4Gi"}}
_AFTER_PRE_STOP_S = 15
"""Seconds for Ollama to end after its preStop hook, beyond those that every component has."""

_PROGRESS_DEADLINE = 24 * 3600
"""Seconds until a rollout without progress counts as failed. Pods become ready only after their models are pulled, and
the pipeline's own conditions report pulls."""


def ollama(pipeline: SpeechPipeline, settings: Settings, decisions: Decisions) -> Object:
    """Return the Deployment of Ollama. Its pods become ready once they have all models."""
    spec, image = pipeline.spec.ollama, decisions.images["ollama"]
    folder: dict[str, Any] = {"initContainers": [node_folder_container(spec, image)]} if spec.storage.node_path else {}
    pod = container(
        "ollama",
        spec,
        image=image,
        env=_environment(spec),
        resources=resources(spec, _RESOURCES, spec.gpu),
        probes=Probes(
            startup=http_probe("/api/version", period=2, timeout=5, failures=150),
            liveness=http_probe("/api/version", period=15, timeout=10, failures=6),
            readiness=ollama_readiness.probe(period=5, timeout=10, failures=3),
        ),
        pre_stop={"exec": {"command": ["sh", "-c", _wait_for_answers(ollama_drain(spec))]}},
        mounts=(
            mount(read_only=bool(spec.storage.image)),
            {"name": ollama_readiness.VOLUME, "mountPath": ollama_readiness.PATH, "readOnly": True},
        ),
    )
    return deployment(
        pipeline,
        "ollama",
        template(
            pipeline,
            "ollama",
            spec,
            settings,
            pod,
            drain=ollama_drain(spec) + _AFTER_PRE_STOP_S,
            volumes=(volume(pipeline, "ollama", spec.storage), ollama_readiness.volume(pipeline)),
            gpu=spec.gpu,
            **folder,
        ),
        decisions,
        strategy=serving_strategy(spec),
        progress_deadline=_PROGRESS_DEADLINE,
    )


def _wait_for_answers(seconds: int) -> str:
    """Return the script of the preStop hook, which waits until all connections are closed, so many seconds at most.

    Ollama truncates answers at SIGTERM, so the signal has to wait until the kernel lists no connection to Ollama's port
    in state 01, ESTABLISHED (https://docs.kernel.org/networking/proc_net_tcp.html). It does not list which of them have
    a request in flight, so idle ones of a sidecar count (docs/how-to/adapt-pods.md). Requires only a shell and `sleep`
    in the image.
    """
    return f"""\
busy() {{
  while read -r _ local _ state _; do
    [ "${{local##*:}} $state" = "{PORTS["ollama"]:04X} 01" ] && return 0
  done
  return 1
}}
sleep {PRE_STOP_SECONDS}
left={seconds}
while [ "$left" -gt 0 ] && {{ busy < /proc/net/tcp || busy < /proc/net/tcp6; }} 2> /dev/null; do
  sleep 1
  left=$((left - 1))
done
"""


def _environment(spec: Ollama) -> dict[str, str]:
    """Return Ollama's settings (`envconfig/config.go` there).

    Without a GPU in the spec, `NVIDIA_VISIBLE_DEVICES=all` of the image would use every GPU of a node with NVIDIA's
    runtime as the default.
    """
    return {
        "OLLAMA_HOST": f":{PORTS['ollama']}",  # without a host, it listens on IPv6 and IPv4
        "OLLAMA_MODELS": f"{CACHE_PATH}/models",
        "OLLAMA_NOPRUNE": "1",  # keeps partial downloads over a restart; the operator frees replaced models
        "OLLAMA_NUM_PARALLEL": f"{spec.parallel}",
        **request_options.server_settings(spec),
        **({} if spec.gpus else {"NVIDIA_VISIBLE_DEVICES": "void"}),
        "HOME": "/tmp",  # noqa: S108 - an emptyDir of the pod, for a key that only ollama.com would ask for
    }
