"""Getting the model into memory and trying it out, or saying clearly what to do when that fails."""

import logging
import os
import time
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.utils import available_models

from speechwhisper.audio.decode import RATE, Samples
from speechwhisper.recognition.faster_whisper import Tuning, WhisperDecoder
from speechwhisper.recognition.features import BlockFeatureExtractor
from speechwhisper.settings import Settings

logger = logging.getLogger(__name__)

_EXPECTED = (OSError, ValueError, RuntimeError, MemoryError)
"""What CTranslate2 and the model hub raise for missing weights and for a device that cannot run them."""

_NOISE_LEVEL = 0.01
_NOISE_SEED = 0

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_CGROUP_V1_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


class ModelUnavailableError(Exception):
    """The model cannot be loaded, or cannot decode; the text says what to do."""


def load(settings: Settings) -> WhisperDecoder:
    """Load the model that the settings name, from a folder, the cache or the hub, and decode one second of noise.

    Loading proves little: CTranslate2 opens cuBLAS and allocates its workspace at the first inference.

    Raises:
        ModelUnavailableError: there are no weights, or the device cannot run them.
    """
    model = _model(settings)
    # Equal numbers in flat memory: see `features`.
    model.feature_extractor = BlockFeatureExtractor(**model.feat_kwargs)
    decoder = WhisperDecoder(
        model,
        Tuning(
            beam_size=settings.whisper_beam_size,
            batch_size=settings.whisper_batch_size,
            skip_silence=settings.whisper_skip_silence,
        ),
    )
    _try_out(decoder, settings, device=model.model.device, compute_type=model.model.compute_type)
    return decoder


def _model(settings: Settings) -> WhisperModel:
    source = settings.whisper_model
    if (
        ("/" in source or "\\" in source)
        and source.startswith(("/", ".", "~"))
        and not Path(source).expanduser().is_dir()
    ):
        raise ModelUnavailableError(f"WHISPER_MODEL={source}: there is no such folder")
    folder = str(Path(source).expanduser()) if Path(source).expanduser().is_dir() else source
    try:
        try:
            return _load(settings, folder, local_files_only=True)
        except FileNotFoundError:  # not in the cache: huggingface_hub's LocalEntryNotFoundError
            return _load(settings, folder, local_files_only=False)
    except _EXPECTED as error:
        device = f"device {settings.whisper_device}, compute type {settings.whisper_compute_type}"
        message = f"cannot load WHISPER_MODEL={source} ({device}): {_words(error)}"
        raise ModelUnavailableError(f"{message}\nWhat to do: {_remedy(settings, error)}") from error


def _try_out(decoder: WhisperDecoder, settings: Settings, *, device: str, compute_type: str) -> None:
    started = time.monotonic()
    try:
        decoder.try_out(noise())
    except _EXPECTED as error:
        message = (
            f"WHISPER_MODEL={settings.whisper_model} is loaded but cannot decode (device {device}, compute type "
            f"{compute_type}): {_words(error)}"
        )
        raise ModelUnavailableError(f"{message}\nWhat to do: {_remedy(settings, error)}") from error
    took = {"device": device, "compute_type": compute_type, "seconds": round(time.monotonic() - started, 3)}
    logger.info("decoded one second of noise", extra=took)


def noise() -> Samples:
    """Return one second of quiet noise, the same each time."""
    return np.random.default_rng(_NOISE_SEED).normal(0.0, _NOISE_LEVEL, RATE).astype(np.float32)


def _load(settings: Settings, source: str, *, local_files_only: bool) -> WhisperModel:
    threads = settings.whisper_cpu_threads or usable_cpus()
    return WhisperModel(
        source,
        device=settings.whisper_device,
        compute_type=settings.whisper_compute_type,
        cpu_threads=max(1, threads // settings.whisper_concurrency),
        num_workers=settings.whisper_concurrency,
        download_root=settings.whisper_download_root or None,
        local_files_only=local_files_only,
    )


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__  # a MemoryError out of C++ has no text


def _remedy(settings: Settings, error: BaseException) -> str:
    """Tell by the library's words what to change."""
    said = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in said:
        return (
            "give it more memory, or set a smaller WHISPER_MODEL, a smaller WHISPER_COMPUTE_TYPE (int8_float16, int8), "
            "a lower WHISPER_CONCURRENCY or a lower WHISPER_BATCH_SIZE. Other processes may share the GPU."
        )
    if "library lib" in said:
        return "use the image for NVIDIA GPUs, whose tag ends in -cuda: it has this library. Or set WHISPER_DEVICE=cpu."
    if "cuda" in said or "cublas" in said:
        return (
            "give the container a working GPU (docker run --gpus all; on Kubernetes a limit of nvidia.com/gpu) and the "
            "host NVIDIA's driver 525 or newer; nvidia-smi in the container shows both. Or set WHISPER_DEVICE=cpu."
        )
    if "compute type" in said:
        return "set WHISPER_COMPUTE_TYPE=default, or one that the device is made for: int8 on a CPU, float16 on a GPU."
    cache = settings.whisper_download_root or "the hub's default cache folder"
    return (
        "set WHISPER_MODEL to a folder with CTranslate2 weights (config.json, model.bin, tokenizer.json, "
        f"vocabulary.*), or make the weights available in WHISPER_DOWNLOAD_ROOT ({cache}), or give this machine access "
        f"to the model hub and name one of: {', '.join(available_models())}."
    )


def usable_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, and in a container its CPU limit.

    More threads than the limit allows are throttled by the kernel, all at once.
    """
    return max(1, min(len(os.sched_getaffinity(0)), int(_cpu_limit())))


def _cpu_limit() -> float:
    """Return the CPU limit of the control group in CPUs; all of the machine when there is none."""
    unlimited = float(os.cpu_count() or 1)
    try:
        if _CGROUP_V2.exists():
            quota, period = _CGROUP_V2.read_text().split()
        else:
            quota, period = _CGROUP_V1_QUOTA.read_text().strip(), _CGROUP_V1_PERIOD.read_text().strip()
    except (OSError, ValueError):
        return unlimited
    if quota in {"max", "-1"}:
        return unlimited
    return max(1.0, int(quota) / int(period))
