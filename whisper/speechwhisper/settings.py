"""Settings from environment variables: one field per variable, with its default, unit and description."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024

Search: TypeAlias = Literal["auto", "fast", "accurate"]


def _http_url(value: str) -> str:
    """Return a URL as it is, or empty for none; messages have no value that may contain a password."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        valid = bool(parts.hostname and parts.hostname.encode("idna") and (parts.port is None or parts.port))
        valid = valid and parts.scheme in {"http", "https"}
    except ValueError:  # an invalid host or port; UnicodeError is a ValueError
        valid = False
    if "@" in value and (not valid or "@" in parts.netloc):
        message = "must not contain a user name or password; use OTEL_EXPORTER_OTLP_HEADERS"
        raise ValueError(message)
    if not valid:
        message = f"must be an http:// or https:// URL with a host, not {value!r}"
        raise ValueError(message)
    return value


OptionalHttpUrl = Annotated[str, AfterValidator(_http_url)]


def _setting(default: Any, description: str, *, unit: str = "", **bounds: Any) -> Any:
    """Declare a field with its unit, which `--help` and the reference page show."""
    if isinstance(default, float):
        bounds["allow_inf_nan"] = False  # infinite samples or seconds fail only in the first request
    return Field(default, description=description, json_schema_extra={"unit": unit}, **bounds)


class Settings(BaseSettings):
    """All settings. The environment variable is the field's name in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    whisper_model: str = _setting(
        "small", "model: a folder of CTranslate2 weights, a size (tiny.en, small, large-v3, turbo) or a hub name"
    )
    whisper_model_name: str = _setting(
        "", "name of the model in `/v1/models` and metrics; empty: the last path element of WHISPER_MODEL"
    )
    whisper_model_aliases: Annotated[tuple[str, ...], NoDecode] = _setting(
        (),
        "further names of the model in requests, comma-separated, besides its own and OpenAI's names; `*`: any name",
    )
    whisper_download_root: str = _setting("", "cache folder for weights; empty: the hub's default cache folder")
    whisper_device: Literal["auto", "cpu", "cuda"] = _setting("auto", "device for decoding: auto, cpu or cuda")
    whisper_device_index: str = _setting(
        "", "indexes of the GPUs to use, such as `0` or `0,1`; empty: all visible ones; each decodes batches"
    )
    whisper_compute_type: str = _setting(
        "auto",
        "compute type of CTranslate2: auto (int8 on a CPU, float16 on a GPU), int8, float16, int8_float16, and others",
    )
    whisper_cpu_threads: int = _setting(
        0, "CPU threads of the model; 0: the CPUs available to this process", unit="threads", ge=0
    )
    whisper_concurrency: int = _setting(
        16,
        "slots: recordings received and decoded concurrently, sharing the batches; further ones wait in the queue",
        ge=1,
        le=256,
    )
    whisper_queue: int = _setting(
        64, "requests that may wait for a slot; further ones are rejected with 503; 0: no queue", ge=0, le=10_000
    )
    whisper_queue_audio_seconds: float = _setting(
        10 * 3600.0,
        "audio that may wait for a slot, which one recording alone may exceed; 0: unlimited",
        unit="s",
        ge=0,
    )
    whisper_batch_size: int = _setting(
        "auto",
        "blocks of speech decoded in one batch; auto, or 0: on a CPU the fastest up to 8, on a GPU by free memory",
        ge=0,
        le=256,
    )
    whisper_search: Search = _setting(
        "auto",
        "how a block of speech is decoded first: fast (the most probable words, in a window that fits; by beam search "
        "only if they are doubtful), accurate (by beam search in the window of 30 s, like faster-whisper by default), "
        "auto (fast for tiny models, accurate for others)",
    )
    whisper_beam_size: int = _setting(
        5,
        "beams of the beam search",
        unit="beams",
        ge=1,
        le=20,
    )
    whisper_vad_filter: bool = _setting(
        False,  # noqa: FBT003 - a default, like those around it
        "default of `vad_filter`: whether pauses of 2 s and longer are removed before decoding",
    )
    whisper_condition_on_previous_text: bool = _setting(
        False,  # noqa: FBT003 - a default, like those around it
        "whether each block is given the text before it, which can repeat a phrase through long recordings, and "
        "decodes the blocks of a recording one after the other",
    )
    whisper_skip_silence: float = _setting(
        10.0,
        "longest pause passed to the model, which hallucinates in silence; 0: pass everything",
        unit="s",
        ge=0,
    )
    server_host: str = _setting("::", "address to listen on; `::` listens on all IPv6 and IPv4 addresses")
    server_port: int = _setting(9000, "port to listen on; 0: any free port", ge=0, le=65535)
    max_upload_bytes: int = _setting(512 * MIB, "maximum size of an audio file", unit="bytes", ge=1)
    max_audio_seconds: float = _setting(
        4 * 3600.0, "maximum duration of a recording, checked while it is decoded", unit="s", gt=0
    )
    upload_stall_timeout: float = _setting(
        30.0, "an upload that sends less than 32 KiB in this time is rejected with 408", unit="s", gt=0
    )
    whisper_drain_timeout: float = _setting(
        300.0, "time that requests in flight may take after SIGTERM, until their responses are sent", unit="s", ge=0
    )
    otel_exporter_otlp_endpoint: OptionalHttpUrl = _setting(
        "",
        "URL of an OpenTelemetry receiver (`http://collector:4318`), which gets the traces of requests by OTLP over "
        "HTTP; empty: requests are not traced",
    )
    otel_exporter_otlp_traces_endpoint: OptionalHttpUrl = _setting(
        "",
        "URL for traces with its path, instead of OTEL_EXPORTER_OTLP_ENDPOINT with `/v1/traces`",
    )
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = _setting(
        "http/protobuf", "protocol of the receiver; receivers usually have it on port 4318"
    )
    otel_exporter_otlp_traces_protocol: Literal["http/protobuf"] = _setting("http/protobuf", "protocol for traces")
    otel_traces_exporter: Literal["otlp", "none"] = _setting(
        "otlp", "with `none`, requests are not traced, whatever the URLs are"
    )
    otel_sdk_disabled: bool = _setting(
        False,  # noqa: FBT003 - a default, like those around it
        "whether requests are not traced, as with OTEL_TRACES_EXPORTER=none",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "minimum log level")

    @field_validator("whisper_device_index")
    @classmethod
    def _indexes(cls, value: str) -> str:
        if not re.fullmatch(r"\s*(\d{1,3}\s*(,\s*\d{1,3}\s*)*)?", value):
            message = "must be numbers of GPUs, separated by commas"
            raise ValueError(message)
        return value

    @field_validator("whisper_batch_size", mode="before")
    @classmethod
    def _automatic(cls, value: object) -> object:
        return 0 if value == "auto" else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("whisper_model_aliases", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @property
    def device_indexes(self) -> tuple[int, ...]:
        """The GPUs to use; empty for all."""
        return tuple(int(one) for one in self.whisper_device_index.split(",") if one.strip())

    @property
    def model_name(self) -> str:
        """The name of the model for clients, such as `tiny.en` or `faster-whisper-small`."""
        return self.whisper_model_name or self.whisper_model.rstrip("/").rsplit("/", 1)[-1]
