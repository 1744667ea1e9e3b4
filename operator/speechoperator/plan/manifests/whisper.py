"""The Deployment of Whisper: this project's own server, or whisper-asr-webservice.

An init container fetches the weights of the former.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.plan.manifests.containers import Resources, container, resources
from speechoperator.plan.manifests.deployments import deployment, serving_strategy
from speechoperator.plan.manifests.limits import whisper_drain
from speechoperator.plan.manifests.pod_templates import SLEEP_BEFORE_STOP, template
from speechoperator.plan.manifests.probes import Probes, http_probe, tcp_probe
from speechoperator.plan.manifests.pvcs import CACHE_PATH, mount, volume
from speechoperator.plan.manifests.weights import fetch_container, fetches

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline, Whisper
    from speechoperator.kube.objects import Object
    from speechoperator.plan.decisions import Decisions
    from speechoperator.settings import Settings

_RESOURCES: Resources = {"requests": {"cpu": "1", "memory": "2Gi"}}
_MAX_DOWNLOAD = 3600
"""Seconds until a pod that has not started is restarted: its port opens after the download and a first decode."""

_PERIOD = 3
_HUB = {"HF_HOME": CACHE_PATH, "HOME": "/tmp"}  # noqa: S108 - an emptyDir of the pod


def whisper(pipeline: SpeechPipeline, settings: Settings, decisions: Decisions) -> Object:
    """Return the Deployment of Whisper."""
    spec = pipeline.spec.whisper
    engine = _asr_webservice(spec) if spec.engine == "asr-webservice" else _faster_whisper(spec)
    image, fetched = decisions.images["whisper"], fetches(spec)
    read_only = bool(spec.storage.image) or (fetched and bool(spec.storage.node_path))
    pod = container(
        "whisper",
        spec,
        image=image,
        **engine,
        resources=resources(spec, _RESOURCES, spec.gpu),
        pre_stop=SLEEP_BEFORE_STOP,
        mounts=(mount(read_only=read_only),),
    )
    fetch: dict[str, Any] = {"initContainers": [fetch_container(spec, image, _HUB)]} if fetched else {}
    return deployment(
        pipeline,
        "whisper",
        template(
            pipeline,
            "whisper",
            spec,
            settings,
            pod,
            drain=whisper_drain(spec),
            volumes=(volume(pipeline, "whisper", spec.storage),),
            gpu=spec.gpu,
            **fetch,
        ),
        decisions,
        strategy=serving_strategy(spec),
        progress_deadline=whisper_drain(spec) + _MAX_DOWNLOAD,
    )


def _faster_whisper(spec: Whisper) -> dict[str, Any]:
    """Return environment and probes of speechwhisper (`docs/reference/whisper-server.md`)."""
    device = {"WHISPER_DEVICE": "cuda"} if spec.gpus else {"WHISPER_DEVICE": "cpu", "WHISPER_COMPUTE_TYPE": "int8"}
    return {
        "env": {
            "WHISPER_MODEL": spec.model,
            **device,
            "WHISPER_DOWNLOAD_ROOT": CACHE_PATH,
            "WHISPER_DRAIN_TIMEOUT": f"{whisper_drain(spec)}",
            **_HUB,
        },
        "probes": Probes(
            startup=http_probe("/livez", period=_PERIOD, timeout=5, failures=_MAX_DOWNLOAD // _PERIOD),
            liveness=http_probe("/livez", period=15, timeout=10, failures=6),
            readiness=http_probe("/readyz", period=5, timeout=10, failures=3),
        ),
    }


def _asr_webservice(spec: Whisper) -> dict[str, Any]:
    """Return environment and probes of whisper-asr-webservice 1.10 (`app/config.py` there).

    It decodes within its event loop and answers no HTTP request during a job, so the probes only open a connection.
    """
    device = {"ASR_DEVICE": "cuda"} if spec.gpus else {"ASR_DEVICE": "cpu", "ASR_QUANTIZATION": "int8"}
    return {
        "env": {
            "ASR_ENGINE": "faster_whisper",
            "ASR_MODEL": spec.model,
            **device,
            "ASR_MODEL_PATH": CACHE_PATH,
            **_HUB,
        },
        "probes": Probes(
            startup=tcp_probe(period=_PERIOD, timeout=5, failures=_MAX_DOWNLOAD // _PERIOD),
            liveness=tcp_probe(period=15, timeout=10, failures=6),
            readiness=tcp_probe(period=5, timeout=10, failures=3),
        ),
    }
