"""Loads the model and tests it, or explains what to do if that fails."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.utils import available_models

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import gpu_memory, tuning
from speechwhisper.recognition.calibration import batch_size
from speechwhisper.recognition.cuda_errors import out_of_memory
from speechwhisper.recognition.engine import Engine
from speechwhisper.recognition.model import Model
from speechwhisper.recognition.tuning import Tuning
from speechwhisper.telemetry import logs
from speechwhisper.weights import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from speechwhisper.audio.decode import Samples
    from speechwhisper.recognition.engine import Extract
    from speechwhisper.settings import Settings

_EXPECTED = (OSError, ValueError, RuntimeError, MemoryError)
"""The exceptions of CTranslate2 and the model hub for missing weights and unsuitable devices."""

_NOISE_LEVEL = 0.01
_NOISE_SEED = 0
_MEASURED_SECONDS = 4.0
"""Length of the blocks with which the batch size is calibrated: a spoken sentence."""

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_CGROUP_V1_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


class ModelUnavailableError(Exception):
    """The model cannot be loaded, or cannot decode; the message says what to do."""


def load(settings: Settings) -> Engine:
    """Load the model from a folder, the cache or the hub, and decode one second of noise.

    CTranslate2 opens cuBLAS and allocates its workspace only at the first inference.

    Raises:
        ModelUnavailableError: The weights are missing, or the device cannot run them.
    """
    gpus = _gpus(settings)
    before = [gpu_memory.free_bytes(gpu) for gpu in gpus]
    weights = _weights(settings)
    loaded = weights[0].model
    models = [Model(one, settings.whisper_beam_size) for one in weights]
    extract = weights[0].feature_extractor
    with _explained(settings, device=loaded.device, compute_type=loaded.compute_type):
        if loaded.device == "cuda":
            after = [gpu_memory.free_bytes(gpu) for gpu in gpus]
            tuned = _for_cuda(settings, models[0], before, after)
        else:
            tuned = _for_cpu(settings, models[0], extract)
        engine = Engine(models, extract, tuned)
        started = time.monotonic()
        engine.try_out(noise(), full=loaded.device == "cuda")
    logs.info(
        "decoded one second of noise",
        device=loaded.device,
        compute_type=loaded.compute_type,
        batch_size=engine.batch_size,
        search="accurate" if tuned.accurate else "fast",
        duration_ms=round((time.monotonic() - started) * 1000, 1),
    )
    return engine


def _weights(settings: Settings) -> list[WhisperModel]:
    """Load the model, on a GPU once for each."""
    source = settings.whisper_model
    if (
        ("/" in source or "\\" in source)
        and source.startswith(("/", ".", "~"))
        and not Path(source).expanduser().is_dir()
    ):
        raise ModelUnavailableError(f"WHISPER_MODEL={source}: folder not found")
    fetched = names.find(source, settings.whisper_download_root)
    folder = str(Path(source).expanduser()) if Path(source).expanduser().is_dir() else str(fetched or source)
    try:
        try:
            first = _load(settings, folder, local_files_only=True)
        except FileNotFoundError:  # not in the cache: huggingface_hub's LocalEntryNotFoundError
            first = _load(settings, folder, local_files_only=False)
        others = _gpus(settings)[1:] if first.model.device == "cuda" else ()
        return [first, *(_load(settings, folder, local_files_only=True, gpu=gpu) for gpu in others)]
    except _EXPECTED as error:
        device = f"device {settings.whisper_device}, compute type {settings.whisper_compute_type}"
        message = f"cannot load WHISPER_MODEL={source} ({device}): {_words(error)}"
        raise ModelUnavailableError(f"{message}\nWhat to do: {_remedy(settings, error)}") from error


@contextmanager
def _explained(settings: Settings, *, device: str, compute_type: str) -> Iterator[None]:
    """Raise what a device lacks in the `with` block, which decodes, as `ModelUnavailableError`."""
    try:
        yield
    except _EXPECTED as error:
        message = (
            f"WHISPER_MODEL={settings.whisper_model} is loaded but cannot decode (device {device}, compute type "
            f"{compute_type}): {_words(error)}"
        )
        raise ModelUnavailableError(f"{message}\nWhat to do: {_remedy(settings, error)}") from error


def noise(seconds: float = 1.0) -> Samples:
    """Return quiet noise, identical each time."""
    return np.random.default_rng(_NOISE_SEED).normal(0.0, _NOISE_LEVEL, int(seconds * RATE)).astype(np.float32)


def _load(settings: Settings, source: str, *, local_files_only: bool, gpu: int | None = None) -> WhisperModel:
    device = settings.whisper_device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    compute_type = settings.whisper_compute_type
    if compute_type == "auto":
        compute_type = "float16" if device == "cuda" else "int8"
    if gpu is None:
        gpu = _gpus(settings)[0] if device == "cuda" else 0
    return WhisperModel(
        source,
        device=device,
        device_index=gpu,
        compute_type=compute_type,
        cpu_threads=settings.whisper_cpu_threads or usable_cpus(),
        num_workers=1 if device == "cuda" else tuning.CPU_LANES,
        download_root=settings.whisper_download_root or None,
        local_files_only=local_files_only,
    )


def _gpus(settings: Settings) -> tuple[int, ...]:
    """Return the GPUs to use; the first one even if none is visible, so that loading fails with its reason."""
    return settings.device_indexes or tuple(range(ctranslate2.get_cuda_device_count())) or (0,)


def _base(settings: Settings, model: Model) -> Tuning:
    return Tuning(
        accurate=tuning.is_accurate(settings.whisper_search, model.width),
        batch_size=settings.whisper_batch_size,
        skip_silence=settings.whisper_skip_silence,
        condition_on_previous_text=settings.whisper_condition_on_previous_text,
    )


def _for_cpu(settings: Settings, model: Model, extract: Extract) -> Tuning:
    """Return how to use the model on a CPU; without a configured batch size, several are tried."""
    base = _base(settings, model)
    if base.batch_size:
        return tuning.for_cpu(base)
    features = extract(noise(_MEASURED_SECONDS))
    window = tuning.for_cpu(base).windows_for(features.shape[1])[0]
    return tuning.for_cpu(replace(base, batch_size=batch_size(partial(model.seconds_for, features, window))))


def _for_cuda(settings: Settings, model: Model, before: Sequence[int | None], after: Sequence[int | None]) -> Tuning:
    """Return how to use the model on GPUs, of which the smallest batch decides.

    Args:
        settings: Of the server.
        model: On one of the GPUs.
        before: The free memory of each GPU before the model was loaded.
        after: The same afterwards.
    """
    base, beams = _base(settings, model), settings.whisper_beam_size
    memory = [
        (0, 0) if all_free is None or free is None else (free, all_free - free)
        for all_free, free in zip(before, after, strict=True)
    ]
    each = [tuning.for_cuda(base, free_bytes=free, weights_bytes=used, beam_size=beams) for free, used in memory]
    return min(each, key=lambda one: one.batch_size)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__  # a MemoryError of C++ has no text


def _remedy(settings: Settings, error: BaseException) -> str:
    """Derive what to change from the library's message."""
    said = str(error).lower()
    if out_of_memory(error):
        return (
            "Provide more memory, or set a smaller WHISPER_MODEL, a smaller WHISPER_COMPUTE_TYPE (int8_float16, int8) "
            "or a lower WHISPER_BATCH_SIZE. Other processes may be using the same GPU."
        )
    if "library lib" in said:
        return "Use the image for NVIDIA GPUs, whose tag ends in -cuda: it has this library. Or set WHISPER_DEVICE=cpu."
    if "cuda" in said or "cublas" in said:
        return (
            "Give the container a GPU (docker run --gpus all; on Kubernetes a limit of nvidia.com/gpu), with NVIDIA "
            "driver 525 or newer on the host; nvidia-smi in the container shows both. Or set WHISPER_DEVICE=cpu."
        )
    if "compute type" in said:
        return "Set WHISPER_COMPUTE_TYPE=auto, or one that the device supports: int8 on a CPU, float16 on a GPU."
    cache = settings.whisper_download_root or "the hub's default cache folder"
    return (
        "Set WHISPER_MODEL to a folder with CTranslate2 weights (config.json, model.bin, tokenizer.json, "
        f"vocabulary.*), or make the weights available in WHISPER_DOWNLOAD_ROOT ({cache}), or allow access "
        f"to the model hub and choose one of: {', '.join(available_models())}."
    )


def usable_cpus() -> int:
    """Return the number of CPUs available to this process: its affinity, and in a container its CPU limit.

    The kernel throttles all threads if they exceed the limit together.
    """
    return max(1, min(len(os.sched_getaffinity(0)), int(_cpu_limit())))


def _cpu_limit() -> float:
    """Return the CPU limit of the control group, in CPUs; without a limit, the CPUs of the machine."""
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
