"""Getting the model into memory, or saying clearly what to do when that fails."""

import os
from pathlib import Path

from faster_whisper import WhisperModel
from faster_whisper.utils import available_models

from speechwhisper.recognition.faster_whisper import Tuning, WhisperDecoder
from speechwhisper.recognition.features import BlockFeatureExtractor
from speechwhisper.settings import Settings

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_CGROUP_V1_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


class ModelUnavailableError(Exception):
    """The model cannot be loaded; the text says what to do."""


def load(settings: Settings) -> WhisperDecoder:
    """Load the model that the settings name, from a folder, the cache or the hub.

    Raises:
        ModelUnavailableError: there are no weights, or the device cannot run them.
    """
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
            model = _load(settings, folder, local_files_only=True)
        except FileNotFoundError:  # not in the cache: huggingface_hub's LocalEntryNotFoundError
            model = _load(settings, folder, local_files_only=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailableError(_advice(settings, error)) from error
    # Equal numbers in flat memory: see `features`.
    model.feature_extractor = BlockFeatureExtractor(**model.feat_kwargs)
    return WhisperDecoder(
        model,
        Tuning(
            beam_size=settings.whisper_beam_size,
            batch_size=settings.whisper_batch_size,
            skip_silence=settings.whisper_skip_silence,
        ),
    )


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


def _advice(settings: Settings, error: Exception) -> str:
    cache = settings.whisper_download_root or "the hub's default cache folder"
    return (
        f"cannot load WHISPER_MODEL={settings.whisper_model} (device {settings.whisper_device}, compute type "
        f"{settings.whisper_compute_type}): {error}\n"
        "What to do: set WHISPER_MODEL to a folder with CTranslate2 weights (config.json, model.bin, tokenizer.json, "
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
