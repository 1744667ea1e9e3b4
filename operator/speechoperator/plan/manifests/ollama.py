"""Ollama's pods.

What requests carry themselves (context length, how long a model stays) is no setting here: changing it must not restart
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import MODELS_READY, PORTS
from speechoperator.plan.manifests.claims import CACHE, CACHE_PATH, volume
from speechoperator.plan.manifests.containers import Amounts, amounts, container
from speechoperator.plan.manifests.deployments import deployment, serving_replicas, serving_strategy
from speechoperator.plan.manifests.pod_templates import PRE_STOP_SECONDS, template
from speechoperator.plan.manifests.probes import Probes, over_http

if TYPE_CHECKING:
    from speechoperator.api import Ollama, SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.settings import Settings

_REQUESTS: Amounts = {"requests": {"cpu": "1", "memory": "4Gi"}}
_DRAIN = 315
"""Seconds for the answers at hand once a pod is to stop, in the hook below and after it."""

_LONGEST_WAIT = 300
_PULL = 24 * 3600
"""Seconds until a version that is not ready is called stuck: its pods get ready when their models are pulled, and the
pipeline's own conditions tell of those."""

_WAIT_FOR_ANSWERS = f"""\
busy() {{
  while read -r _ local _ state _; do
    [ "${{local##*:}} $state" = "{PORTS["ollama"]:04X} 01" ] && return 0
  done
  return 1
}}
sleep {PRE_STOP_SECONDS}
left={_LONGEST_WAIT}
while [ "$left" -gt 0 ] && {{ busy < /proc/net/tcp || busy < /proc/net/tcp6; }} 2> /dev/null; do
  sleep 1
  left=$((left - 1))
done
"""
"""Ollama cuts answers short at SIGTERM, so the signal has to wait until nobody is connected any more: until the kernel
lists no connection to its port in state 01, ESTABLISHED (https://docs.kernel.org/networking/proc_net_tcp.html).
Needs nothing of the image but a shell and `sleep`."""


def ollama(pipeline: SpeechPipeline, settings: Settings) -> Object:
    """Return Ollama's Deployment. Its pods are ready once the operator has found all models in them."""
    part = pipeline.spec.ollama
    pod = container(
        "ollama",
        part,
        image=settings.ollama_image,
        env=_environment(part),
        resources=amounts(part, _REQUESTS, part.gpu),
        probes=Probes(
            startup=over_http("/api/version", period=2, timeout=5, failures=150),
            liveness=over_http("/api/version", period=15, timeout=10, failures=6),
            readiness=over_http("/api/version", period=5, timeout=10, failures=3),
        ),
        pre_stop={"exec": {"command": ["sh", "-c", _WAIT_FOR_ANSWERS]}},
        mounts=({"name": CACHE, "mountPath": CACHE_PATH},),
    )
    return deployment(
        pipeline,
        "ollama",
        template(
            pipeline,
            "ollama",
            part,
            settings,
            pod,
            drain=_DRAIN,
            volumes=(volume(pipeline, "ollama", part.cache),),
            gpu=part.gpu,
            readinessGates=[{"conditionType": MODELS_READY}],
        ),
        replicas=serving_replicas(pipeline, part),
        strategy=serving_strategy(part),
        deadline=_PULL,
    )


def _environment(part: Ollama) -> dict[str, str]:
    """Return Ollama's settings (`envconfig/config.go` there).

    As many requests run side by side as a pod is meant to have in flight, rather than one after the other. On a CPU
    pipeline the image's `NVIDIA_VISIBLE_DEVICES=all` would take every GPU of a node whose default runtime is NVIDIA's.
    """
    return {
        "OLLAMA_HOST": f"0.0.0.0:{PORTS['ollama']}",
        "OLLAMA_MODELS": f"{CACHE_PATH}/models",
        "OLLAMA_NOPRUNE": "1",  # partial downloads survive a restart
        "OLLAMA_NUM_PARALLEL": f"{part.scaling.target_in_flight}",
        **({} if part.gpus else {"NVIDIA_VISIBLE_DEVICES": "void"}),
        "HOME": "/tmp",  # noqa: S108 - the pod's own; a key is made there that only ollama.com would ask for
    }
