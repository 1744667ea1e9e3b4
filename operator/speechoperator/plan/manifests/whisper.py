"""Whisper's pods: our own server, or whisper-asr-webservice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.plan.manifests.claims import CACHE, CACHE_PATH, volume
from speechoperator.plan.manifests.containers import Amounts, amounts, container
from speechoperator.plan.manifests.deployments import deployment, serving_replicas, serving_strategy
from speechoperator.plan.manifests.pod_templates import SLEEP_BEFORE_STOP, template
from speechoperator.plan.manifests.probes import Probes, over_http, over_tcp

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline, Whisper
    from speechoperator.kube.objects import Object
    from speechoperator.settings import Settings

_REQUESTS: Amounts = {"requests": {"cpu": "1", "memory": "2Gi"}}
_DRAIN = 300
"""Seconds for the job at hand once a pod is to stop; not the bridge's deadline, whose changes must not restart it."""

_DOWNLOAD = 3600
"""Seconds until a pod that is not up is started anew: the port opens after the weights' download and a first decode."""

_STARTUP_PERIOD = 3


def whisper(pipeline: SpeechPipeline, settings: Settings) -> Object:
    """Return Whisper's Deployment."""
    part = pipeline.spec.whisper
    engine = _webservice(part, settings) if part.engine == "asr-webservice" else _own(part, settings)
    pod = container(
        "whisper",
        part,
        **engine,
        resources=amounts(part, _REQUESTS, part.gpu),
        pre_stop=SLEEP_BEFORE_STOP,
        mounts=({"name": CACHE, "mountPath": CACHE_PATH},),
    )
    return deployment(
        pipeline,
        "whisper",
        template(
            pipeline,
            "whisper",
            part,
            settings,
            pod,
            drain=_DRAIN,
            volumes=(volume(pipeline, "whisper", part.cache),),
            gpu=part.gpu,
        ),
        replicas=serving_replicas(pipeline, part),
        strategy=serving_strategy(part),
        deadline=_DOWNLOAD,
    )


def _own(part: Whisper, settings: Settings) -> dict[str, Any]:
    """Return image, environment and probes of speechwhisper, whose settings are in `docs/reference/settings.md`."""
    device = {"WHISPER_DEVICE": "cuda"} if part.gpus else {"WHISPER_DEVICE": "cpu", "WHISPER_COMPUTE_TYPE": "int8"}
    return {
        "image": settings.whisper_gpu_image if part.gpus else settings.whisper_image,
        "env": {
            "WHISPER_MODEL": part.model,
            **device,
            "WHISPER_DOWNLOAD_ROOT": CACHE_PATH,
            "WHISPER_DRAIN_TIMEOUT": f"{_DRAIN}",
            "HF_HOME": CACHE_PATH,
            "HOME": "/tmp",  # noqa: S108 - the pod's own
        },
        "probes": Probes(
            startup=over_http("/livez", period=_STARTUP_PERIOD, timeout=5, failures=_DOWNLOAD // _STARTUP_PERIOD),
            liveness=over_http("/livez", period=15, timeout=10, failures=6),
            readiness=over_http("/readyz", period=5, timeout=10, failures=3),
        ),
    }


def _webservice(part: Whisper, settings: Settings) -> dict[str, Any]:
    """Return image, environment and probes of whisper-asr-webservice 1.10 (`app/config.py` there).

    It decodes within its event loop: HTTP answers nothing during a job, so that only a connection can be asked for.
    """
    device = {"ASR_DEVICE": "cuda"} if part.gpus else {"ASR_DEVICE": "cpu", "ASR_QUANTIZATION": "int8"}
    return {
        "image": settings.asr_webservice_gpu_image if part.gpus else settings.asr_webservice_image,
        "env": {
            "ASR_ENGINE": "faster_whisper",
            "ASR_MODEL": part.model,
            **device,
            "ASR_MODEL_PATH": CACHE_PATH,
            "HF_HOME": CACHE_PATH,
            "HOME": "/tmp",  # noqa: S108 - the pod's own
        },
        "probes": Probes(
            startup=over_tcp(period=_STARTUP_PERIOD, timeout=5, failures=_DOWNLOAD // _STARTUP_PERIOD),
            liveness=over_tcp(period=15, timeout=10, failures=6),
            readiness=over_tcp(period=5, timeout=10, failures=3),
        ),
    }
