"""Settings from the environment: one field per variable, with its default, unit and meaning."""

from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


def _setting(default: Any, description: str, *, unit: str = "", **bounds: Any) -> Any:
    """Declare a field with its unit, which `--help` and the reference page show."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **bounds)


class Settings(BaseSettings):
    """All that can be set; the variable's name is the field's in capitals."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    whisper_model: str = _setting(
        "small", "Model: a folder with CTranslate2 weights, a size (tiny.en, small, large-v3, turbo) or a hub name"
    )
    whisper_model_name: str = _setting(
        "", "Name shown in /v1/models and in metrics; empty: the last part of WHISPER_MODEL"
    )
    whisper_download_root: str = _setting("", "Folder where weights are cached; empty: the hub's own cache folder")
    whisper_device: Literal["auto", "cpu", "cuda"] = _setting("auto", "Device that decodes: auto, cpu or cuda")
    whisper_compute_type: str = _setting(
        "default", "CTranslate2's compute type: default, int8 (recommended on a CPU), float16, int8_float16, ..."
    )
    whisper_cpu_threads: int = _setting(
        0, "CPU threads for all slots together; 0: as many as this process may use", unit="threads", ge=0
    )
    whisper_concurrency: int = _setting(1, "Requests decoded at the same time; a further one is refused", ge=1, le=64)
    whisper_batch_size: int = _setting(
        0, "Blocks of up to 30 s decoded together; 0: one after the other", unit="blocks", ge=0, le=256
    )
    whisper_beam_size: int = _setting(5, "Beams of the search at temperature 0", unit="beams", ge=1, le=20)
    whisper_vad_filter: bool = _setting(
        False,  # noqa: FBT003 - a default, like those around it
        "Cut out all pauses before decoding unless a request says otherwise",
    )
    whisper_skip_silence: float = _setting(
        10.0,
        "Stretches without speech longer than this never reach the model, which invents sentences there; 0: keep all",
        unit="s",
        ge=0,
    )
    whisper_host: str = _setting("0.0.0.0", "Address to listen on")  # noqa: S104 - a pod is reached on all its addresses
    whisper_port: int = _setting(9000, "Port to listen on; 0: a free one, named in the log", ge=0, le=65535)
    max_upload_bytes: int = _setting(512 * MIB, "Largest audio file accepted", unit="bytes", ge=1)
    max_audio_seconds: float = _setting(
        4 * 3600.0, "Longest audio accepted, counted while it is decoded", unit="s", gt=0
    )
    upload_stall_timeout: float = _setting(
        30.0, "An upload that brings less than 4 KiB in this time is given up with 408", unit="s", gt=0
    )
    whisper_drain_timeout: float = _setting(
        300.0, "After SIGTERM, how long running jobs may take to finish", unit="s", ge=0
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting("INFO", "Least severe level that is logged")

    @property
    def model_name(self) -> str:
        """The name clients see, such as ``tiny.en`` or ``faster-whisper-small``."""
        return self.whisper_model_name or self.whisper_model.rstrip("/").rsplit("/", 1)[-1]


def describe() -> str:
    """Return the text of `--help`: each variable with default, unit and meaning."""
    lines = [
        "usage: python -m speechwhisper [--help]",
        "",
        "A speech recognition server over faster-whisper. Settings come from the environment:",
        "",
    ]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        default = f"{field.default} {unit}".strip() or "empty"
        lines += [f"  {name.upper()}  (default: {default})", f"      {field.description}"]
    return "\n".join(lines)
